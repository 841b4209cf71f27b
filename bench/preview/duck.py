"""Rows of a CSV to items of DynamoDB with DuckDB on one thread: `read_csv` with the same types, written as JSON.

The numbers of DuckDB are DECIMAL(18, 4), which is faster and holds less than a number of DynamoDB.
"""

import sys

import duckdb

COLUMNS = {
    "id": "VARCHAR", "customer": "VARCHAR", "placed": "TIMESTAMP", "shipped": "TIMESTAMP", "quantity": "BIGINT",
    "price": "DECIMAL(18, 4)", "discount": "DECIMAL(18, 4)", "weight": "DECIMAL(18, 4)", "paid": "BOOLEAN",
    "country": "VARCHAR", "comment": "VARCHAR", "address": "VARCHAR",
}
"""In the order of the file."""


def attribute(name, kind):
    """Returns DynamoDB's JSON of a column."""
    if kind == "TIMESTAMP":
        return f"struct_pack(S := strftime({name}, '%Y-%m-%dT%H:%M:%SZ'))"
    if kind == "BOOLEAN":
        return f"struct_pack(BOOL := {name})"
    return f"struct_pack(S := {name})" if kind == "VARCHAR" else f"struct_pack(N := {name}::VARCHAR)"


def main():
    path = sys.argv[1].replace("'", "''")
    attributes = [f"{name} := {attribute(name, kind)}" for name, kind in COLUMNS.items()]
    connection = duckdb.connect()
    connection.execute("SET threads = 1; SET preserve_insertion_order = true")
    connection.execute(
        f"COPY (SELECT struct_pack({', '.join(attributes)}) AS \"Item\" FROM read_csv('{path}', header = true, "
        f"columns = {COLUMNS!r}, nullstr = 'NULL')) TO '/dev/stdout' (FORMAT json)")


if __name__ == "__main__":
    main()
