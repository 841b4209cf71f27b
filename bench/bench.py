#!/usr/bin/env python3
"""Times the deployer as a whole process; see README.md beside this file. Standard library only."""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent


def once(command):
    """Wall seconds, processor seconds and peak MiB of one run."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}")
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def synth(deployer, runs):
    """`deployer synth` and `node -e 0` in turn."""
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


def thousand():
    """The file of the end-to-end test: every fifth row quoted in another way."""
    lines = ["ID,HouseNum,Street,Town,Zip"]
    for row in range(1000):
        street = [f"Main Street {row}", f'"Road, with comma {row}"', f'"The ""quoted"" lane {row}"',
                  f'"Line one\nline two {row}"', f"Größe 東京 🦀 {row}"][row % 5]
        lines.append(f"{row},{row % 97},{street},Town {row},0{row}")
    return "\r\n".join(lines) + "\r\n"


def rows(deployer, runs):
    """1,000 rows end to end on a local cloud of its own."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("stack.yaml", "Cargo.toml", "Cargo.lock", "workers", "deployer"):
            os.symlink(ROOT / name, pathlib.Path(folder) / name)
        environment = dict(os.environ)
        for variable, tool in (("DEPLOYER_MINISTACK", "ministack"), ("DEPLOYER_CARGO_LAMBDA", "cargo-lambda")):
            environment.setdefault(variable, str(ROOT / ".venv/bin" / tool))
        environment.setdefault("CARGO_TARGET_DIR", str(ROOT / "target"))

        def run(*args):
            command = [deployer, *args, "--output", "json"]
            done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
            if done.returncode:
                raise SystemExit(f"{command}: {done.stdout}\n{done.stderr}")
            return json.loads(done.stdout)

        (pathlib.Path(folder) / "rows.csv").write_text(thousand(), newline="")
        try:
            run("local", "up")
            run("deploy", "local", "-y")
            for attempt in range(runs):
                uploaded = run("upload", "rows.csv", "local", "--key", f"{attempt}.csv", "--wait")
                assert uploaded["loaded"] == 1000, uploaded
                print(f"1,000 rows in {uploaded['seconds']:.1f} s: {1000 / uploaded['seconds']:.0f} rows/s")
        finally:
            subprocess.run([deployer, "local", "down"], cwd=folder, env=environment, check=False)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("deployer", help="the program to measure")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--only", choices=["synth", "rows"])
    args = parser.parse_args()
    deployer = str(pathlib.Path(args.deployer).resolve())
    if args.only != "rows":
        synth(deployer, args.runs)
    if args.only != "synth":
        rows(deployer, min(args.runs, 3))


if __name__ == "__main__":
    main()
