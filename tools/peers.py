"""Other tools that take templates over, for corpus.py: `cdk migrate` and cfn-flip, with their versions pinned here.

`cdk migrate` writes a CDK app of a template. Four things can be said of it: it is written; it compiles as it was generated; it is
synthesized, whether its types are right or not; and the template that is synthesized has the meaning of the original
by same_template.py, in its resources or as a whole. What the CDK adds to every template by itself (`BOOTSTRAP`) does not count, and
is left out where it can be (metadata of paths and versions).

cfn-flip writes YAML of JSON and JSON of YAML, and back again. Both texts must have the meaning of the original.

All is installed in one folder by npm and pip, once.
"""

import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import time

from same_template import Unreadable, differences, read, template

CDK, LIBRARY, CONSTRUCTS, TYPESCRIPT, NODE_TYPES = "2.1148.1", "2.276.0", "10.8.1", "5.9.3", "24.19.4"
FLIP = "1.3.0"

# What `init` of the CDK writes into an app.
CONFIG = {
    "compilerOptions": {
        "target": "ES2022",
        "module": "NodeNext",
        "moduleResolution": "NodeNext",
        "lib": ["es2022"],
        "strict": True,
        "noUnusedLocals": False,
        "noUnusedParameters": False,
        "noImplicitReturns": True,
        "noFallthroughCasesInSwitch": False,
        "strictPropertyInitialization": False,
        "experimentalDecorators": True,
        "skipLibCheck": True,
        "types": ["node"],
        "outDir": "made",
        "rootDir": "apps",
    },
    "include": ["apps/*/bin/*.ts", "apps/*/lib/*.ts"],
}
BOOTSTRAP = {"Parameters": "BootstrapVersion", "Rules": "CheckBootstrapVersion", "Resources": "CDKMetadata"}
# Runs apps as `cdk synth` does, in one process, since the library takes seconds to load: an app synthesizes when the process is
# about to end, which is here when it has been read.
SYNTHESIZE = """
const fs = require("fs"), path = require("path");
const log = fs.openSync("problems.jsonl", "w");
for (const name of process.argv.slice(2)) {
  let problem = "";
  try {
    const bin = path.resolve("made", name, "bin");
    const context = JSON.parse(fs.readFileSync(path.join("apps", name, "cdk.json"), "utf8")).context;
    process.env.CDK_OUTDIR = path.resolve("synthesized", name);
    process.env.CDK_CONTEXT_JSON = JSON.stringify(context ?? {});
    const ends = [], once = process.once;
    process.once = (event, end) => (event === "beforeExit" ? ends.push(end) : once.call(process, event, end));
    try {
      for (const file of fs.readdirSync(bin)) require(path.join(bin, file));
      ends.forEach((end) => end());
    } finally {
      process.once = once;
    }
  } catch (error) {
    problem = String(error).split("\\n")[0] || "error";
  }
  fs.writeSync(log, JSON.stringify([name, problem]) + "\\n");
}
"""
WITHOUT_NETWORK = ["--no-notices", "--no-version-reporting"]


def _run(command, seconds, **options):
    """Returns the exit code and the output; 124 if it takes longer."""
    try:
        answer = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=seconds, **options
        )
    except subprocess.TimeoutExpired:
        return 124, f"longer than {seconds} s"
    return answer.returncode, answer.stdout + answer.stderr


def _meaning(text):
    """Returns a template in one form for each meaning, without what the CDK adds."""
    value = read(text)
    for section, name in BOOTSTRAP.items():
        if isinstance(value, dict) and isinstance(value.get(section), dict):
            value[section].pop(name, None)
    return template(value)


class Peers:
    """The tools, installed in a folder."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder).resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.cdk = self.folder / "node_modules" / ".bin" / "cdk"
        self.flip = self.folder / "venv" / "bin" / "cfn-flip"
        if not self.cdk.exists():
            packages = [
                f"aws-cdk@{CDK}", f"aws-cdk-lib@{LIBRARY}", f"constructs@{CONSTRUCTS}", f"typescript@{TYPESCRIPT}",
                f"@types/node@{NODE_TYPES}",
            ]
            command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", self.folder, *packages]
            subprocess.run(command, check=True, capture_output=True)
        if not self.flip.exists():
            subprocess.run([sys.executable, "-m", "venv", self.folder / "venv"], check=True)
            pip = [self.folder / "venv" / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check"]
            subprocess.run([*pip, f"cfn-flip=={FLIP}"], check=True)

    def _without_npm(self):
        """Returns an environment in which npm does nothing: the packages of all apps are those of the folder."""
        npm = self.folder / "quiet" / "npm"
        npm.parent.mkdir(exist_ok=True)
        npm.write_text("#!/bin/sh\nexit 0\n", encoding="utf-8")
        npm.chmod(0o755)
        return {**os.environ, "PATH": f"{npm.parent}{os.pathsep}{os.environ['PATH']}"}

    def flipped(self, path):
        """Returns whether cfn-flip keeps the meaning of a template there and back, and the first difference."""
        first, second = ("json", "yaml") if path.read_text(encoding="utf-8").lstrip().startswith("{") else ("yaml", "json")
        original = template(read(path.read_text(encoding="utf-8")))
        text = None
        for source, target in [(first, second), (second, first)]:
            command = [self.flip, "-i", source, "-o", target, *([path] if text is None else [])]
            code, text = _run(command, 60, input=text)
            if code != 0:
                return "refused", text.strip().splitlines()[-1:]
            try:
                found = sorted(differences(original, template(read(text))))
            except Unreadable as error:
                found = [str(error)]
            if found:
                return "differs", found
        return "same", []

    def migrated(self, paths, seconds):
        """Returns what `cdk migrate` made of each template, within about so many seconds in all.

        Per template: the steps that it came through, of `written`, `compiles`, `synthesized`, `resources` and `same`, and the
        first problem. A template for which the time did not suffice is left out. Results are kept in the folder, since they take long.
        """
        kept = self.folder / "migrated.jsonl"
        lines = kept.read_text(encoding="utf-8").splitlines() if kept.exists() else []
        known = {key: (set(steps), problem) for key, steps, problem in map(json.loads, lines)}
        keys = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
        missing = {keys[path]: path for path in paths if keys[path] not in known}
        made = self._migrate(missing, time.monotonic() + seconds, seconds / 2) if missing else {}
        with kept.open("a", encoding="utf-8") as out:
            for key, (steps, problem) in made.items():
                out.write(json.dumps([key, sorted(steps), problem]) + "\n")
        known.update(made)
        return {path: known[keys[path]] for path in paths if keys[path] in known}

    def _migrate(self, paths, end, reserve):
        """Migrates the templates, given by their digests, until `end`, of which `reserve` seconds are for compiler and synthesis."""
        apps = self.folder / "apps"
        found, names = {}, {}
        for key, path in paths.items():
            if time.monotonic() > end - reserve:
                break
            name = f"Sample{key[:12]}"
            command = [
                self.cdk, "migrate", "--from-path", path, "--stack-name", name, "--language", "typescript",
                "--output-path", apps, "--region", "us-east-1", "--account", "111122223333", *WITHOUT_NETWORK,
            ]
            code, output = _run(command, 120, cwd=self.folder, env=self._without_npm())
            found[key] = ({"written"} if code == 0 else set(), "" if code == 0 else _reason(output))
            if code == 0:
                names[key] = name
        if not names:
            return found
        wrong = self._compile()
        problems = self._synthesize(names.values(), max(60, end - time.monotonic()))
        for key, name in names.items():
            if name not in problems:
                del found[key]
                continue
            steps = found[key][0]
            if name not in wrong:
                steps.add("compiles")
            problem = problems[name] or self._compare(paths[key], name, steps)
            found[key] = (steps, problem or wrong.get(name, ""))
        return found

    def _compile(self):
        """Compiles all apps in one run, since the types of the library take long to read; returns the first error of each."""
        compiler = [self.folder / "node_modules" / ".bin" / "tsc", "-p", self.folder]
        wrong = {}
        while True:
            # The compiler looks at types only where all files can be parsed, so those that can't be are left out.
            config = {**CONFIG, "exclude": [f"apps/{name}" for name in wrong]}
            (self.folder / "tsconfig.json").write_text(json.dumps(config), encoding="utf-8")
            _, output = _run([*compiler, "--noEmit", "--pretty", "false"], 900, cwd=self.folder)
            found = re.findall(r"^apps/([^/]+)/\S+: (error TS(\d+): .*)$", output, re.MULTILINE)
            wrong.update({name: error for name, error, _ in reversed(found)})
            if not any(code.startswith("1") and len(code) == 4 for _, _, code in found):
                break
        (self.folder / "tsconfig.json").write_text(json.dumps(CONFIG), encoding="utf-8")
        _run([*compiler, "--noCheck"], 900, cwd=self.folder)
        return wrong

    def _synthesize(self, names, seconds):
        """Runs the apps, and returns the problem of each, an empty text if there is none."""
        script = self.folder / "synthesize.cjs"
        script.write_text(SYNTHESIZE, encoding="utf-8")
        try:
            subprocess.run(
                ["node", script, *names], capture_output=True, check=False, timeout=seconds, cwd=self.folder
            )
        except subprocess.TimeoutExpired:
            pass
        lines = (self.folder / "problems.jsonl").read_text(encoding="utf-8").splitlines()
        return {name: problem[:160] for name, problem in map(json.loads, lines)}

    def _compare(self, path, name, steps):
        """Adds the steps from the synthesis on; returns the first difference."""
        made = self.folder / "synthesized" / name / f"{name}.template.json"
        if not made.exists():
            return "the app has no stack"
        steps.add("synthesized")
        left, right = _meaning(path.read_text(encoding="utf-8")), _meaning(made.read_text(encoding="utf-8"))
        if not list(differences(left.get("Resources", {}), right.get("Resources", {}))):
            steps.add("resources")
        problems = sorted(differences(left, right))
        if not problems:
            steps.add("same")
        return problems[0] if problems else ""


def _reason(output):
    """Returns the line of an output that says what is wrong."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    meant = [line for line in lines if re.search(r"error|❌|fail", line, re.IGNORECASE)]
    return (meant or lines or ["no output"])[0][:160]
