"""A large file that is divided among tasks: the share of their time that goes into the rows of the parts before."""

import json
import os

import measure
import sink
from paths import beside, worker
from task import BUCKET, MEGA

PARTS = 4
# The file has rows of this many bytes.
WIDTH = 100


def part(command, target, rows, index, settings):
    """Runs the task of one part. Returns its figures, and the processor seconds until its first event."""
    size = sink.length(rows, WIDTH)
    cut = [size * number // PARTS for number in range(PARTS + 1)]
    assignment = {"part": {"index": index, "of": PARTS, "from": cut[index - 1]}}
    if index < PARTS:
        assignment["part"]["to"] = cut[index]
    before, first = target.entries(index), []

    def watch(pid):
        if not first and target.entries(index) > before:
            first.append(measure.spent(pid))

    figures = measure.run(command, target.environment() | {
        "EVENT_SOURCE": f"bench-{index}",
        "OBJECT": json.dumps({"bucket": BUCKET, "key": sink.key(rows, WIDTH, repeating=True), "etag": f"{rows}x{WIDTH}"}),
        "ASSIGNMENT": json.dumps(assignment),
        "SETTINGS": json.dumps(settings),
    }, watch=watch)
    return figures, first[0], target.entries(index) - before


def parts(*_):
    """Measures each of the tasks of one file, one after the other, since their processor time is that of tasks that
    run at a time. `MEGABYTES` is the size of the file, `ROWS_PER_EVENT` that of events. In turn with it, an earlier
    build (`BESIDE`)."""
    rows = int(os.environ.get("MEGABYTES", "1000")) * MEGA // WIDTH
    per_event = int(os.environ.get("ROWS_PER_EVENT", "25"))
    programs = {"task": worker()}
    if beside("extraction", "extraction"):
        programs["beside"] = beside("extraction", "extraction")
    with sink.Sink() as target:
        print(f"{rows * WIDTH // MEGA:,} MB, {rows:,} rows of {WIDTH} bytes, {per_event} an event, {PARTS} tasks", flush=True)
        totals = {name: [0.0, 0.0] for name in programs}
        for index in range(1, PARTS + 1):
            for name, program in programs.items():
                figures, front, events = part([program], target, rows, index, {"rowsPerEvent": per_event})
                # The last one says that the part is complete; before a checkpoint, and where rows fill an event by their bytes,
                # there are fewer in one.
                assert rows / PARTS - per_event <= (events - 1) * per_event <= 1.01 * rows / PARTS + per_event + 1, events
                own = figures.processor - front
                totals[name][0] += front
                totals[name][1] += figures.processor
                print(f"{name:<8} part {index}   {front:7.2f} s of processor before its first row   {own:7.2f} s for its rows   "
                      f"{rows / PARTS / own:9,.0f} rows/s a core   {100 * front / figures.processor:5.1f} % from the front   "
                      f"peak {figures.peak:5.1f} MiB   {figures.wall:6.1f} s of wall", flush=True)
        for name, (front, processor) in totals.items():
            print(f"{name:<8} all      {front:7.2f} of {processor:.2f} s of processor: {100 * front / processor:.1f} % from the front")
