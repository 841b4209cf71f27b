"""A local cloud for a benchmark."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile

import measure
from paths import ROOT


class Cloud:
    """A local cloud in a folder of its own with a copy of the repository's stack file; stopped and removed at the end."""

    def __init__(self, deployer):
        self.deployer = deployer
        self.temporary = tempfile.TemporaryDirectory()
        self.folder = self.temporary.name
        # Without `workers/` beside it, the deployer uses the programs that it carries.
        shutil.copyfile(ROOT / "stack.yaml", pathlib.Path(self.folder) / "stack.yaml")
        self.environment = dict(os.environ)
        for variable, tool in (("DEPLOYER_MINISTACK", "ministack"), ("DEPLOYER_CARGO_LAMBDA", "cargo-lambda")):
            self.environment.setdefault(variable, str(ROOT / ".venv/bin" / tool))
        self.environment.setdefault("CARGO_TARGET_DIR", str(ROOT / "target"))
        # What is measured is what AWS gets, also by a deployer that does not carry the workers and builds them first.
        self.environment.setdefault("DEPLOYER_BUILD_PROFILE", "release")

    def __enter__(self):
        self.run("local", "up")
        return self

    def __exit__(self, *_):
        subprocess.run([self.deployer, "local", "down"], cwd=self.folder, env=self.environment, check=False)
        self.temporary.cleanup()

    def run(self, *args):
        command = [self.deployer, *args, "--output", "json"]
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{command}: {done.stdout}\n{done.stderr}")
        return json.loads(done.stdout)

    def start(self, *args, **options):
        """Starts a command that runs until it is stopped."""
        return subprocess.Popen([self.deployer, *args], cwd=self.folder, env=self.environment, **options)

    def watch(self, line, *args):
        """Runs a command, and gives each line that it shows meanwhile to `line`. Returns its document."""
        command = [self.deployer, *args, "--output", "json"]
        with tempfile.TemporaryFile("w+") as document, subprocess.Popen(
                command, cwd=self.folder, env=self.environment, stdout=document, stderr=subprocess.PIPE, text=True) as process:
            shown = []
            for text in process.stderr:
                line(text)
                shown.append(text)
            process.wait()
            document.seek(0)
            if process.returncode:
                raise SystemExit(f"{command}: {document.read()}\n{''.join(shown)}")
            return json.load(document)

    def once(self, *args):
        return measure.once([self.deployer, *args], self.folder, self.environment)
