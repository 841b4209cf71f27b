"""Judges the readers by files that others write: each value of one table is read as it was meant, or refused by name.

Usage: python tools/writers DEPLOYER"""

import collections
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from expected import ALL, EXPECTED, NOTES, Broken, Reads, Refused, Spoils, Unwritable
from files import WRITERS, Columns, Writer
from servers import postgres, programs, sqlite
from table import COLUMNS, POSTGRESQL, Column, meant, read, rows

STACK = """
name: writers
stacks: { dev: { region: eu-west-1, default: true } }
resources:
  landing: { type: bucket, properties: { notify: [{ on: created, queue: "${arrivals}" }] } }
  arrivals: { type: queue, properties: { visibilityTimeout: 5m } }
  events: { type: bus }
  records: { type: table, properties: { key: { id: string } } }
  network: { type: network, properties: { zones: 2, egress: public } }
  cluster: { type: cluster }
  extraction: { type: task, properties: { worker: extraction, cluster: "${cluster}", network: "${network}", access: [{ read: "${landing}" }, { publish: "${events}" }], settings: SETTINGS } }
  extract: { type: function, properties: { worker: extract, triggers: [{ queue: "${arrivals}" }], access: [{ run: "${extraction}" }, { publish: "${events}" }] } }
  transform: { type: function, properties: { worker: transform, triggers: [{ bus: "${events}", event: record-extracted }], access: [{ read: "${landing}" }, { publish: "${events}" }], settings: { fields: FIELDS } } }
  load: { type: function, properties: { worker: load, triggers: [{ bus: "${events}", event: record-transformed }], access: [{ write: "${records}" }, { publish: "${events}" }] } }
"""


class Judge:
    def __init__(self, deployer: str, folder: Path) -> None:
        self.deployer, self.folder = deployer, folder
        self.wrong: list[str] = []
        self.skipped: list[str] = []
        self.counts: dict[str, collections.Counter[str]] = {}

    def preview(self, path: Path, settings: dict[str, Any], fields: dict[str, Any]) -> tuple[int, list[Any], str]:
        stack = self.folder / "stack.yaml"
        stack.write_text(
            STACK.replace("SETTINGS", json.dumps(settings)).replace("FIELDS", json.dumps(fields)), encoding="utf-8"
        )
        command = [self.deployer, "--file", stack, "preview", path, "--all", "--output", "ndjson"]
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode not in (0, 7):
            raise SystemExit(f"writers: {done.stderr.decode()}")
        return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr.decode()

    def complain(self, writer: str, column: str, label: str, what: str) -> None:
        self.wrong.append(f"{writer}: {column}, {label}: {what}")

    def skip(self, what: str, package: str) -> None:
        self.skipped.append(
            f"{what} is not installed (Debian: apt-get install {package}), so the files that it writes are not judged"
        )

    def refuses(self, writer: Writer, columns: Columns) -> bool:
        try:
            with silent():
                writer.write(columns, self.folder / f"refused{writer.suffix}")
        except BaseException as error:  # polars panics where it has no JSON for a type
            if isinstance(error, KeyboardInterrupt):
                raise
            return True
        return False

    def values(self, writer: Writer, column: Column) -> list[Any] | None:
        """The values of a column that the writer takes, one for each row; None if it takes none."""
        expected = EXPECTED[writer.name].get(column.name, {})
        first = next(iter(column.values.values()))
        if isinstance(expected.get(ALL), Unwritable):
            if not self.refuses(writer, {column.name: (column, [value for _, value in rows(column)])}):
                self.complain(
                    writer.name, column.name, "every value", f"is written now, which it was not: {expected[ALL].why}"
                )
            self.counts[writer.name]["not written"] += len(column.values)
            return None
        kept = []
        for label, value in rows(column):
            kept.append(first if isinstance(expected.get(label), Unwritable | Broken) else value)
        for label, verdict in expected.items():
            alone = {column.name: (column, [first, column.values[label]])}
            if isinstance(verdict, Unwritable):
                if not self.refuses(writer, alone):
                    self.complain(writer.name, column.name, label, f"is written now, which it was not: {verdict.why}")
                self.counts[writer.name]["not written"] += 1
            elif isinstance(verdict, Broken):
                path = self.folder / f"broken{writer.suffix}"
                writer.write(alone, path)
                code, _, _ = self.preview(path, writer.settings, fields(column))
                if code != 7:
                    self.complain(writer.name, column.name, label, "no row fails")
                self.counts[writer.name]["refused"] += 1
        return kept

    def judge(self, writer: Writer, columns: list[Column]) -> None:
        self.counts.setdefault(writer.name, collections.Counter())
        taken: Columns = {}
        for column in columns:
            values = self.values(writer, column)
            if values is not None:
                taken[column.name] = (column, values)
        path = self.folder / f"{writer.name.replace(' ', '-')}{writer.suffix}"
        writer.write(taken, path)
        spoiled = {}
        for name, (column, _) in taken.items():
            for row, (label, _) in enumerate(rows(column)):
                verdict = EXPECTED[writer.name].get(name, {}).get(label)
                if isinstance(verdict, Spoils):
                    spoiled[row] = verdict
        said = ""
        for column, values in taken.values():
            _, results, said = self.preview(path, writer.settings, fields(column))
            self.column(writer, column, values, results, spoiled)
        for note in NOTES.get(writer.name, []):
            if note not in said:
                self.complain(writer.name, "the file", "its notes", f"none has {note!r}: {said[-500:]}")

    def column(
        self, writer: Writer, column: Column, values: list[Any], results: list[Any], spoiled: dict[int, Spoils]
    ) -> None:
        if len(results) != len(values) or "file" in results[-1]:
            self.complain(
                writer.name,
                column.name,
                "the file",
                f"{len(results)} rows of {len(values)}, and at its end {results[-1:]}",
            )
            return
        seen = set()
        for row, ((label, _), value, result) in enumerate(zip(rows(column), values, results)):
            verdict = EXPECTED[writer.name].get(column.name, {}).get(label)
            wanted = meant(column, value)
            if row in spoiled:
                wanted = spoiled[row].reason
            elif isinstance(verdict, Refused):
                wanted = verdict.reason
            elif isinstance(verdict, Reads) and (verdict.always or read_of(result, column) != wanted):
                wanted = verdict.value
            failed, found = result.get("failed"), read_of(result, column)
            if found != wanted and label not in seen:
                self.complain(
                    writer.name, column.name, label, f"expected {wanted}, found {found}: {failed and failed['message']}"
                )
            # A row that another column spoils says nothing of this one, and the values come again and again.
            if (
                label in seen
                or (row in spoiled and not isinstance(verdict, Spoils))
                or isinstance(verdict, Unwritable | Broken)
            ):
                continue
            seen.add(label)
            kind = "refused" if failed else "changed" if isinstance(verdict, Reads) else "read"
            self.counts[writer.name][kind] += 1


def read_of(result: dict[str, Any], column: Column) -> Any:
    """What became of a row: the value of the column, or the reason by which the row failed."""
    return result["failed"]["reason"] if "failed" in result else read(result["item"].get(column.name))


def fields(column: Column) -> dict[str, Any]:
    return {"id": {"from": "id", "required": True}, column.name: {"from": column.name, **column.settings}}


@contextlib.contextmanager
def silent():
    """Nothing of what a library writes on its own."""
    kept = os.dup(2)
    with open(os.devnull, "wb") as nothing:
        os.dup2(nothing.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def of_postgresql(judge: Judge) -> None:
    found = programs()
    if found is None:
        judge.skip("PostgreSQL", "postgresql")
        return
    with postgres(found) as server:
        json_lines = {"format": "json-lines"}
        ways = [
            ("PostgreSQL COPY", ".csv", {}, ["--command", "COPY t TO STDOUT (FORMAT csv, HEADER)"]),
            ("psql --csv", ".csv", {}, ["--csv", "--command", "SELECT * FROM t"]),
            (
                "PostgreSQL JSON",
                ".jsonl",
                json_lines,
                ["--no-align", "--tuples-only", "--command", "SELECT row_to_json(t) FROM t"],
            ),
        ]
        for name, suffix, settings, how in ways:
            writer = Writer(name, suffix, settings, lambda columns, path, how=how: server.write(columns, path, *how))
            judge.judge(writer, COLUMNS)
            if suffix == ".csv":
                judge.judge(writer, POSTGRESQL)


def of_sqlite(judge: Judge) -> None:
    if not shutil.which("sqlite3"):
        judge.skip("SQLite's shell", "sqlite3")
        return
    columns = [column for column in COLUMNS if column.name in ("text", "flag", "whole", "gaps", "real", "blob")]
    judge.judge(Writer("SQLite CSV", ".csv", {}, lambda columns, path: sqlite(columns, path, "csv")), columns)
    # Its JSON is an array, which is named as such.
    path = judge.folder / "array.json"
    sqlite({"text": (COLUMNS[0], ["a", "b"])}, path, "json")
    for settings in ({}, {"format": "json-lines"}):
        _, results, _ = judge.preview(path, settings, fields(COLUMNS[0]))
        if [result.get("file", {}).get("reason") for result in results] != ["unsupported-format"]:
            judge.complain("SQLite JSON", "the file", str(settings), f"is not refused as an array: {results}")


def main() -> None:
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        judge = Judge(str(Path(sys.argv[1]).resolve()), Path(folder))
        for writer in WRITERS:
            judge.judge(writer, COLUMNS)
        of_postgresql(judge)
        of_sqlite(judge)
    kinds = ["read", "refused", "changed", "not written"]
    print(f"{'writer':22}{'read':>6}{'refused by name':>17}{'changed by the writer':>23}{'not written':>13}")
    for name, counts in judge.counts.items():
        print(f"{name:22}{counts['read']:>6}{counts['refused']:>17}{counts['changed']:>23}{counts['not written']:>13}")
    total = {kind: sum(counts[kind] for counts in judge.counts.values()) for kind in kinds}
    for line in judge.skipped:
        print(f"note: {line}")
    for line in judge.wrong:
        print(f"error: {line}", file=sys.stderr)
    seconds = time.monotonic() - began
    print(
        f"writers: {len(judge.counts)} writers, {total['read']} values read, {total['refused']} refused by name, {len(judge.wrong)} wrong, {len(judge.skipped)} skipped, in {seconds:.0f} s"
    )
    if judge.wrong or total["read"] < 900:
        sys.exit(1)


main()
