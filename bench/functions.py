"""`transform` against the Runtime API and the sink, beside the same handler on Node.js; and `observe`, for each row."""

import json
import os
import shutil
import statistics

import sink
from paths import ROOT, worker
from runtime import Runtime

BATCHES = (1, 10, 1_000)
FIELDS = {"id": "ID", "house_number": "HouseNum", "street_address": "Street", "town": "Town", "zip": "Zip"}
SETTINGS = json.dumps({
    "fields": [{"name": name, "from": column, "required": name == "id"} for name, column in FIELDS.items()]})


def batch(records):
    """Returns an invocation by SQS with that many `record-extracted` events."""
    messages = []
    for row in range(1, records + 1):
        detail = {
            "status": "extracted",
            "object": {"bucket": "bench", "key": "rows.csv", "version": "v"},
            "record": {"index": row, "id": f"{row:032x}"},
            "headers": "ID,HouseNum,Street,Town,Zip",
            "data": f'{row},{row % 97},"Main Street {row}, Flat 7",Town {row},07030',
        }
        event = {
            "version": "0", "id": f"{row:08x}-0000-4000-8000-000000000000", "detail-type": "s3RecordExtraction",
            "source": "bench", "account": "123456789012", "time": "2026-01-01T00:00:00Z", "region": "eu-west-1",
            "resources": [], "detail": detail,
        }
        messages.append({
            "messageId": f"{row:08x}-0000-4000-8000-000000000001", "receiptHandle": "r" * 180, "body": json.dumps(event),
            "attributes": {
                "ApproximateReceiveCount": "1", "SentTimestamp": "1767225600000", "SenderId": "events",
                "ApproximateFirstReceiveTimestamp": "1767225600001"},
            "messageAttributes": {}, "md5OfBody": "0" * 32, "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:transform", "awsRegion": "eu-west-1",
        })
    return json.dumps({"Records": messages}).encode()


def transform(runs):
    """Measures the time from the start of the process to its first request, and time and peak memory for batches of
    each size."""
    commands = {"transform": [worker("functions")], "Node.js": ["node", str(ROOT / "bench/handler.mjs")]}
    if not shutil.which("node"):
        print("node is not installed: transform alone")
        del commands["Node.js"]
    figures = {name: {} for name in commands}
    with sink.Sink() as target:
        environment = target.environment() | {"_HANDLER": "transform", "SETTINGS": SETTINGS, "MAX_RECEIVE_COUNT": "5"}
        if "Node.js" in commands:
            commands["Node.js"][0] = shutil.which("node")
        for records in BATCHES:
            payload = batch(records)
            for name, command in commands.items():
                inits, firsts, times = [], [], []
                for attempt in range(runs):
                    # A process for each attempt, since peak memory and the first invocation are a process's.
                    with Runtime(command, environment) as function:
                        inits.append(function.init)
                        for invocation in range(5):
                            before = target.entries()
                            answer, seconds = function.invoke(payload)
                            assert target.entries() - before == records, target.entries() - before
                            assert json.loads(answer) == {"batchItemFailures": []}, answer
                            (times if invocation else firsts).append(seconds)
                        peak = function.peak()
                    figures[name].setdefault(records, []).append((inits[-1], firsts[-1], peak))
                median = [statistics.median(column) for column in zip(*figures[name][records])]
                figures[name][records] = (median[0], median[1], statistics.median(times), median[2])
    for name, sizes in figures.items():
        init = statistics.median(figure[0] for figure in sizes.values())
        print(f"{name:<12} init {init * 1000:6.1f} ms")
        for records, (_, first, later, peak) in sizes.items():
            print(f"{name:<12} {records:5,} records   first {first * 1000:7.1f} ms   later {later * 1000:7.1f} ms   "
                  f"peak {peak:5.1f} MiB")


def observed(first, rows):
    """Returns an invocation of `observe`: the three events of each of these rows."""
    messages = []
    for row in range(first, first + rows):
        about = {"object": {"bucket": "bench", "key": "rows.csv", "version": "v", "uploaded": "2026-01-01T00:00:00.000Z"},
                 "record": {"index": row, "id": f"{row:032x}"}}
        data = {name: f"{name} of row {row}, \"quoted\"" for name in FIELDS}
        details = {
            "s3RecordExtraction": {"status": "extracted", "headers": ",".join(FIELDS), "data": ",".join(data.values())},
            "transform": {"status": "transformed", "data": data},
            "data-loaded": {"status": "success", "table": "records", "key": {"id": str(row)}},
        }
        for stage, (kind, detail) in enumerate(details.items()):
            event = {
                "version": "0", "id": f"{row:08x}-0000-4000-8000-{stage:012x}", "detail-type": kind, "source": "bench",
                "account": "123456789012", "time": "2026-01-01T00:00:00Z", "region": "eu-west-1", "resources": [],
                "detail": about | detail,
            }
            messages.append({
                "messageId": f"{row:08x}-0000-4000-8000-{stage:012x}", "receiptHandle": "r" * 180, "body": json.dumps(event),
                "attributes": {
                    "ApproximateReceiveCount": "1", "SentTimestamp": "1767225600000", "SenderId": "events",
                    "ApproximateFirstReceiveTimestamp": "1767225600001"},
                "messageAttributes": {}, "md5OfBody": "0" * 32, "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:observe", "awsRegion": "eu-west-1",
            })
    return json.dumps({"Records": messages}).encode()


def processor(process):
    """Returns the seconds that a process has been on a processor so far."""
    total = 0
    for thread in os.listdir(f"/proc/{process.pid}/task"):
        with open(f"/proc/{process.pid}/task/{thread}/schedstat", encoding="ascii") as schedule:
            total += int(schedule.read().split()[0])
    return total / 1e9


def observe(runs):
    """Measures `observe` for each row, with a tally: processor time, and calls. `BESIDE` names another build,
    measured in turn."""
    rows, invocations = 333, 30
    commands = {"observe": [worker("functions")]}
    if os.environ.get("BESIDE"):
        commands["beside"] = [os.environ["BESIDE"]]
    payloads = [observed(1 + rows * number, rows) for number in range(invocations + 1)]
    figures = {name: [] for name in commands}
    with sink.Sink() as target:
        environment = target.environment() | {"_HANDLER": "observe", "TALLY_TABLE_NAME": "tally", "MAX_RECEIVE_COUNT": "5"}
        for _ in range(runs):
            for name, command in commands.items():
                with Runtime(command, environment) as function:
                    # The first invocation connects.
                    function.invoke(payloads[0])
                    spent, calls, wall = processor(function.process), target.requests(), 0
                    for payload in payloads[1:]:
                        answer, seconds = function.invoke(payload)
                        assert json.loads(answer) == {"batchItemFailures": []}, answer
                        wall += seconds
                    spent, calls = processor(function.process) - spent, target.requests() - calls
                    figures[name].append((spent / invocations / rows, wall / invocations, calls / invocations))
    for name, measured in figures.items():
        spent, wall, calls = (statistics.median(column) for column in zip(*measured))
        print(f"{name:<12} {spent * 1e6:6.1f} us of processor a row (three events)   {wall * 1000:6.1f} ms and {calls:.1f} calls "
              f"a batch of {3 * rows}")
