"""The commands of the deployer beside those of a CDK app of the same pipeline (cdk/), on the same local cloud."""

import json
import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import urllib.request
from dataclasses import dataclass

import measure
from cloud import Cloud

APP = pathlib.Path(__file__).resolve().parent / "cdk"
CDK = str(APP / "node_modules/.bin/cdk")
REGION = "us-east-1"

STEPS = ("ls", "synth", "diff, new", "deploy, first", "deploy, unchanged", "diff, unchanged", "diff, changed",
         "deploy, changed", "destroy")
AIMS = {"synth": 300, "deploy, unchanged": 50}
"""How many times less processor time than the fastest way of the CDK the deployer should take."""
REPEATED = {"ls": 5, "synth": 5}
"""How often the deployer does in each round what takes it milliseconds."""

OURS = {
    "ls": ["ls"],
    "synth": ["synth"],
    "diff": ["diff"],
    "deploy": ["deploy", "-y"],
    "destroy": ["destroy", "-y"],
}
COMMON = ["--no-notices"]  # notices are fetched from the Internet
THEIRS = {
    "ls": ["ls", *COMMON],
    "synth": ["synth", *COMMON],
    "diff": ["diff", *COMMON],
    "deploy": ["deploy", "--require-approval", "never", *COMMON],
    "destroy": ["destroy", "--force", *COMMON],
}
LEAN = ["--no-version-reporting", "--no-path-metadata", "--no-asset-metadata"]
LEAN_BY_COMMAND = {
    "synth": ["--quiet"],
    "diff": ["--method", "template"],
    "deploy": ["--method", "direct"],
}


@dataclass
class Way:
    """A way to run the CDK's command line."""

    name: str
    stack: str
    validates: bool = False
    lean: bool = False
    synthesized: bool = False
    """From a `cdk.out` that was synthesized before, not counted."""


WAYS = (
    Way("cdk", "etl-plain", validates=True),
    Way("cdk, no validation", "etl-unvalidated"),
    Way("cdk, lean", "etl-lean", lean=True),
    Way("cdk, lean, from cdk.out", "etl-out", lean=True, synthesized=True),
)
APP_ALONE = "the app without the CLI"


def installed():
    """Returns whether the CDK can be measured; installs it on first use, and prints a note if it can't."""
    for tool in ("node", "npm"):
        if not shutil.which(tool):
            print(f"note: {tool} is not installed, so the CDK is not measured")
            return False
    lock, done = APP / "package-lock.json", APP / "node_modules/.package-lock.json"
    if not done.exists() or done.stat().st_mtime < lock.stat().st_mtime:
        command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
        npm = subprocess.run(command, cwd=APP, capture_output=True, text=True, check=False)
        if npm.returncode:
            print(f"note: `{' '.join(command)}` failed, so the CDK is not measured:\n{npm.stderr.strip()[-1000:]}")
            return False
        done.touch()
    return True


def call(endpoint, method, path):
    """Calls S3 of the local cloud."""
    scope = f"test/20260101/{REGION}/s3/aws4_request"
    request = urllib.request.Request(f"{endpoint}{path}", method=method, headers={
        "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        answer.read()


class Commands:
    """The commands of all ways, in one round on one local cloud, on which nothing has been published yet."""

    def __init__(self, cloud, folder):
        self.cloud = cloud
        self.folder = pathlib.Path(folder)
        state = json.loads((pathlib.Path(cloud.folder) / ".deployer/local/state.json").read_text())
        self.endpoint = state["endpoint"]
        self.environment = {
            name: value for name, value in os.environ.items()
            if not name.startswith(("AWS_", "CDK_")) and name not in ("CI", "NODE_OPTIONS")
        } | {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "CDK_HOME": str(self.folder.parent / "home"),
            # Neither is to be measured, and both need the Internet.
            "CDK_DISABLE_CLI_TELEMETRY": "true",
            "CDK_DISABLE_VERSION_CHECK": "true",
            # Node.js 22 and newer keep compiled code there; older ones ignore it.
            "NODE_COMPILE_CACHE": str(self.folder.parent / "compiled"),
        }
        for way in WAYS:
            call(self.endpoint, "PUT", f"/{way.stack}-assets")
            if way.synthesized:
                for change in ([], ["-c", "throttle=3"]):
                    out = self.out(way, change)
                    self.run([*THEIRS["synth"], "--quiet", *LEAN, *self.context(way), *change, "--output", out], way)

    def out(self, way, change):
        return str(self.folder / f"{way.stack}{'-changed' if change else ''}")

    @staticmethod
    def context(way):
        return ["-c", f"stack={way.stack}", "-c", f"assets={way.stack}-assets"]

    def run(self, args, way):
        """Runs one command of the CDK."""
        environment = dict(self.environment) if way.lean else {
            name: value for name, value in self.environment.items() if name != "NODE_COMPILE_CACHE"}
        if not way.validates:
            # `synth` has `--no-validation`, which sets this for the app; other commands validate too, and have no such option.
            environment["CDK_VALIDATION"] = "false"
        return measure.tree([CDK, *args], environment, APP)

    def theirs(self, step, way):
        command, _, state = step.partition(", ")
        change = ["-c", "throttle=3"] if state == "changed" else []
        args = [*THEIRS[command], *(LEAN + LEAN_BY_COMMAND.get(command, []) if way.lean else [])]
        if way.synthesized:
            return self.run([*args, "--app", self.out(way, change)], way)
        return self.run([*args, *self.context(way), *change, "--output", str(self.folder / f"{way.stack}-out")], way)

    def ours(self, step):
        command, _, state = step.partition(", ")
        change = ["--config", "throttle=3"] if state == "changed" else []
        deployer = [self.cloud.deployer, *OURS[command], *change]
        return measure.tree(deployer, self.cloud.environment, self.cloud.folder)

    def app_alone(self):
        """Measures the app by itself, with the feature flags that the CLI would give it."""
        context = json.loads((APP / "cdk.json").read_text())["context"]
        environment = self.environment | {
            "CDK_VALIDATION": "false",
            "CDK_OUTDIR": str(self.folder / "alone"),
            "CDK_CONTEXT_JSON": json.dumps(context),
        }
        return measure.tree(["node", "app.js"], environment, APP)


def row(name, figures):
    return (f"  {name:<24} wall {figures.wall * 1000:8.0f} ms   cpu {figures.processor * 1000:8.1f} ms   "
            f"peak {figures.peak:6.1f} MiB")


def times(theirs, ours):
    """Returns the ratio of the others' figures to the deployer's."""
    ratios = (theirs.wall / ours.wall, theirs.processor / ours.processor, theirs.peak / ours.peak)
    return "   ({:,.0f} x, {:,.0f} x, {:,.0f} x)".format(*ratios)


def median(runs):
    return measure.Figures(*(statistics.median(getattr(run, name) for run in runs) for name in ("wall", "processor", "peak")))


def commands(deployer, runs):
    """Measures each command of the deployer and of the CDK in turn; the ratio is to the fastest way of the CDK."""
    if not installed():
        return
    figures = {step: {} for step in STEPS}

    def add(step, name, measured):
        figures[step].setdefault(name, []).append(measured)

    with tempfile.TemporaryDirectory() as temporary:
        for attempt in range(runs):
            folder = pathlib.Path(temporary) / str(attempt)
            folder.mkdir()
            # A new one each time: nothing has been published yet for the first deployment.
            with Cloud(deployer) as cloud:
                one = Commands(cloud, folder)
                if not attempt:
                    # These fill the caches.
                    one.ours("synth")
                    for way in WAYS:
                        one.theirs("synth", way)
                    one.app_alone()
                for step in STEPS:
                    for _ in range(REPEATED.get(step, 1)):
                        add(step, "deployer", one.ours(step))
                    for way in WAYS:
                        add(step, way.name, one.theirs(step, way))
                    if step == "synth":
                        add(step, APP_ALONE, one.app_alone())
            shutil.rmtree(folder)
            print(f"round {attempt + 1} of {runs}, load {os.getloadavg()[0]:.1f}", flush=True)

    results = {step: {name: median(each) for name, each in names.items()} for step, names in figures.items()}
    node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    print(f"Medians of {runs} on Node.js {node}, and how many times the deployer's they are:")
    fastest = {}
    for step, names in results.items():
        ours = names["deployer"]
        print(f"{step}\n{row('deployer', ours)}")
        for name, theirs in names.items():
            if name != "deployer":
                print(row(name, theirs) + times(theirs, ours))
        fastest[step] = [
            min((names[way.name].processor / ours.processor, way.name) for way in ways)
            for ways in (WAYS, [way for way in WAYS if not way.synthesized])]
    print("The CDK's fastest way by processor time, times the deployer's; and the fastest that runs the app:")
    for step, (first, second) in fastest.items():
        aim = f"   aim: {AIMS[step]} x, {'reached' if first[0] >= AIMS[step] else 'missed'}" if step in AIMS else ""
        print(f"  {step:<18} {first[0]:6,.0f} x {first[1]:<24} {second[0]:6,.0f} x {second[1]:<24}{aim}".rstrip())
