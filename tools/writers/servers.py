"""The writers that are programs of their own: PostgreSQL's server and client, and SQLite's shell."""

import contextlib
import datetime
import decimal
import json
import math
import os
import pwd
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from files import Columns, ids
from table import Sql


def quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def literal(value: Any, sql: str = "text") -> str:
    """A value as PostgreSQL and, where it has the type, SQLite read it."""
    match value:
        case None:
            return "NULL"
        case bool():
            return str(value).upper()
        case float() if not math.isfinite(value):
            return f"'{value}'::{sql}"
        case int() | float() | decimal.Decimal():
            return f"{value}"
        case bytes():
            return f"'\\x{value.hex()}'::bytea"
        case datetime.timedelta():
            return f"interval '{value.total_seconds()} seconds'"
        case list():
            return f"ARRAY[{', '.join(literal(one) for one in value)}]::{sql}"
        case dict():
            return quoted(json.dumps(value, ensure_ascii=False))
        case Sql():
            return f"{quoted(value)}::{sql}"
        case str():
            return quoted(value)
    return quoted(value.isoformat())


def programs() -> Path | None:
    """The folder of PostgreSQL's programs: Debian keeps those of the server out of the PATH."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name), reverse=True)
    server = shutil.which("initdb")
    if server:
        folders.append(Path(server).resolve().parent)
    needed = ("initdb", "postgres", "psql")
    return next((path for path in folders if all((path / name).exists() for name in needed)), None)


class Postgres:
    """A server of its own, which listens on a socket in a temporary folder."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self.programs, self.folder = programs, folder
        # It refuses to run as root.
        self.user: dict[str, Any] = {}
        if os.geteuid() == 0:
            users = {entry.pw_name: entry for entry in pwd.getpwall()}
            entry = users.get("postgres") or users["nobody"]
            os.chown(folder, entry.pw_uid, entry.pw_gid)
            self.user = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}

    def run(self, program: str, *args: str, **more: Any) -> str:
        # Nothing of the caller's own says where a server is.
        own = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        environment = {**own, "PGTZ": "Europe/Berlin", "PGCLIENTENCODING": "UTF8", "LC_ALL": "C"}
        done = subprocess.run(
            [self.programs / program, *args], cwd=self.folder, env=environment, capture_output=True, **self.user, **more
        )
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr.decode()[-500:]}")
        return done.stdout.decode()

    def psql(self, *args: str, script: str = "") -> str:
        how = "--username postgres --no-psqlrc --quiet --set ON_ERROR_STOP=1".split()
        connection = ["--host", str(self.folder), *how]
        return self.run("psql", *connection, *args, input=script.encode())

    def wait(self, process: subprocess.Popen[bytes]) -> None:
        """Waits until the server answers."""
        for _ in range(300):
            with contextlib.suppress(RuntimeError):
                self.psql("--command", "select 1")
                return
            if process.poll() is not None:
                break
            time.sleep(0.1)
        raise RuntimeError(f"PostgreSQL does not answer: {(self.folder / 'log').read_text()[-500:]}")

    def write(self, columns: Columns, path: Path, *how: str) -> None:
        declared = ", ".join(f"{name} {column.sql}" for name, (column, _) in columns.items())
        values = [[literal(value, column.sql) for value in values] for column, values in columns.values()]
        rows = ",\n".join("(" + ", ".join(row) + ")" for row in zip(map(quoted, ids(columns)), *values))
        self.psql(script=f"DROP TABLE IF EXISTS t; CREATE TABLE t (id text, {declared}); INSERT INTO t VALUES {rows};")
        path.write_bytes(self.psql(*how).encode())


@contextlib.contextmanager
def postgres(programs: Path) -> Iterator[Postgres]:
    with tempfile.TemporaryDirectory(prefix="pg") as name:
        server = Postgres(programs, Path(name))
        data = str(server.folder / "data")
        how = "--username postgres --auth trust --encoding UTF8 --no-locale --no-sync".split()
        server.run("initdb", "--pgdata", data, *how)
        how = "-c listen_addresses= -c fsync=off -c max_connections=5".split()
        command = [programs / "postgres", "-D", data, "-k", name, *how]
        with open(server.folder / "log", "wb") as log:
            process = subprocess.Popen(command, cwd=name, stdout=log, stderr=log, **server.user)
        try:
            server.wait(process)
            yield server
        finally:
            # SIGINT is its fast shutdown.
            process.send_signal(2)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def sqlite(columns: Columns, path: Path, form: str) -> None:
    """Dumps a database by SQLite's shell: what Python stores in it is not read as SQL first."""
    database = path.with_suffix(".db")
    database.unlink(missing_ok=True)
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute(f"create table t (id, {', '.join(columns)})")
        marks = ", ".join("?" for _ in range(len(columns) + 1))
        connection.executemany(
            f"insert into t values ({marks})", zip(ids(columns), *(values for _, values in columns.values()))
        )
        connection.commit()
    command = ["sqlite3", "-batch", "-header", f"-{form}", database, "select * from t"]
    path.write_bytes(subprocess.run(command, capture_output=True, check=True).stdout)
