"""The pipeline on the local cloud: rows a second, the processor time of each process, the stage that is the limit, and
the time that `deployer forecast` expects."""

import http.client
import itertools
import json
import os
import pathlib
import re
import statistics
import threading
import time
import urllib.parse

import measure
from cloud import Cloud
from paths import ROOT

THROTTLES = (2, 8, 16)
ROWS_PER_EVENT = (1, 10, 100)
FUNCTIONS = ("extract", "transform", "load", "observe", "report")
ROLES = ("emulator", "agent", "task", *FUNCTIONS)
STACK = "eventbridge-etl-local"
# A measured time should be within this factor of the forecast's.
FACTOR = 1.5


def records(count, name=""):
    """Returns a file: every fifth row is quoted in another way. `name` makes its keys different from those of others."""
    lines = ["ID,HouseNum,Street,Town,Zip"]
    for row in range(count):
        street = [f"Main Street {row}", f'"Road, with comma {row}"', f'"The ""quoted"" lane {row}"',
                  f'"Line one\nline two {row}"', f"Größe 東京 🦀 {row}"][row % 5]
        lines.append(f"{name}{row},{row % 97},{street},Town {row},0{row}")
    return "\r\n".join(lines) + "\r\n"


class Emulator:
    """Questions to the emulator of a local cloud, which looks at no signature."""

    def __init__(self, cloud):
        url = urllib.parse.urlsplit(cloud.run("local", "status")["endpoint"])
        self.host, self.port = url.hostname, url.port

    def ask(self, service, target, question):
        """Returns the answer of a service that speaks JSON."""
        headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": target}
        return json.loads(self._call(service, "POST", "/", json.dumps(question), headers))

    def _call(self, service, method, path, body=None, headers=()):
        scope = f"test/20260101/us-east-1/{service}/aws4_request"
        signed = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"
        connection = http.client.HTTPConnection(self.host, self.port, timeout=60)
        try:
            connection.request(method, path, body, {**dict(headers), "Authorization": signed})
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        if answer.status != 200:
            raise SystemExit(f"{service}: {answer.status}: {text}")
        return text

    def buffers(self):
        """Returns the URLs of the queues before the functions, by function."""
        found = {}
        for url in self.ask("sqs", "AmazonSQS.ListQueues", {}).get("QueueUrls", []):
            for name in FUNCTIONS:
                # `TransformOnRecordExtractedBuffer` is that of `transform` alone.
                if f"-{name.capitalize()}On" in url and "DeadLetters" not in url:
                    found[name] = url
        return found

    def depth(self, url):
        """Returns the number of messages in a queue, those in progress included."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self.ask("sqs", "AmazonSQS.GetQueueAttributes", {"QueueUrl": url, "AttributeNames": names})
        return sum(int(answer["Attributes"][name]) for name in names)


def part_of(function):
    """Returns the name in the stack file of a function."""
    return next((name for name in FUNCTIONS if name in function.lower().split("-")), function)


def function_of(pid):
    """Returns the function that a process runs; `None` if it runs none."""
    with open(f"/proc/{pid}/environ", "rb") as file:
        for variable in file.read().decode(errors="replace").split("\0"):
            name, _, value = variable.partition("=")
            if name == "AWS_LAMBDA_FUNCTION_NAME":
                return part_of(value)
    return None


class Counts:
    """The items of the table while a file is uploaded, and the counts that `upload --wait` shows meanwhile."""

    EVERY = 0.1
    SHOWN = re.compile(r" (\d+) loaded")

    def __init__(self, emulator):
        tables = emulator.ask("dynamodb", "DynamoDB_20120810.ListTables", {})["TableNames"]
        self.emulator, self.table = emulator, next(name for name in tables if "-Records-" in name)
        self.before, self.table_had, self.shown = self._count(), [], []
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def _count(self):
        """Returns the number of items, which the emulator keeps up to date."""
        answer = self.emulator.ask("dynamodb", "DynamoDB_20120810.DescribeTable", {"TableName": self.table})
        return answer["Table"]["ItemCount"]

    def _watch(self):
        while not self.over.wait(self.EVERY):
            asked = time.perf_counter()
            count = self._count() - self.before
            self.table_had.append((asked, time.perf_counter(), count))

    def line(self, text):
        """Notes a line of the command."""
        if found := self.SHOWN.search(text):
            self.shown.append((time.perf_counter(), int(found[1])))

    def end(self):
        """Returns by how many seconds the counts were behind the table at most, and how many were compared."""
        self.over.set()
        self.thread.join()
        behind = 0.0
        for when, shown in self.shown:
            # The table had more than that at a time before.
            more = [answered for _, answered, count in self.table_had if count > shown and answered < when]
            behind = max(behind, when - more[0] if more else 0.0)
            # It has at least as many by then: a count is an answer of the past.
            later = [count for asked, _, count in self.table_had if asked > when]
            assert not later or later[0] >= shown, f"{shown} rows are shown, and the table has {later[0]} items"
        return behind, len(self.shown)


class Sampler:
    """The processor time of the processes of a local cloud by role, and the depth of the queues, while rows go through."""

    def __init__(self, cloud, emulator):
        state = json.loads((pathlib.Path(cloud.folder) / ".deployer/local/state.json").read_text())
        self.agent, self.emulating = state["pid"], state["emulatorPid"]
        self.emulator, self.buffers = emulator, emulator.buffers()
        self.roles, self.first, self.last = {}, {}, {}
        self.depths = dict.fromkeys(self.buffers, 0)
        self.over = threading.Event()
        self._sample(new=0)
        self.threads = [threading.Thread(target=one, daemon=True) for one in (self._watch, self._measure)]
        for thread in self.threads:
            thread.start()

    def _sample(self, new):
        emulator = {self.emulating, *measure.descendants(self.emulating)}
        for pid in {self.agent, *measure.descendants(self.agent), *emulator}:
            try:
                spent = measure.spent(pid)
                if pid not in self.roles:
                    own = "emulator" if pid in emulator else "agent" if pid == self.agent else "task"
                    self.roles[pid] = function_of(pid) or own
                    # One that was started later has spent all of its time on these rows.
                    self.first[pid] = spent if new == 0 else 0.0
                self.last[pid] = spent
            except (OSError, ValueError):
                continue

    def _watch(self):
        while not self.over.wait(0.2):
            self._sample(new=1)

    def _measure(self):
        while not self.over.wait(1):
            for name, url in self.buffers.items():
                self.depths[name] = max(self.depths[name], self.emulator.depth(url))

    def end(self):
        """Returns the processor seconds by role."""
        self.over.set()
        for thread in self.threads:
            thread.join()
        self._sample(new=1)
        seconds = dict.fromkeys(ROLES, 0.0)
        for pid, role in self.roles.items():
            seconds[role] = seconds.get(role, 0.0) + self.last[pid] - self.first[pid]
        return seconds


def limit_of(wall, processor, depths):
    """Returns the stage that is the limit.

    The emulator is one Python process, of which one thread works at a time, and all stages wait for it; so it comes
    first, then the task, which may have no more to publish, then the function with most messages before it."""
    for role in ("emulator", "task"):
        if processor[role] / wall >= 0.7:
            return f"{role} ({processor[role] / wall * 100:.0f} % of a processor)"
    deepest = max(depths, key=depths.get)
    return f"executions of {deepest} ({depths[deepest]:,} messages before it)"


def stack_with(rows_per_event):
    """Returns the repository's stack file with this setting."""
    text = (ROOT / "stack.yaml").read_text()
    before = "      worker: extraction\n"
    assert text.count(before) == 1, "the task of stack.yaml has changed"
    return text.replace(before, f"{before}      settings: {{ rowsPerEvent: {rows_per_event} }}\n")


def one(cloud, emulator, key):
    """Uploads a file of the folder. Returns what its rows took."""
    sampler, counts = Sampler(cloud, emulator), Counts(emulator)
    machine, started = measure.busy(), time.perf_counter()
    uploaded = cloud.watch(counts.line, "upload", key, "local", "--wait", "--timeout", "1h")
    wall = time.perf_counter() - started
    machine = (measure.busy() - machine) / wall / os.cpu_count()
    behind, compared = counts.end()
    processor = sampler.end()
    return {
        "uploaded": uploaded, "processor": processor, "depths": sampler.depths, "machine": machine, "behind": behind,
        "compared": compared, "limit": limit_of(wall, processor, sampler.depths)}


def matrix(deployer, runs, rows):
    """Measures rows end to end with each number of rows in an event and of concurrent executions, holds the forecast
    against it, and the counts that are shown meanwhile against the table."""
    each = len(records(rows).encode()) // rows
    ratios, behind, problems = [], [], []
    print(f"{rows:,} rows of {each} bytes; processor time in seconds; `behind` is by how many seconds a count that was shown "
          "was older than the table")
    columns = ["rows/event", "throttle", "seconds", "rows/s", "forecast", "ratio", *ROLES, "machine", "behind", "limit"]
    print("| " + " | ".join(columns) + " |\n|" + "---:|" * (len(columns) - 1) + "---|")
    with Cloud(deployer) as cloud:
        folder = pathlib.Path(cloud.folder)
        emulator = Emulator(cloud)
        for rows_per_event, throttle in itertools.product(ROWS_PER_EVENT, THROTTLES):
            name = f"{rows_per_event}-{throttle}"
            (folder / "stack.yaml").write_text(stack_with(rows_per_event))
            config = ("--config", f"throttle={throttle}")
            cloud.run("deploy", "local", "-y", *config)
            forecast = cloud.run(
                "forecast", "local", "--rows", str(rows), "--bytes-per-row", str(each), *config)["time"]["seconds"]
            # The first file after a deployment starts the processes.
            (folder / "few.csv").write_text(records(20, f"{name}-few-"), newline="")
            cloud.run("upload", "few.csv", "local", "--wait")
            found = []
            for attempt in range(runs):
                key = f"{name}-{attempt}.csv"
                (folder / key).write_text(records(rows, f"{name}-{attempt}-"), newline="")
                found.append(one(cloud, emulator, key))
                assert found[-1]["uploaded"]["loaded"] == rows, found[-1]["uploaded"]
            found.sort(key=lambda one: one["uploaded"]["seconds"])
            middle = found[len(found) // 2]
            seconds = middle["uploaded"]["seconds"]
            ratio = seconds / forecast
            ratios.append(ratio)
            behind.append(max(one["behind"] for one in found))
            cells = [rows_per_event, throttle, f"{seconds:.1f}", f"{rows / seconds:.0f}", f"{forecast:.1f}", f"{ratio:.2f}",
                     *(f"{middle['processor'][role]:.1f}" for role in ROLES), f"{middle['machine'] * 100:.0f} %",
                     f"{behind[-1]:.1f} ({middle['compared']})", middle["limit"]]
            if os.environ.get("DEPTHS"):
                print("   ", middle["depths"])
            print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)
            if middle["limit"].startswith("executions of observe"):
                problems.append(f"rowsPerEvent {rows_per_event}, throttle {throttle}: the observer is the limit")
            if not 1 / FACTOR <= ratio <= FACTOR:
                problems.append(f"rowsPerEvent {rows_per_event}, throttle {throttle}: {ratio:.2f} x the forecast")
            if behind[-1] > 1:
                problems.append(f"rowsPerEvent {rows_per_event}, throttle {throttle}: counts {behind[-1]:.1f} s behind the table")
    print(f"measured ÷ forecast: {min(ratios):.2f} to {max(ratios):.2f}, median {statistics.median(ratios):.2f}; "
          f"counts at most {max(behind):.1f} s behind the table")
    for problem in problems:
        print(problem)
