"""`transform` and `load` against the Runtime API and the sink, beside another build and the same handler on Node.js; and
`observe`, for each row."""

import json
import os
import shutil
import statistics

import sink
from paths import ROOT, beside, worker
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


def transformed(records):
    """Returns an invocation by SQS with that many `record-transformed` events, for `load`."""
    messages = json.loads(batch(records))["Records"]
    for row, message in enumerate(messages, 1):
        event = json.loads(message["body"])
        data = {"id": str(row), "house_number": {"N": str(row % 97)}, "street_address": f"Main Street {row}, Flat 7",
                "town": f"Town {row}", "zip": "07030"}
        about = {name: event["detail"][name] for name in ("object", "record")}
        event |= {"detail-type": "transform", "detail": {"status": "transformed", **about, "data": data}}
        message["body"] = json.dumps(event)
    return json.dumps({"Records": messages}).encode()


PARTS = {
    "transform": (batch, {"SETTINGS": SETTINGS}),
    "load": (transformed, {"TABLE_NAME": "records", "TABLE_KEY": "id"}),
}


def measured(command, environment, target, payload, records):
    """Runs a function in a process of its own: once, and then for at least 2,000 records. Returns the processor seconds
    before its first question and of each later invocation, the seconds of the first one, and its peak memory."""
    rounds = max(3, 2_000 // records)
    with Runtime(command, environment) as function:
        init = processor(function.process)
        before = target.entries()
        answer, first = function.invoke(payload)
        assert target.entries() - before == records, target.entries() - before
        assert json.loads(answer) == {"batchItemFailures": []}, answer
        spent = processor(function.process)
        for _ in range(rounds):
            function.invoke(payload)
        spent = (processor(function.process) - spent) / rounds
        assert target.entries() - before == records * (rounds + 1), target.entries() - before
        return init, spent, first, function.peak()


def parts(runs):
    """Measures `transform` and `load`: processor time before the first question to the runtime and for each record, and
    peak memory, in batches of each size. Beside them, in turn, another build (`BESIDE`) and Node.js."""
    node = shutil.which("node")
    if not node:
        print("node is not installed: the functions alone")
    for part, (payload_of, variables) in PARTS.items():
        commands = {part: [worker()]}
        if beside("functions", part):
            commands["beside"] = [beside("functions", part)]
        if node and part == "transform":
            commands["Node.js"] = [node, str(ROOT / "bench/handler.mjs")]
        figures = {(name, records): [] for records in BATCHES for name in commands}
        with sink.Sink() as target:
            environment = target.environment() | variables | {"_HANDLER": part, "MAX_RECEIVE_COUNT": "5"}
            for _ in range(runs):
                for (name, records), column in figures.items():
                    payload = payload_of(records)
                    column.append(measured(commands[name], environment, target, payload, records))
        medians = {key: [statistics.median(column) for column in zip(*rows)] for key, rows in figures.items()}
        for (name, records), (init, spent, first, peak) in medians.items():
            ratio = medians[name, records][1] / medians[part, records][1]
            print(f"{part:<10} {name:<10} {records:5,} records   init {init * 1000:6.1f} ms of processor   "
                  f"{spent / records * 1e6:8.1f} us of processor a record ({ratio:4.1f} x)   first {first * 1000:7.1f} ms   "
                  f"peak {peak:5.1f} MiB", flush=True)


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
    """Measures `observe` for each row, with a tally: processor time, and calls. `BESIDE` names the folder of another
    build, measured in turn."""
    rows, invocations = 333, 30
    commands = {"observe": [worker()]}
    if beside("functions", "observe"):
        commands["beside"] = [beside("functions", "observe")]
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
