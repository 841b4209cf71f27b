#!/usr/bin/env bash
# In a workbook, `_x0041_` in a text stands for the character `A`, and an underscore that begins such a sequence is written `_x005F_`
# (ECMA-376, Part 1, 22.9.2.19, ST_Xstring). openpyxl 3.1.5 writes the text `size_x0041_` as it is, and takes it for that text when it
# reads it, so its own round trip hides that calamine reads `sizeA`. The carriage return that XlsxWriter 3.3.1 writes
# becomes the seven characters `_x000D_` in openpyxl, and the carriage return again in calamine.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check openpyxl==3.1.5 xlsxwriter==3.3.1 python-calamine==0.9.1
"$folder/venv/bin/python" - "$folder/book.xlsx" <<'PYTHON'
import sys
from importlib.metadata import version

import openpyxl
import xlsxwriter
from python_calamine import CalamineWorkbook

PATH = sys.argv[1]


def by_openpyxl(text):
    book = openpyxl.Workbook()
    book.active["A1"] = text
    book.save(PATH)


def by_xlsxwriter(text):
    with xlsxwriter.Workbook(PATH) as book:
        book.add_worksheet().write_string(0, 0, text)


def read():
    """Returns the text of the first cell as openpyxl and as calamine read it."""
    calamine = CalamineWorkbook.from_path(PATH).get_sheet_by_index(0).to_python()
    return openpyxl.load_workbook(PATH).active["A1"].value, calamine[0][0]


print(*(f"{name} {version(name)}" for name in ("openpyxl", "xlsxwriter", "python-calamine")), sep="\n")
seen = []
for write, text in ((by_openpyxl, "size_x0041_"), (by_xlsxwriter, "size_x0041_"), (by_xlsxwriter, "two\rlines")):
    write(text)
    seen.append(read())
    print(f"{text!r} {write.__name__}: openpyxl reads {seen[-1][0]!r}, calamine {seen[-1][1]!r}")
expected = [("size_x0041_", "sizeA"), ("size_x0041_", "size_x0041_"), ("two_x000D_lines", "two\rlines")]
sys.exit(seen != expected)
PYTHON
