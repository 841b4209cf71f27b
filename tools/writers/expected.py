"""For each writer, the values that are not read as they were meant, and why.

What is not listed here is read as it was meant, or refused by the reason that `table.py` names for it."""

import csv
import decimal
import io
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Reads:
    """The writer has changed the value: this is what its file says, and what is read."""

    value: Any
    why: str
    always: bool = True  # False if newer versions of the writer write the value as it is


@dataclass(frozen=True)
class Refused:
    """The value is refused by this reason."""

    reason: str
    why: str


@dataclass(frozen=True)
class Spoils:
    """The value makes its whole row one that is refused by this reason."""

    reason: str
    why: str


@dataclass(frozen=True)
class Unwritable:
    """The writer itself refuses the value."""

    why: str


@dataclass(frozen=True)
class Broken:
    """The file of the writer is not what any reader of its format would take for the value; some row of it fails."""

    why: str


ALL = "*"


def number(text: str) -> dict[str, Any]:
    return {"N": decimal.Decimal(text)}


def texts(why: str, **of: str) -> dict[str, Reads]:
    return {label: Reads({"S": value}, why) for label, value in of.items()}


def quotes_returns() -> bool:
    """Whether Python's csv quotes a carriage return: since 3.11.9 and 3.12.3."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(["a\rb"])  # as pandas does
    return out.getvalue().startswith('"')


NULL = {"NULL": True}
NO_EMPTY = {"empty": Reads(NULL, "NULL and an empty text are both written as nothing")}
FLOATS = {"2^53 + 1": Reads(number("9007199254740992"), "a column of numbers with a gap is one of doubles")}
NO_NAN = Reads(None, "NaN is written as nothing, or as null")
NOT_FINITE = {"infinity": NO_NAN, "minus infinity": NO_NAN, "NaN": NO_NAN}
OF_PYTHON = {
    "blob": {
        label: Refused("invalid-binary", "bytes are written as Python shows them: b'…'")
        for label in ("bytes", "text", "quote")
    },
    "tree": {"object": Refused("invalid-json", "a dictionary is written as Python shows it, which is not JSON")},
}
# A printable byte is itself, so that other bytes may look like it.
OF_DUCKDB = {
    label: Refused("invalid-binary", "bytes are written as \\xDE\\xAD or, where printable, as they are")
    for label in ("bytes", "text", "quote")
}

SIXTEEN = "16 digits of a number are written"
WORKBOOK = {
    "whole": {
        "2^53 + 1": Reads(number("9007199254740992"), SIXTEEN),
        "greatest": Reads(number("9223372036854776000"), SIXTEEN),
        "least": Reads(number("-9223372036854776000"), SIXTEEN),
    },
    "gaps": {"2^53 + 1": Reads(number("9007199254740992"), SIXTEEN)},
    "large": {"38 digits": Reads(number("1e38"), SIXTEEN)},
    "exact": {"38 digits": Reads(number("123456789012345700"), SIXTEEN)},
    "real": {
        "0.1 + 0.2": Reads(number("0.3"), SIXTEEN),
        "greatest": Refused("invalid-number", "16 digits of the greatest double are infinite"),
    },
    "instant": {ALL: Unwritable("a spreadsheet has no time zones")},
    "local": {"microseconds": Reads({"S": "2026-01-31T23:00:00Z"}, "a spreadsheet counts milliseconds")},
    "clock": texts("a spreadsheet counts milliseconds", microseconds="23:59:59.999"),
    "span": texts("a duration", hours="30:00:00", parts="24:00:01.500"),
}
SPANS = {"span": texts("a duration is written as a number of days", hours="1.25", parts="1.000017361111111")}
NESTED = {name: {ALL: Unwritable("it has no cells for values with parts")} for name in ("tags", "counts", "tree")}
NO_BYTES = {"blob": {ALL: Unwritable("it takes no bytes, or only text in UTF-8")}}
ERRORS = {
    "infinity": Spoils("no-stored-result", "written as the error #DIV/0!"),
    "minus infinity": Spoils("no-stored-result", "written as the error #DIV/0!"),
    "NaN": Spoils("no-stored-result", "written as the error #NUM!"),
}
OF_OPENPYXL = {
    **NO_EMPTY,
    "carriage return": Reads(
        {"S": "a\nb"}, "XML has no carriage returns but by an escape, which openpyxl does not write"
    ),
    "both": Reads({"S": "a\nb\n"}, "XML has no carriage returns but by an escape, which openpyxl does not write"),
    "blank": Reads({"S": ""}, "openpyxl does not mark a text of blanks alone as one to be kept"),
    "word N/A": Spoils("no-stored-result", "openpyxl makes an error of a text that looks like one"),
    "escape of a return": Reads(
        {"S": "a\rb"}, "openpyxl does not escape what looks like an escape; preview tells the cell"
    ),
    "control": Unwritable("openpyxl writes no escapes"),
}

EXPECTED: dict[str, dict[str, dict[str, Any]]] = {
    "pandas CSV": {
        "text": {
            **NO_EMPTY,
            **({} if quotes_returns() else {"carriage return": Broken("it is not quoted by this Python")}),
        },
        "gaps": FLOATS,
        "real": {"NaN": NO_NAN},
        "span": texts("a duration", hours="1 days 06:00:00.000000", parts="1 days 00:00:01.500000"),
        **OF_PYTHON,
    },
    "polars CSV": {
        "clock": texts(
            "nanoseconds are written",
            plain="06:30:00.000000000",
            microseconds="23:59:59.999999000",
            midnight="00:00:00.000000000",
        ),
        **{
            name: {ALL: Unwritable("it has no CSV for durations, bytes and values with parts")}
            for name in ("span", "tags", "counts", "blob", "tree")
        },
    },
    "DuckDB CSV": {
        "span": texts("a duration", hours="1 day 06:00:00", parts="1 day 00:00:01.5"),
        "tags": {
            "words": Reads(
                {"L": [{"S": "NULL"}, {"S": "null"}, NULL]}, "the text None is written as Python writes null"
            )
        },
        "blob": OF_DUCKDB,
    },
    "pandas JSON Lines": {
        "gaps": FLOATS,
        "real": {
            "0.1 + 0.2": Reads(number("0.3"), "10 decimals are written"),
            "third": Reads(number("-0.3333333333"), "10 decimals are written"),
            "greatest": Spoils("invalid-json", "its digits are rounded up to more than a double has"),
            **NOT_FINITE,
        },
        "instant": {"microseconds": Reads({"S": "2026-03-29T01:30:00.123Z"}, "milliseconds are written")},
        "local": {"microseconds": Reads({"S": "2026-01-31T22:59:59.999Z"}, "milliseconds are written")},
        "span": texts("a duration", hours="P1DT6H0M0S", parts="P1DT0H0M1.500S"),
        **NO_BYTES,
    },
    "polars JSON Lines": {
        "real": NOT_FINITE,
        "span": texts("a duration", hours="PT108000S", parts="PT86401.5S"),
        "tree": {
            "object": Reads(
                {"M": {"a": number("1"), "b": {"M": {"c": {"L": [{"S": "true"}, NULL, {"S": 'x "y", z'}]}}}}},
                "the elements of a list have one type",
            ),
            "empty": Reads({"M": {"a": NULL, "b": NULL}}, "every struct of a column has the same members"),
        },
        **NO_BYTES,
    },
    "DuckDB JSON Lines": {
        "real": {
            label: Spoils("invalid-json", "written as Infinity and NaN, which JSON does not have")
            for label in ("infinity", "minus infinity", "NaN")
        },
        "span": texts("a duration", hours="1 day 06:00:00", parts="1 day 00:00:01.5"),
        "blob": OF_DUCKDB,
    },
    "openpyxl": {**WORKBOOK, "text": OF_OPENPYXL, "real": {**WORKBOOK["real"], **NOT_FINITE}, **NESTED, **NO_BYTES},
    "XlsxWriter": {**WORKBOOK, "text": NO_EMPTY, "real": {**WORKBOOK["real"], **ERRORS}, **NESTED, **NO_BYTES},
    "pandas by openpyxl": {
        **WORKBOOK,
        "text": {
            **OF_OPENPYXL,
            "formula": Spoils("no-stored-result", "a text that begins with = is written as a formula"),
        },
        "real": {**WORKBOOK["real"], "NaN": NO_NAN},
        "clock": {},
        **SPANS,
        **OF_PYTHON,
    },
    "pandas by XlsxWriter": {
        **WORKBOOK,
        "text": {
            **NO_EMPTY,
            "formula": Reads({"S": "0"}, "a text that begins with = is written as a formula with the result 0"),
        },
        "real": {**WORKBOOK["real"], "NaN": NO_NAN},
        "clock": {},
        **SPANS,
        **OF_PYTHON,
    },
    "polars by XlsxWriter": {
        **WORKBOOK,
        "text": NO_EMPTY,
        "real": {**WORKBOOK["real"], **ERRORS},
        **SPANS,
        "tree": {
            label: Refused("invalid-json", "a struct is written as Python shows it, which is not JSON")
            for label in ("object", "empty")
        },
        **NO_BYTES,
    },
    "PostgreSQL COPY": {"span": texts("a duration", hours="30:00:00", parts="24:00:01.5")},
    "psql --csv": {"text": NO_EMPTY, "span": texts("a duration", hours="30:00:00", parts="24:00:01.5")},
    "PostgreSQL JSON": {"span": texts("a duration", hours="30:00:00", parts="24:00:01.5")},
    "SQLite CSV": {
        "real": {
            "NaN": NO_NAN,
            "0.1 + 0.2": Reads(number("0.3"), "15 digits are written", always=False),
            "third": Reads(number("-0.333333333333333"), "15 digits are written", always=False),
        },
        "blob": {
            "bytes": Spoils("invalid-encoding", "bytes are written as they are"),
            "text": Refused("invalid-binary", "bytes are written as they are"),
            "quote": Refused("invalid-binary", "bytes are written as they are"),
        },
    },
}

# What `preview` says of the file of a writer.
NOTES: dict[str, list[str]] = {
    name: ["is read, with its hidden rows and columns", "(digits-lost)"]
    for name in EXPECTED
    if "openpyxl" in name or "XlsxWriter" in name
}
for name, notes in NOTES.items():
    notes.append("_x000D_")
