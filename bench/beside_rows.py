"""`deployer preview`, which makes items of the rows of a file, beside Python, Node.js and DuckDB."""

import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

import measure
from paths import ROOT

HERE = pathlib.Path(__file__).resolve().parent / "preview"
VENV = ROOT / ".venv-bench"
MEGA = 1_000_000

AIMS = {"Python": 25, "Node.js": 10, "DuckDB": 1}
"""How many times the processor time of the deployer each should take."""

COUNTRIES = ("DE", "FR", "GB", "JP", "US")
WORDS = ("please", "deliver", "after", "noon,", 'to "the" door', "grüße", "fragile", "handle with care")


def write(path, megabytes):
    """Writes a file of 12 columns: numbers, timestamps, a boolean, and texts with quotes. Returns the number of its
    rows."""
    rows, size, limit = 0, 0, megabytes * MEGA
    with open(path, "w", encoding="utf-8", newline="") as file:
        file.write("id,customer,placed,shipped,quantity,price,discount,weight,paid,country,comment,address\n")
        while size < limit:
            block = []
            for row in range(rows, rows + 10_000):
                mixed = row * 2_654_435_761 % 4_294_967_296
                comment = " ".join(WORDS[(mixed >> shift) % 8] for shift in (0, 3, 6, 9, 12)).replace('"', '""')
                day, second = 1 + mixed % 28, mixed % 60
                block.append(
                    f"ORD-{row:010},customer-{mixed % 500_000},2026-0{1 + mixed % 9}-{day:02} 1{mixed % 10}:4{row % 10}:{second:02},"
                    f"2026-1{mixed % 3}-{day:02} 0{mixed % 10}:1{row % 10}:{second:02},{1 + mixed % 40},{mixed % 100_000 / 100:.2f},"
                    f"0.{mixed % 100:02},{mixed % 9_999 / 1000:.3f},{'true' if mixed & 1 else 'false'},{COUNTRIES[mixed % 5]},"
                    f'"{comment}","{mixed % 200} High Street, Flat {mixed % 9}, Bristol"\n')
            text = "".join(block)
            file.write(text)
            rows, size = rows + 10_000, size + len(text.encode())
    return rows


def peers():
    """Returns the commands of the peers, each of which takes the path of the file; without those that can't be
    installed, which is said."""
    found = {}
    python = VENV / "bin/python"
    requirements = HERE / "requirements.txt"
    marker = VENV / requirements.name
    if not marker.exists() or marker.read_text() != requirements.read_text():
        subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements]
        done = subprocess.run(pip, capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"note: pip failed, so Python and DuckDB are not measured:\n{done.stderr.strip()[-500:]}")
        else:
            shutil.copy(requirements, marker)
    if marker.exists():
        found["Python"] = [str(python), str(HERE / "rows.py")]
        found["DuckDB"] = [str(python), str(HERE / "duck.py")]
    if not shutil.which("npm"):
        print("note: npm is not installed, so Node.js is not measured")
        return found
    npm = subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=HERE, capture_output=True,
                         text=True, check=False)
    if npm.returncode:
        print(f"note: `npm ci` failed, so Node.js is not measured:\n{npm.stderr.strip()[-500:]}")
    else:
        found["Node.js"] = ["node", str(HERE / "rows.mjs")]
    return found


def first_items(command, environment, count=3):
    """Returns the first items that a command writes."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, cwd=HERE)
    try:
        return [json.loads(process.stdout.readline())["Item"] for _ in range(count)]
    finally:
        process.kill()
        process.wait()


def comparable(item):
    """Returns an item whose numbers are compared by value."""
    return {name: {kind: float(value) if kind == "N" else value for kind, value in typed.items()}
            for name, typed in item.items()}


def compare(deployer, runs, megabytes=200):
    """Measures processor time, speed and peak memory over one file, all commands in turn."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "rows.csv"
        rows = write(path, megabytes)
        size = path.stat().st_size / MEGA
        ways = {"deployer": [deployer, "preview", str(path), "--all", "--output", "dynamodb-json"]}
        ways |= {name: [*command, str(path)] for name, command in peers().items()}
        environment = dict(os.environ)
        expected = [comparable(item) for item in first_items(ways["deployer"], environment)]
        for name, command in ways.items():
            found = [comparable(item) for item in first_items(command, environment)]
            assert found == expected, f"{name} makes other items: {found[0]}, not {expected[0]}"
        figures = {name: [] for name in ways}
        for _ in range(runs):
            for name, command in ways.items():
                figures[name].append(measure.run(command, environment, cwd=HERE))
        ours = statistics.median(figure.processor for figure in figures["deployer"])
        print(f"{rows:,} rows of 12 columns, {size:.0f} MB")
        for name, measured in figures.items():
            processor = statistics.median(figure.processor for figure in measured)
            peak = max(figure.peak for figure in measured)
            aim = f"   aim {AIMS[name]} x" if name in AIMS else ""
            print(f"{name:10} {processor:7.2f} s of processor   {size / processor:7.1f} MB/s   "
                  f"{processor / rows * 1e6:7.2f} us a row   peak {peak:6.1f} MiB   {processor / ours:6.1f} x{aim}")


def memory(deployer, megabytes=1_000):
    """Measures the peak memory over a large file."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "rows.csv"
        write(path, megabytes)
        command = [deployer, "preview", str(path), "--all", "--output", "dynamodb-json"]
        figures = measure.run(command, dict(os.environ), cwd=HERE)
        print(f"preview of {megabytes:,} MB: peak {figures.peak:.1f} MiB, {figures.processor:.1f} s of processor")
