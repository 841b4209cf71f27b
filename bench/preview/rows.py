"""Rows of a CSV to items of DynamoDB: `csv`, `decimal` and boto3's TypeSerializer. Writes one item a line to stdout."""

import csv
import json
import sys
from datetime import datetime
from decimal import Decimal

from boto3.dynamodb.types import TypeSerializer

TEXTS = ("id", "customer", "country", "comment", "address")
NUMBERS = ("quantity", "price", "discount", "weight")
TIMES = ("placed", "shipped")


def main():
    serialize = TypeSerializer().serialize
    with open(sys.argv[1], newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            item = {name: row[name] for name in TEXTS}
            item |= {name: Decimal(row[name]) for name in NUMBERS}
            item |= {name: datetime.fromisoformat(row[name]).isoformat() + "Z" for name in TIMES}
            item["paid"] = row["paid"] == "true"
            marshalled = {name: serialize(value) for name, value in item.items()}
            sys.stdout.write(json.dumps({"Item": marshalled}, ensure_ascii=False, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
