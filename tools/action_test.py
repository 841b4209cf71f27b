"""Runs the shell steps of action.yml as a runner of GitHub does, with programs that only note how they were called. Judges the
file by GitHub's published schema, and the scripts by shellcheck."""

import os
import stat
import subprocess
import sys
import tarfile
import tempfile
import unittest
from pathlib import Path

import yaml

ACTION = Path(__file__).resolve().parent.parent / "action.yml"
BIN = Path(sys.executable).parent
# Notes its arguments, a line each, and does what the test has written for the command.
NOTING = """#!/usr/bin/env bash
printf '%s\\n' "$(basename "$0")" "$@" >> "$CALLS"
for word in "$@"; do
  if [ -f "$ANSWERS/$word" ]; then . "$ANSWERS/$word"; fi
done
"""
# Text that does harm where a shell reads it.
HARM = "x\"; touch harm; $(touch harm) `touch harm` '"


def steps():
    """Returns the steps of the action by name."""
    return {step["name"]: step for step in yaml.safe_load(ACTION.read_text(encoding="utf-8"))["runs"]["steps"]}


class Step(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        for name in ("bin", "answers", "temp"):
            (self.root / name).mkdir()
        for name in ("deployer", "gh", "curl"):
            self.program(self.root / "bin" / name)
        self.calls = self.root / "calls"

    def program(self, path):
        path.write_text(NOTING, encoding="utf-8")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def answer(self, word, script):
        (self.root / "answers" / word).write_text(script, encoding="utf-8")

    def archive(self, path):
        self.program(self.root / "deployer")
        with tarfile.open(path, "w:gz") as archive:
            archive.add(self.root / "deployer", "deployer-0.1.0/deployer")

    def run_step(self, name, event="push", **variables):
        """Runs a step, and returns its exit code, what it writes, and the calls of programs."""
        step = steps()[name]
        undefined = set(step.get("env", {})) - set(variables)
        self.assertEqual(undefined, set(), "variables of the step without a value")
        files = {key: self.root / key for key in ("GITHUB_OUTPUT", "GITHUB_PATH", "GITHUB_STEP_SUMMARY")}
        for file in files.values():
            file.write_text("", encoding="utf-8")
        self.calls.write_text("", encoding="utf-8")
        environment = {
            "PATH": f"{self.root / 'bin'}:/usr/bin:/bin",
            "CALLS": str(self.calls),
            "ANSWERS": str(self.root / "answers"),
            "RUNNER_TEMP": str(self.root / "temp"),
            "GITHUB_EVENT_NAME": event,
            **{key: str(file) for key, file in files.items()},
            **variables,
        }
        # `shell: bash` of a runner.
        script = self.root / "script.sh"
        script.write_text(step["run"], encoding="utf-8")
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)],
            cwd=self.root, env=environment, capture_output=True, text=True, check=False,
        )
        self.assertFalse((self.root / "harm").exists(), "text was run as a part of the script")
        self.files = {key: file.read_text(encoding="utf-8") for key, file in files.items()}
        return done.returncode, done.stdout + done.stderr, self.calls.read_text(encoding="utf-8").splitlines()

    def install(self, event="push", **given):
        variables = {"VERSION": "", "ARCHIVE": "", "REPOSITORY": "shop/deployer", "SERVER": "https://example.com", "TOKEN": "t"}
        return self.run_step("Install", event, **{**variables, **given})

    def test_an_archive_is_installed(self):
        self.archive(self.root / "a b.tar.gz")
        code, text, calls = self.install(ARCHIVE="a b.tar.gz")
        self.assertEqual((code, calls), (0, ["deployer", "--version"]), text)
        self.assertTrue((Path(self.files["GITHUB_PATH"].strip()) / "deployer").is_file())
        for wrong in ({"ARCHIVE": "missing"}, {"ARCHIVE": HARM}, {"VERSION": HARM}, {}, {"VERSION": "1.0.0/../../x"}):
            self.assertEqual(self.install(**wrong)[0], 1, wrong)

    def test_a_release_is_compared_with_its_checksums(self):
        name = "deployer-0.1.0-x86_64-unknown-linux-gnu.tar.gz"
        (self.root / "web").mkdir()
        self.archive(self.root / "web" / name)
        sums = subprocess.run(["sha256sum", name], cwd=self.root / "web", capture_output=True, text=True, check=True).stdout
        (self.root / "web/SHA256SUMS").write_text(sums, encoding="utf-8")
        url = "https://example.com/shop/deployer/releases/download/v0.1.0"
        for file in (name, "SHA256SUMS"):
            self.answer("--output", f'to="${{@: -2:1}}"; cp "{self.root}/web/$(basename "$to")" "$to"; break')
        code, text, calls = self.install(VERSION="0.1.0")
        self.assertEqual(code, 0, text)
        self.assertEqual([call for call in calls if call.startswith("https:")], [f"{url}/{name}", f"{url}/SHA256SUMS"])
        (self.root / "web/SHA256SUMS").write_text(f"{'0' * 64}  {name}\n", encoding="utf-8")
        code, text, calls = self.install(VERSION="0.1.0")
        self.assertEqual(code, 1)
        self.assertIn("not the one that SHA256SUMS names", text)
        self.assertNotIn("--version", calls)

    def test_events_with_the_rights_of_the_repository_are_refused(self):
        self.archive(self.root / "a.tar.gz")
        for event in ("pull_request_target", "workflow_run"):
            code, text, calls = self.install(event, ARCHIVE="a.tar.gz")
            self.assertEqual((code, calls), (1, []), text)

    def test_a_check_fails_as_the_deployer_does(self):
        code, _, calls = self.run_step("Check", FILE=HARM)
        self.assertEqual((code, calls), (0, ["deployer", "--file", HARM, "check", "--message-format", "github"]))
        self.answer("check", "exit 5")
        self.assertEqual(self.run_step("Check", FILE="stack.yaml")[0], 5)

    def test_a_difference_is_an_output(self):
        for code, changed in ((0, "false"), (3, "true")):
            self.answer("diff", f"echo '<!-- plan -->'; exit {code}")
            done, text, calls = self.run_step("Diff", FILE="a/stack.yaml", STACK=HARM, BUILD="false")
            self.assertEqual(done, 0, text)
            options = ["--output", "markdown", "--fail", "--no-build", "--", HARM]
            self.assertEqual(calls, ["deployer", "--file", "a/stack.yaml", "diff", *options])
            outputs = dict(line.split("=", 1) for line in self.files["GITHUB_OUTPUT"].splitlines())
            self.assertEqual(outputs["changed"], changed)
            self.assertEqual(Path(outputs["plan"]).read_text(encoding="utf-8"), "<!-- plan -->\n")
            self.assertEqual(self.files["GITHUB_STEP_SUMMARY"], "<!-- plan -->\n")
        self.answer("diff", "exit 6")
        code, _, calls = self.run_step("Diff", FILE="stack.yaml", STACK="", BUILD="true")
        self.assertEqual((code, calls[-3:]), (6, ["--output", "markdown", "--fail"]))
        self.assertEqual(self.files["GITHUB_OUTPUT"], "")

    def test_a_comment_is_made_once(self):
        (self.root / "plan.md").write_text("<!-- deployer diff shop-dev -->\nplan\n", encoding="utf-8")
        given = {"GH_TOKEN": "t", "PLAN": "plan.md", "NUMBER": "7", "REPOSITORY": "shop/app"}
        code, text, calls = self.run_step("Comment", "pull_request", **given)
        self.assertEqual(code, 0, text)
        self.assertEqual(calls[-7:], ["api", "--silent", "--method", "POST", "repos/shop/app/issues/7/comments",
                                      "--field", "body=@plan.md"])
        self.answer("--paginate", 'printf "%s" "$mark" > mark; echo 42; echo 43')
        code, text, calls = self.run_step("Comment", "pull_request", **given)
        self.assertEqual(code, 0, text)
        self.assertEqual(calls[-4:-2], ["PATCH", "repos/shop/app/issues/comments/42"])
        self.assertEqual((self.root / "mark").read_text(encoding="utf-8"), "<!-- deployer diff shop-dev -->")

    def test_a_pull_request_is_not_deployed(self):
        code, _, calls = self.run_step("Deploy", FILE="stack.yaml", STACK="prod")
        self.assertEqual((code, calls), (0, ["deployer", "--file", "stack.yaml", "deploy", "--yes", "--", "prod"]))
        code, text, calls = self.run_step("Deploy", "pull_request", FILE="stack.yaml", STACK="prod")
        self.assertEqual((code, calls), (1, []), text)


class Form(unittest.TestCase):
    def test_the_action_is_as_the_schema_says(self):
        command = [BIN / "check-jsonschema", "--builtin-schema", "vendor.github-actions", ACTION]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_no_text_becomes_a_part_of_a_script(self):
        for name, step in steps().items():
            self.assertNotIn("${{", step["run"], name)

    def test_shellcheck_has_nothing_to_say(self):
        for name, step in steps().items():
            done = subprocess.run([BIN / "shellcheck", "--shell=bash", "-"], input=step["run"], capture_output=True, text=True,
                                  check=False)
            self.assertEqual(done.returncode, 0, f"{name}: {done.stdout}{done.stderr}")


if __name__ == "__main__":
    unittest.main()
