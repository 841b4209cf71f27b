"""The extraction task against the sink: its speed, and its memory."""

import json
import os
import statistics
import subprocess

import measure
import sink
from paths import PYTHON, ROOT, worker

BUCKET = "bench"
MEGA = 1_000_000


def extract(program, target, rows, width, sensitive=()):
    """Runs the task over a file of that shape, with these columns sealed. Returns its figures and the sink's
    processor seconds."""
    before, processor = target.entries(), target.processor()
    environment = target.environment() | {
        "OBJECT": json.dumps({"bucket": BUCKET, "key": sink.key(rows, width), "etag": f"{rows}x{width}"})}
    if sensitive:
        environment["SENSITIVE_FIELDS"] = json.dumps([{"name": column.lower(), "from": column} for column in sensitive])
        environment["DATA_KEY_ARN"] = "arn:aws:kms:eu-west-1:123456789012:key/bench"
    figures = measure.run([program], environment)
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
    """Measures rows per second beside the straightforward client, which puts one event per call."""
    with sink.Sink() as target:
        program = worker("extraction")
        extract(program, target, 10_000, width)
        figures, sealed = [], []
        for _ in range(runs):
            figures.append(extract(program, target, rows, width))
            sealed.append(extract(program, target, rows, width, ("Street", "Town"))[0].processor)
        wall = statistics.median(figure.wall for figure, _ in figures)
        processor = statistics.median(figure.processor for figure, _ in figures)
        theirs = statistics.median(processor for _, processor in figures)
        print(f"task             {rows / wall:9,.0f} rows/s   {rows / processor:9,.0f} rows/s per core   "
              f"{sink.length(rows, width) / MEGA / wall:6.1f} MB/s   {processor / wall:.2f} cores, the sink {theirs / wall:.2f}")
        sealed = statistics.median(sealed)
        print(f"two sealed columns {'':16} {rows / sealed:9,.0f} rows/s per core   {sealed / processor:.2f} x the time")
        by_wall, by_processor = client(target, min(rows, 5_000), width)
        print(f"one call per row {by_wall:9,.0f} rows/s   {by_processor:9,.0f} rows/s per core   (botocore)")
        print(f"ratio            {rows / wall / by_wall:9.1f} x        {rows / processor / by_processor:9.1f} x per core")


def memory(sizes=((100, 100), (1_000, 1_000), (4_000, 4_000))):
    """Measures the peak memory for files of these megabytes and widths of rows."""
    with sink.Sink() as target:
        program = worker("extraction")
        for megabytes, width in sizes:
            rows = megabytes * MEGA // width
            figures, _ = extract(program, target, rows, width)
            print(f"{megabytes:5,} MB, {rows:9,} rows of {width:5,} bytes   peak {figures.peak:5.1f} MiB   "
                  f"{figures.wall:6.1f} s   {megabytes / figures.wall:6.1f} MB/s")
