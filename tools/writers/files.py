"""The writers: each writes the columns of the table to one file, as its users do."""

import datetime
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import pandas
import polars
import xlsxwriter

from table import Column

# Labels of the rows, and the values of each column.
Columns = dict[str, tuple[Column, list[Any]]]


@dataclass(frozen=True)
class Writer:
    """A writer: its name, the ending of its file, the settings of the task, and the function that writes."""

    name: str
    suffix: str
    settings: dict[str, Any]
    write: Callable[[Columns, Path], None]


def ids(columns: Columns) -> list[str]:
    return [f"r{row + 1}" for row in range(len(next(iter(columns.values()))[1]))]


def frame(columns: Columns) -> pandas.DataFrame:
    """As pandas makes it of lists: numbers with a gap are floats, and what it has no type for stays an object."""
    made = {"id": ids(columns)}
    for name, (_, values) in columns.items():
        made[name] = pandas.to_datetime(pandas.Series(values), utc=True) if name == "instant" else pandas.Series(values)
    return pandas.DataFrame(made)


POLARS: dict[str, Any] = {
    "text": polars.String,
    "flag": polars.Boolean,
    "whole": polars.Int64,
    "gaps": polars.Int64,
    "large": polars.Decimal(38, 0),
    "exact": polars.Decimal(38, 20),
    "real": polars.Float64,
    "instant": polars.Datetime("us", "UTC"),
    "local": polars.Datetime("us"),
    "midnights": polars.Datetime("us"),
    "day": polars.Date,
    "clock": polars.Time,
    "span": polars.Duration("us"),
    "tags": polars.List(polars.String),
    "counts": polars.List(polars.Int64),
    "blob": polars.Binary,
    "tree": polars.Struct({"a": polars.Int64, "b": polars.Struct({"c": polars.List(polars.String)})}),
}


def typed_frame(columns: Columns) -> polars.DataFrame:
    made: dict[str, Any] = {"id": ids(columns)}
    for name, (_, values) in columns.items():
        if name == "instant":
            values = [value and value.astimezone(datetime.timezone.utc) for value in values]
        if name == "tree":
            as_text = lambda one: None if one is None else one if isinstance(one, str) else json.dumps(one)
            values = [
                value and {"a": value["a"], "b": {"c": [as_text(one) for one in value["b"]["c"]]}} for value in values
            ]
        made[name] = polars.Series(name, values, dtype=POLARS[name])
    return polars.DataFrame(made)


DUCKDB = {"bytea": "blob"}


def database(columns: Columns) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    declared = ", ".join(f"{name} {DUCKDB.get(column.sql, column.sql)}" for name, (column, _) in columns.items())
    connection.execute(f"create table t (id text, {declared})")
    marks = ", ".join("?" for _ in range(len(columns) + 1))
    as_json = {name for name, (column, _) in columns.items() if column.sql == "json"}
    values = [
        [json.dumps(value) if name in as_json and value is not None else value for value in values]
        for name, (_, values) in columns.items()
    ]
    connection.executemany(f"insert into t values ({marks})", list(zip(ids(columns), *values)))
    return connection


def duckdb_csv(columns: Columns, path: Path) -> None:
    database(columns).execute(f"copy t to '{path}' (format csv, header)")


def duckdb_json(columns: Columns, path: Path) -> None:
    database(columns).execute(f"copy t to '{path}' (format json)")


def with_openpyxl(columns: Columns, path: Path) -> None:
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    sheet.append(["id", *columns])
    for row in zip(ids(columns), *(values for _, values in columns.values())):
        sheet.append(row)
        # A text that begins so is a formula, unless one says that it is none.
        for cell in sheet[sheet.max_row]:
            if cell.data_type == "f":
                cell.data_type = "s"
    workbook.save(path)


def with_xlsxwriter(columns: Columns, path: Path) -> None:
    options = {
        "default_date_format": "yyyy-mm-dd hh:mm:ss.000",
        "strings_to_formulas": False,
        "nan_inf_to_errors": True,
    }
    workbook = xlsxwriter.Workbook(path, options)
    sheet = workbook.add_worksheet()
    formats = {
        "day": workbook.add_format({"num_format": "yyyy-mm-dd"}),
        "clock": workbook.add_format({"num_format": "hh:mm:ss"}),
        "span": workbook.add_format({"num_format": "[h]:mm:ss"}),
    }
    sheet.write_row(0, 0, ["id", *columns])
    for number, row in enumerate(zip(ids(columns), *(values for _, values in columns.values())), 1):
        for position, (name, value) in enumerate(zip(["id", *columns], row)):
            sheet.write(number, position, value, formats.get(name))
    workbook.close()


WRITERS = [
    Writer("pandas CSV", ".csv", {}, lambda columns, path: frame(columns).to_csv(path, index=False)),
    Writer("polars CSV", ".csv", {}, lambda columns, path: typed_frame(columns).write_csv(path)),
    Writer("DuckDB CSV", ".csv", {}, duckdb_csv),
    Writer(
        "pandas JSON Lines",
        ".jsonl",
        {"format": "json-lines"},
        lambda columns, path: frame(columns).to_json(path, orient="records", lines=True, date_format="iso"),
    ),
    Writer(
        "polars JSON Lines",
        ".jsonl",
        {"format": "json-lines"},
        lambda columns, path: typed_frame(columns).write_ndjson(path),
    ),
    Writer("DuckDB JSON Lines", ".jsonl", {"format": "json-lines"}, duckdb_json),
    Writer("openpyxl", ".xlsx", {}, with_openpyxl),
    Writer("XlsxWriter", ".xlsx", {}, with_xlsxwriter),
    Writer(
        "pandas by openpyxl",
        ".xlsx",
        {},
        lambda columns, path: frame(columns).to_excel(path, index=False, engine="openpyxl"),
    ),
    Writer(
        "pandas by XlsxWriter",
        ".xlsx",
        {},
        lambda columns, path: frame(columns).to_excel(path, index=False, engine="xlsxwriter"),
    ),
    Writer("polars by XlsxWriter", ".xlsx", {}, lambda columns, path: typed_frame(columns).write_excel(path)),
]
