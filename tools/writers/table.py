"""The table that every writer writes: columns of values that go wrong, and what each value means."""

import base64
import datetime
import decimal
import math
import zoneinfo
from dataclasses import dataclass
from typing import Any

BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
UTC = datetime.timezone.utc
OFFSET = datetime.timezone(datetime.timedelta(hours=5, minutes=30))
NULL = {"NULL": True}


@dataclass(frozen=True)
class Column:
    """A column: the settings of its field, its values by their labels, and the function from a value to what is meant."""

    name: str
    sql: str  # the type in PostgreSQL and DuckDB
    settings: dict[str, Any]
    values: dict[str, Any]
    meant: Any


def text(value: str) -> dict[str, Any]:
    return {"S": value}


def number(value: Any) -> dict[str, Any] | str:
    """DynamoDB's number: without zeros at its end, and with an exponent where it is long."""
    if isinstance(value, float):
        if not math.isfinite(value):
            return "invalid-number"
        value = decimal.Decimal(repr(value))
    value = decimal.Decimal(value)
    if value and not -130 <= value.adjusted() <= 125:
        return "out-of-range"
    return {"N": value}


def instant(value: datetime.datetime) -> dict[str, Any] | str:
    """ISO 8601 in UTC, with the digits of a second that are there."""
    if value.tzinfo is None:
        first, second = (value.replace(tzinfo=BERLIN, fold=fold) for fold in (0, 1))
        if first.utcoffset() != second.utcoffset():
            return "invalid-timestamp"
        value = first
    value = value.astimezone(UTC).replace(tzinfo=None)
    out = value.isoformat()
    return {"S": (out.rstrip("0") if value.microsecond else out) + "Z"}


def elements(values: list[Any]) -> dict[str, Any]:
    of = lambda one: NULL if one is None else {"N": decimal.Decimal(one)} if isinstance(one, int) else {"S": one}
    return {"L": [of(one) for one in values]}


def tree(value: Any) -> dict[str, Any]:
    match value:
        case None:
            return NULL
        case bool():
            return {"BOOL": value}
        case int() | decimal.Decimal():
            return {"N": decimal.Decimal(value)}
        case str():
            return {"S": value}
        case list():
            return {"L": [tree(one) for one in value]}
        case dict():
            return {"M": {name: tree(one) for name, one in value.items()}}
    raise TypeError(value)


def moment(text: str, zone: Any = None) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text).replace(tzinfo=zone)


COLUMNS = [
    Column(
        "text",
        "text",
        {"empty": {"missing": "null", "quoted": "keep"}},
        {
            "plain": "plain",
            "null": None,
            "empty": "",
            "quotes": 'say "hi"',
            "all in quotes": '"quoted"',
            "one quote": '"',
            "comma": "a,b",
            "semicolon": "a;b",
            "tab": "a\tb",
            "bar": "a|b",
            "line feed": "a\nb",
            "carriage return": "a\rb",
            "both": "a\r\nb\r\n",
            "blanks": "  a  ",
            "blank": " ",
            "no-break spaces": "\u00a0a\u00a0",
            "beyond ASCII": "Größe ß Ł 日本 e\u0301 😀",
            "apostrophe": "it's",
            "leading zeros": "007",
            "exponent": "1e3",
            "boolean": "TRUE",
            "date": "2026-01-31",
            "formula": "=1+1",
            "plus": "+49 30",
            "minus": "-",
            "at": "@a",
            "hash": "#a",
            "backslash": "C:\\new\\",
            "word NULL": "NULL",
            "word None": "None",
            "word nan": "nan",
            "word N/A": "#N/A",
            "MySQL's NULL": "\\N",
            "PostgreSQL's end": "\\.",
            "escape of a letter": "img_x1920_1080",
            "escape of a return": "a_x000D_b",
            "byte order mark": "\ufeffa",
            "control": "\x1b[0m",
        },
        text,
    ),
    Column(
        "flag",
        "boolean",
        {"type": "boolean"},
        {"true": True, "false": False, "null": None},
        lambda value: {"BOOL": value},
    ),
    Column(
        "whole",
        "bigint",
        {"type": "integer"},
        {"zero": 0, "minus": -1, "2^53 + 1": 2**53 + 1, "greatest": 2**63 - 1, "least": -(2**63)},
        number,
    ),
    Column("gaps", "bigint", {"type": "integer"}, {"one": 1, "null": None, "2^53 + 1": 2**53 + 1}, number),
    Column(
        "large",
        "numeric(38,0)",
        {"type": "integer"},
        {"38 digits": decimal.Decimal(10**38 - 1), "minus": decimal.Decimal(-1), "null": None},
        number,
    ),
    Column(
        "exact",
        "numeric(38,20)",
        {"type": "number"},
        {
            "zero at the end": decimal.Decimal("1.50"),
            "minus": decimal.Decimal("-0.10"),
            "38 digits": decimal.Decimal("123456789012345678.12345678901234567891"),
            "least": decimal.Decimal("0.00000000000000000001"),
            "null": None,
        },
        number,
    ),
    Column(
        "real",
        "double precision",
        {"type": "number"},
        {
            "0.1": 0.1,
            "0.1 + 0.2": 0.1 + 0.2,
            "1e-07": 1e-07,
            "1e15": 1e15,
            "1e16": 1e16,
            "1e22": 1e22,
            "1e100": 1e100,
            "zero": 0.0,
            "minus zero": -0.0,
            "third": -1 / 3,
            "least": 5e-324,
            "greatest": 1.7976931348623157e308,
            "infinity": math.inf,
            "minus infinity": -math.inf,
            "NaN": math.nan,
            "null": None,
        },
        number,
    ),
    Column(
        "instant",
        "timestamp with time zone",
        {"type": "timestamp"},
        {
            "plain": moment("2026-03-29T01:30:00", UTC),
            "microseconds": moment("2026-03-29T01:30:00.123456", UTC),
            "milliseconds": moment("2026-03-29T01:30:00.5", UTC),
            "offset": moment("2026-03-29T01:30:00", OFFSET),
            "fold": moment("2026-10-25T00:30:00", UTC),
            "1901": moment("1901-12-13T20:45:52", UTC),
            "9999": moment("9999-12-31T21:59:59", UTC),
            "null": None,
        },
        instant,
    ),
    Column(
        "local",
        "timestamp",
        {"type": "timestamp", "zone": "Europe/Berlin"},
        {
            "plain": moment("2026-01-31T12:00:00"),
            "midnight": moment("2026-01-31T00:00:00"),
            "microseconds": moment("2026-01-31T23:59:59.999999"),
            "gap": moment("2026-03-29T02:30:00"),
            "fold": moment("2026-10-25T02:30:00"),
            "null": None,
        },
        instant,
    ),
    Column(
        "midnights",
        "timestamp",
        {"type": "timestamp"},
        {"plain": moment("2026-01-31T00:00:00"), "1900": moment("1900-03-01T00:00:00"), "null": None},
        lambda value: instant(value.replace(tzinfo=UTC)),
    ),
    Column(
        "day",
        "date",
        {"type": "date"},
        {
            "plain": datetime.date(2026, 1, 31),
            "1900": datetime.date(1900, 3, 1),
            "9999": datetime.date(9999, 12, 31),
            "null": None,
        },
        lambda value: {"S": value.isoformat()},
    ),
    Column(
        "clock",
        "time",
        {},
        {
            "plain": datetime.time(6, 30),
            "microseconds": datetime.time(23, 59, 59, 999999),
            "midnight": datetime.time(0),
        },
        lambda value: {"S": value.isoformat()},
    ),
    Column(
        "span",
        "interval",
        {},
        {"hours": datetime.timedelta(hours=30), "parts": datetime.timedelta(days=1, seconds=1, milliseconds=500)},
        lambda value: {"S": str(value)},
    ),
    Column(
        "tags",
        "text[]",
        {"type": "list"},
        {
            "plain": ["a b", "c,d"],
            "quotes": ['say "hi"', "it's", "\\"],
            "gaps": ["a", None, ""],
            "empty": [],
            "null": None,
            "words": ["NULL", "null", "None"],
            "blanks": [" a ", "é"],
            "brackets": ["[x]", "{y}"],
        },
        elements,
    ),
    Column(
        "counts",
        "bigint[]",
        {"type": "list", "of": "integer"},
        {"plain": [1, 2, 3], "gaps": [1, None, 3], "empty": [], "null": None},
        elements,
    ),
    Column(
        "blob",
        "bytea",
        {"type": "binary"},
        {"bytes": b"\xde\xad\xbe\xef", "text": b"plain", "quote": b'"\n', "null": None},
        lambda value: {"B": base64.b64encode(value).decode()},
    ),
    Column(
        "tree",
        "json",
        {"type": "json"},
        {"object": {"a": 1, "b": {"c": [True, None, 'x "y", z']}}, "empty": {}, "null": None},
        tree,
    ),
]


class Sql(str):
    """A value as it is written in SQL."""


def of_sql(name: str, sql: str, settings: dict[str, Any], *values: tuple[str, Any]) -> Column:
    """A column of values that only a database has, each with what is meant."""
    meanings = {Sql(value): meaning for value, meaning in values}
    return Column(name, sql, settings, {value: Sql(value) for value in meanings}, meanings.__getitem__)


# Values of PostgreSQL that Python has no type for.
POSTGRESQL = [
    of_sql(
        "ages",
        "timestamp with time zone",
        {"type": "timestamp"},
        ("1890-01-01 00:00+00", {"S": "1890-01-01T00:00:00Z"}),
        ("infinity", "invalid-timestamp"),
        ("-infinity", "invalid-timestamp"),
        ("0044-03-15 12:00+00 BC", "invalid-timestamp"),
        ("10000-01-01 00:00+00", "invalid-timestamp"),
    ),
    of_sql(
        "special",
        "numeric",
        {"type": "number"},
        ("1e-20", {"N": decimal.Decimal("1e-20")}),
        ("NaN", "invalid-number"),
        ("Infinity", "invalid-number"),
        ("-Infinity", "invalid-number"),
    ),
    of_sql("price", "money", {"type": "number", "group": ","}, ("1234.5", "invalid-number")),
    of_sql("padded", "char(5)", {}, ("ab", {"S": "ab   "})),
    of_sql("trimmed", "char(5)", {"trim": True}, ("ab", {"S": "ab"})),
    of_sql("matrix", "int[]", {"type": "list"}, ("{{1,2},{3,4}}", "invalid-list")),
    of_sql("bounds", "int[]", {"type": "list"}, ("[2:3]={1,2}", "invalid-list")),
    of_sql(
        "flags",
        "boolean[]",
        {"type": "list", "of": "boolean"},
        ("{t,f,NULL}", {"L": [{"BOOL": True}, {"BOOL": False}, NULL]}),
    ),
    of_sql(
        "either",
        "integer",
        {"type": "boolean"},
        ("1", {"BOOL": True}),
        ("0", {"BOOL": False}),
        ("2", "invalid-boolean"),
    ),
]

ROWS = max(len(column.values) for column in COLUMNS)


def rows(column: Column) -> list[tuple[str, Any]]:
    """The labels and values of a column, again and again until there is one for each row."""
    values = list(column.values.items())
    return [values[row % len(values)] for row in range(ROWS)]


def meant(column: Column, value: Any) -> Any:
    """What is meant by a value: DynamoDB's JSON, None for no attribute, or the reason by which it is refused."""
    if value is None:
        return NULL if column.name == "text" else None
    return column.meant(value)


def read(value: Any) -> Any:
    """DynamoDB's JSON with numbers that are compared by value."""
    if isinstance(value, dict):
        return {
            name: decimal.Decimal(one) if name == "N" and isinstance(one, str) else read(one)
            for name, one in value.items()
        }
    return [read(one) for one in value] if isinstance(value, list) else value
