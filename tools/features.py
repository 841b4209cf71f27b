#!/usr/bin/env python3
"""Lists the dependencies that Cargo would compile more than once, because the deployer, the workers and the tests need
different features of them; `workers/workspace-hack` unites these. Standard library only."""

import hashlib
import json
import os
import subprocess
import sys

ALL = ("--workspace", "--all-targets")
CHOICES = {
    "the deployer": ("-p", "deployer", "--bin", "deployer"),
    "the workers": ("-p", "etl-functions", "-p", "etl-task", "--bins"),
}


def graph(selection):
    """Returns every step of a build, by a digest of all that decides its result: its features and those of its
    dependencies."""
    command = ["cargo", "build", "--locked", "-Z", "unstable-options", "--unit-graph", *selection]
    # The option is not stable, and the stable Cargo is asked for it all the same.
    environment = os.environ | {"RUSTC_BOOTSTRAP": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: {done.stderr}")
    units, digests, steps = json.loads(done.stdout)["units"], {}, {}

    def digest(index):
        if index not in digests:
            unit = units[index]
            own = [unit[key] for key in ("pkg_id", "target", "mode", "features", "platform", "profile")]
            needs = sorted(digest(needed["index"]) for needed in unit["dependencies"])
            digests[index] = hashlib.sha256(json.dumps([own, needs], sort_keys=True).encode()).hexdigest()
        return digests[index]

    for index, unit in enumerate(units):
        steps[digest(index)] = unit
    return steps


def name(unit):
    """Returns the package, from an identifier such as `registry+https://…#serde@1.0.0`, or
    `path+file:///…/task#0.1.0`."""
    base, _, last = unit["pkg_id"].rpartition("#")
    return last.split("@")[0] if "@" in last else base.rsplit("/", 1)[-1]


def main():
    everything = graph(ALL)
    features = {}
    for unit in everything.values():
        features.setdefault(name(unit), set()).update(unit["features"])
    problems = 0
    for choice, selection in CHOICES.items():
        for key, unit in graph(selection).items():
            package = name(unit)
            missing = features.get(package, set()) - set(unit["features"])
            if key not in everything and missing and unit["mode"] == "build":
                problems += 1
                print(f"{package}: {choice} want it without {', '.join(sorted(missing))}", file=sys.stderr)
    if problems:
        print("error: these are compiled more than once; name the features in workers/workspace-hack", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
