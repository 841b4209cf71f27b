"""The extraction task against the sink: its speed, and its memory."""

import json
import os
import shutil
import statistics
import subprocess

import measure
import sink
from paths import PYTHON, ROOT, beside, worker

BUCKET = "bench"
MEGA = 1_000_000


def extract(command, target, rows, width, sensitive=()):
    """Runs an extraction of a file of that shape, with these columns sealed. Returns its figures and the sink's
    processor seconds."""
    before, processor = target.entries(), target.processor()
    environment = target.environment() | {
        "OBJECT": json.dumps({"bucket": BUCKET, "key": sink.key(rows, width), "etag": f"{rows}x{width}"})}
    if sensitive:
        environment["SENSITIVE_FIELDS"] = json.dumps([{"name": column.lower(), "from": column} for column in sensitive])
        environment["DATA_KEY_ARN"] = "arn:aws:kms:eu-west-1:123456789012:key/bench"
    figures = measure.run(command, environment)
    entries = target.entries() - before
    # One per row, and the one that reports that all of them are there.
    assert entries == rows + 1, entries
    return figures, target.processor() - processor


def client(target, rows, width):
    """Returns the rows per second of wall and of processor time of the straightforward client."""
    before = target.entries()
    done = subprocess.run(
        [PYTHON, ROOT / "bench/client.py", BUCKET, sink.key(rows, width)],
        env=target.environment() | {"PATH": os.environ["PATH"]}, check=True, capture_output=True)
    figures = json.loads(done.stdout)
    assert target.entries() - before == figures["rows"] == rows, figures
    return rows / figures["wall"], rows / figures["processor"]


def speed(runs, rows=200_000, width=100):
    """Measures the processor time of a row; beside it, in turn, another build (`BESIDE`) and a careful client on Node.js,
    and the straightforward client, which puts one event a call."""
    program = [worker()]
    commands = {"task": (program, ()), "two sealed columns": (program, ("Street", "Town"))}
    if beside("extraction", "extraction"):
        commands["beside"] = ([beside("extraction", "extraction")], ())
    if shutil.which("node"):
        commands["Node.js"] = ([shutil.which("node"), str(ROOT / "bench/extraction.mjs")], ())
    else:
        print("node is not installed")
    with sink.Sink() as target:
        figures = {name: [] for name in commands}
        extract(program, target, 10_000, width)
        for _ in range(runs):
            for name, (command, sensitive) in commands.items():
                ran, theirs = extract(command, target, rows, width, sensitive)
                figures[name].append((ran.processor, ran.wall, ran.peak, theirs))
        medians = {name: [statistics.median(column) for column in zip(*ran)] for name, ran in figures.items()}
        for name, (processor, wall, peak, theirs) in medians.items():
            print(f"{name:<18} {processor / rows * 1e6:8.2f} us of processor a row ({processor / medians['task'][0]:4.1f} x)   "
                  f"{rows / wall:9,.0f} rows/s   {sink.length(rows, width) / MEGA / wall:6.1f} MB/s   peak {peak:5.1f} MiB   "
                  f"the sink {theirs / wall:.2f} cores", flush=True)
        by_wall, by_processor = client(target, min(rows, 5_000), width)
        print(f"{'one call a row':<18} {1e6 / by_processor:8.2f} us of processor a row "
              f"({rows / by_processor / medians['task'][0]:4.1f} x)   {by_wall:9,.0f} rows/s   (botocore)")


def memory(sizes=((100, 100), (1_000, 1_000), (4_000, 4_000))):
    """Measures the peak memory for files of these megabytes and widths of rows."""
    with sink.Sink() as target:
        program = [worker()]
        for megabytes, width in sizes:
            rows = megabytes * MEGA // width
            figures, _ = extract(program, target, rows, width)
            print(f"{megabytes:5,} MB, {rows:9,} rows of {width:5,} bytes   peak {figures.peak:5.1f} MiB   "
                  f"{figures.wall:6.1f} s   {megabytes / figures.wall:6.1f} MB/s")
