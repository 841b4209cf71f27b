#!/usr/bin/env python3
"""The benchmarks of the deployer and the pipeline, and the command that runs them; see README.md. Standard library
only."""

import argparse
import contextlib
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import time

import beside_cdk
import beside_rows
import console
import editor
import functions
import large
import measure
import pipeline
import task
from cloud import Cloud
from measure import once


def synth(deployer, runs):
    """Measures `deployer synth` and `node -e 0` in turn."""
    commands = {"deployer synth": [deployer, "synth", "dev"], "node -e 0": ["node", "-e", "0"]}
    if not shutil.which("node"):
        print("node is not installed: deployer alone")
        del commands["node -e 0"]
    figures = {name: [] for name in commands}
    for run in range(runs + 1):
        for name, command in commands.items():
            figure = once(command)
            if run:  # the first fills the caches
                figures[name].append(figure)
    medians = {name: [statistics.median(column) for column in zip(*rows)] for name, rows in figures.items()}
    for name, (wall, processor, memory) in medians.items():
        print(f"{name:<16} wall {wall * 1000:7.1f} ms   cpu {processor * 1000:7.1f} ms   peak {memory:6.1f} MiB")
    if len(medians) == 2:
        ours, theirs = medians.values()
        ratios = [b / a for a, b in zip(ours, theirs)]
        print(f"{'ratio':<16} wall {ratios[0]:7.1f} x    cpu {ratios[1]:7.1f} x    peak {ratios[2]:6.1f} x")


def generated(resources):
    """Returns a stack whose template has that many resources: one half typed, the other raw, each referring to
    others."""
    lines = ["name: generated", "stacks: { dev: { region: eu-west-1 } }", "resources:"]
    # A bucket becomes two resources, a queue four, a table one.
    units = resources // 14
    for unit in range(units):
        lines += [
            f"  landing{unit}:",
            "    type: bucket",
            f'    properties: {{ notify: [{{ on: created, queue: "${{arrivals{unit}}}", suffix: .csv }}] }}',
            f"  arrivals{unit}: {{ type: queue, properties: {{ visibilityTimeout: 5m, deadLetter: {{ after: 5 }} }} }}",
            f"  records{unit}: {{ type: table, properties: {{ key: {{ id: string, at: number }} }} }}",
        ]
    raw = [
        ("AWS::SQS::Queue", ["VisibilityTimeout: 60", "SqsManagedSseEnabled: true", "Tags: [{{ Key: n, Value: \"{n}\" }}]"]),
        ("AWS::SNS::Subscription", ["Protocol: sqs", "TopicArn: !Ref raw{topic}", "Endpoint: \"${{arrivals{unit}.arn}}\""]),
        ("AWS::SNS::Topic", ["DisplayName: !Sub \"topic ${{AWS::Region}} {n}\"", "KmsMasterKeyId: alias/aws/sns"]),
        ("AWS::SSM::Parameter", ["Type: String", "Value: !Join [\":\", [a, !Ref arrivals{unit}, b]]"]),
        ("AWS::Logs::LogGroup", ["RetentionInDays: 30"]),
        ("AWS::CloudWatch::Alarm", [
            "Namespace: AWS/SQS", "MetricName: ApproximateAgeOfOldestMessage", "Statistic: Maximum", "Period: 60",
            "EvaluationPeriods: 3", "Threshold: 300", "ComparisonOperator: GreaterThanThreshold",
            "Dimensions: [{{ Name: QueueName, Value: !GetAtt arrivals{unit}.QueueName }}]"]),
        ("AWS::DynamoDB::Table", [
            "BillingMode: PAY_PER_REQUEST", "KeySchema: [{{ AttributeName: id, KeyType: HASH }}]",
            "AttributeDefinitions: [{{ AttributeName: id, AttributeType: S }}]"]),
        ("AWS::IAM::Role", [
            "AssumeRolePolicyDocument: {{ Version: \"2012-10-17\", Statement: [{{ Effect: Allow, Action: "
            "sts:AssumeRole, Principal: {{ Service: lambda.amazonaws.com }} }}] }}"]),
    ]
    topic = next(index for index, (kind, _) in enumerate(raw) if kind == "AWS::SNS::Topic")
    for n in range(resources - units * 7):
        kind, properties = raw[n % len(raw)]
        lines += [f"  raw{n}:", f"    type: {kind}", "    properties:"]
        known = {"n": n, "unit": n % units, "topic": topic}
        lines += ["      " + line.format(**known) for line in properties]
    return "\n".join(lines) + "\n"


def growth(deployer, runs):
    """Measures `deployer synth` of the pattern's stack and of larger ones, in turn."""
    with tempfile.TemporaryDirectory() as folder:
        commands = {"the pattern": [deployer, "synth", "dev"]}
        for size in (50, 100, 250, 500):
            path = pathlib.Path(folder) / f"{size}.yaml"
            path.write_text(generated(size))
            command = [deployer, "-f", str(path), "synth", "dev"]
            template = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
            assert len(template["Resources"]) == size, len(template["Resources"])
            commands[f"{size} resources"] = command
        figures = {name: [] for name in commands}
        for _ in range(runs):
            for name, command in commands.items():
                figures[name].append(once(command))
        for name, rows in figures.items():
            wall, processor, memory = (statistics.median(column) for column in zip(*rows))
            print(f"{name:<16} wall {wall * 1000:7.1f} ms   cpu {processor * 1000:7.1f} ms   peak {memory:6.1f} MiB")


def answers(deployer, runs):
    """Measures the language server on a file whose template has 500 resources, while it is edited."""
    editor.session(deployer, generated(500), runs)


def throttle(deployer, runs):
    """Measures 1,000 rows end to end with each number of concurrent executions of each function: no function waits
    for a lost race, so no run takes much longer than the others, and the counts agree at the end."""
    problems = []
    with Cloud(deployer) as cloud:
        (pathlib.Path(cloud.folder) / "rows.csv").write_text(pipeline.records(1000), newline="")
        for concurrency in (2, 8, 16):
            cloud.run("deploy", "local", "-y", "--config", f"throttle={concurrency}")
            seconds, shares = [], []
            for attempt in range(runs):
                key = f"{concurrency}-{attempt}.csv"
                before, started = measure.busy(), time.perf_counter()
                uploaded = cloud.run("upload", "rows.csv", "local", "--key", key, "--wait")
                shares.append((measure.busy() - before) / (time.perf_counter() - started) / os.cpu_count())
                assert uploaded["loaded"] == 1000, uploaded
                seconds.append(uploaded["seconds"])
                # The last events of other stages may be a batch behind the last row.
                for _ in range(10):
                    tally = cloud.run("tally", key, "local")
                    counts = [tally[stage] for stage in ("extracted", "transformed", "loaded")]
                    if counts == [1000] * 3:
                        break
                    time.sleep(0.5)
                else:
                    problems.append(f"throttle {concurrency}, run {attempt + 1}: counts disagree: {counts}")
            each = ", ".join(f"{second:.1f}" for second in seconds)
            middle = statistics.median(seconds)
            worst = max(seconds) / middle
            if runs >= 10 and worst > 1.3:
                problems.append(f"throttle {concurrency}: the slowest run took {worst:.2f} x the median")
            print(f"throttle {concurrency}: 1,000 rows in {each} s: {1000 / middle:.0f} rows/s; slowest {worst:.2f} x the median; "
                  f"the machine was busy at {statistics.median(shares) * 100:.0f} %", flush=True)
    for problem in problems:
        print(problem)


def commands(deployer, runs):
    """Measures the commands around a deployment of the pattern's stack, on a local cloud of its own. `BESIDE` names
    another deployer, which is measured in turn, on another cloud."""
    steps = {
        "ls": ["ls"],
        "diff, new": ["diff"],
        "deploy, first": ["deploy", "-y"],
        "deploy, unchanged": ["deploy", "-y"],
        "diff, unchanged": ["diff"],
        "diff, changed": ["diff", "--config", "throttle=3"],
        "deploy, changed": ["deploy", "-y", "--config", "throttle=3"],
        "destroy": ["destroy", "-y"],
    }
    deployers = [deployer] + ([os.environ["BESIDE"]] if os.environ.get("BESIDE") else [])
    figures = {name: [[] for _ in deployers] for name in steps}
    with contextlib.ExitStack() as stack:
        clouds = [stack.enter_context(Cloud(one)) for one in deployers]
        for _ in range(runs):
            for name, args in steps.items():
                for cloud, measured in zip(clouds, figures[name]):
                    measured.append(cloud.once(*args))
    for name, columns in figures.items():
        medians = [[statistics.median(column) for column in zip(*measured)] for measured in columns]
        wall, processor, memory = medians[0]
        line = f"{name:<18} wall {wall * 1000:7.0f} ms   cpu {processor * 1000:7.1f} ms   peak {memory:6.1f} MiB"
        if len(medians) == 2:
            line += "   beside: " + ", ".join(f"{b / a:.1f} x" for a, b in zip(*medians))
        print(line, flush=True)


def idle(deployer, _):
    """Measures the local cloud's own process with a stack deployed and nothing to do, as a share of one processor."""
    deployers = [deployer] + ([os.environ["BESIDE"]] if os.environ.get("BESIDE") else [])
    for one in deployers:
        with Cloud(one) as cloud:
            cloud.run("deploy", "local", "-y")
            pid = json.loads((pathlib.Path(cloud.folder) / ".deployer/local/state.json").read_text())["pid"]
            time.sleep(10)
            spent, started = measure.spent(pid), time.perf_counter()
            time.sleep(60)
            share = (measure.spent(pid) - spent) / (time.perf_counter() - started)
            print(f"{one}: {share * 100:.2f} % of a processor", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("deployer", help="the program to measure")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--only", choices=BENCHMARKS)
    parser.add_argument("--rows", type=int, default=20_000, help="rows of `pipeline` and `console`")
    args = parser.parse_args()
    deployer = str(pathlib.Path(args.deployer).resolve())
    for name, (benchmark, most) in BENCHMARKS.items():
        if args.only in (None, name):
            own = {"rows": args.rows} if name in ("pipeline", "console") else {}
            benchmark(deployer, min(args.runs, most), **own)


def preview(deployer, runs):
    """Measures items of rows beside Python, Node.js and DuckDB, and the memory over a large file."""
    beside_rows.compare(deployer, runs)
    beside_rows.memory(deployer)


# With the most runs that each makes, since some take long.
BENCHMARKS = {
    "synth": (synth, 100),
    "growth": (growth, 100),
    "editor": (answers, 100),
    "commands": (commands, 5),
    "cdk": (beside_cdk.commands, 5),
    "idle": (idle, 1),
    "task": (lambda _, runs: task.speed(runs), 5),
    "memory": (lambda *_: task.memory(), 1),
    "large": (large.parts, 1),
    "functions": (lambda _, runs: functions.parts(runs), 5),
    "observe": (lambda _, runs: functions.observe(runs), 5),
    "pipeline": (pipeline.matrix, 1),
    "console": (console.tabs, 1),
    "throttle": (throttle, 10),
    "preview": (preview, 5),
}


if __name__ == "__main__":
    main()
