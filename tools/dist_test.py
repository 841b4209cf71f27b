#!/usr/bin/env python3
"""Makes the packages of `make dist` of a program twice, and installs and runs each in a clean folder. What is missing on this
machine is skipped by name.

Usage: tools/dist_test.py PROGRAM PACK"""

import hashlib
import io
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import tarfile
import tempfile
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROGRAM, PACK = (Path(path).resolve() for path in sys.argv[1:3]) if len(sys.argv) >= 3 else (None, None)
URL = "https://example.com/releases/v0"


def run(*command, cwd=None, code=0):
    """Runs a command, and returns what it writes to stdout."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(cwd or "/nonexistent"), "SOURCE_DATE_EPOCH": "1700000000"}
    if "CARGO_HOME" in os.environ or "HOME" in os.environ:
        environment["CARGO_HOME"] = os.environ.get("CARGO_HOME", os.path.join(os.environ.get("HOME", ""), ".cargo"))
        environment["RUSTUP_HOME"] = os.environ.get("RUSTUP_HOME", os.path.join(os.environ.get("HOME", ""), ".rustup"))
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != code:
        raise AssertionError(f"{' '.join(words)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def is_static(program):
    """Checks whether an ELF program of 64 bits names no loader, so that it needs no files to start."""
    data = program.read_bytes()
    start, size, count = struct.unpack_from("<Q", data, 32)[0], *struct.unpack_from("<HH", data, 54)
    return all(struct.unpack_from("<I", data, start + size * index)[0] != 3 for index in range(count))


class Packages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.root = Path(cls.folder.name)
        cls.program = cls.root / "deployer"
        shutil.copy(PROGRAM, cls.program)
        if shutil.which("strip"):
            # Symbols for debuggers are most of a program that is not a release.
            run("strip", cls.program)
        cls.out = cls.root / "out"
        cls.make(cls.out)
        cls.version = run(cls.program, "--version")

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    @classmethod
    def make(cls, out):
        run(sys.executable, ROOT / "tools/dist.py", "--binary", cls.program, "--pack", PACK, "--out", out, "--url", URL)

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.clean = Path(folder.name)

    def one(self, pattern):
        found = list(self.out.glob(pattern))
        self.assertEqual(len(found), 1, pattern)
        return found[0]

    def test_the_same_program_gives_the_same_bytes(self):
        again = self.root / "again"
        self.make(again)
        names = sorted(path.name for path in self.out.iterdir())
        self.assertEqual(names, sorted(path.name for path in again.iterdir()))
        self.assertEqual(len(names), 8, names)
        for name in names:
            self.assertEqual((self.out / name).read_bytes(), (again / name).read_bytes(), name)
        run("sha256sum", "--check", "--strict", "SHA256SUMS", cwd=self.out)

    def test_the_archive(self):
        run("tar", "xzf", self.one("*.tar.gz"), "--strip-components", "1", cwd=self.clean)
        self.assertEqual(run(self.clean / "deployer", "--version"), self.version)
        for name in ("LICENSE", "README.md", "completions/_deployer", "man/man1/deployer-deploy.1"):
            self.assertTrue((self.clean / name).stat().st_size > 0, name)

    def test_the_wheel(self):
        run(sys.executable, "-m", "venv", self.clean / "venv")
        bin_folder = self.clean / "venv/bin"
        start = time.monotonic()
        run(bin_folder / "python", "-m", "pip", "install", "--quiet", "--no-index", self.one("*.whl"))
        print(f"wheel: installed in {time.monotonic() - start:.1f} s", file=sys.stderr)
        self.assertEqual(run(bin_folder / "deployer", "--version"), self.version)
        run(bin_folder / "python", "-m", "pip", "check")
        run(bin_folder / "python", "-m", "pip", "uninstall", "--quiet", "--yes", "deployer")
        self.assertFalse((bin_folder / "deployer").exists())

    def npm(self, *packages):
        if not shutil.which("npm"):
            self.skipTest("npm is not installed (Debian: npm)")
        (self.clean / "package.json").write_text('{ "private": true }')
        run("npm", "install", "--offline", "--no-audit", "--no-fund", *packages, cwd=self.clean)
        return self.clean / "node_modules/.bin/deployer"

    def test_the_npm_packages(self):
        start = time.monotonic()
        launcher = self.npm(self.one("deployer-linux-x64-*.tgz"), self.one("deployer-[0-9]*.tgz"))
        print(f"npm: installed in {time.monotonic() - start:.1f} s", file=sys.stderr)
        self.assertEqual(run(launcher, "--version", cwd=self.clean), self.version)
        # The exit code is that of the program.
        run(launcher, "check", "-f", "missing.yaml", cwd=self.clean, code=2)
        # A signal reaches the program, and is told to the caller.
        (self.clean / "node_modules/deployer-linux-x64/bin/deployer").write_text("#!/bin/sh\nexec sleep 60\n")
        child = subprocess.Popen([launcher], cwd=self.clean)
        time.sleep(1.5)
        child.send_signal(signal.SIGTERM)
        self.assertEqual(child.wait(timeout=10), -signal.SIGTERM)

    def test_the_launcher_without_a_program(self):
        launcher = self.npm("--omit=optional", self.one("deployer-[0-9]*.tgz"))
        run(launcher, "--version", cwd=self.clean, code=1)

    def test_the_image(self):
        with tarfile.open(self.one("*.oci.tar")) as archive:
            parts = {member.name: archive.extractfile(member).read() for member in archive.getmembers()}
        self.assertEqual(json.loads(parts["oci-layout"]), {"imageLayoutVersion": "1.0.0"})

        def blob(descriptor):
            name = descriptor["digest"].removeprefix("sha256:")
            content = parts[f"blobs/sha256/{name}"]
            self.assertEqual((hashlib.sha256(content).hexdigest(), len(content)), (name, descriptor["size"]))
            return content

        manifest = json.loads(blob(json.loads(parts["index.json"])["manifests"][0]))
        config = json.loads(blob(manifest["config"]))["config"]
        self.assertEqual(config["Entrypoint"], ["/deployer"])
        self.assertNotIn(config["User"].split(":")[0], ("", "0", "root"))
        with tarfile.open(fileobj=io.BytesIO(blob(manifest["layers"][0])), mode="r:gz") as layer:
            layer.extractall(self.clean, filter="data")
        self.assertEqual((self.clean / "deployer").read_bytes(), self.program.read_bytes())
        self.assertIn("BEGIN CERTIFICATE", (self.clean / "etc/ssl/certs/ca-certificates.crt").read_text())
        if not is_static(self.program):
            self.skipTest("the program is not static, so that it can't start in its image")
        if os.getuid() != 0:
            self.skipTest("only root may start a program in another root folder")
        self.clean.chmod(0o755)
        user = config["User"]
        self.assertEqual(run("chroot", f"--userspec={user}", self.clean, "/deployer", "--version"), self.version)

    def test_the_formula(self):
        text = self.one("deployer.rb").read_text()
        archive = self.one("*.tar.gz")
        self.assertIn(f'url "{URL}/{archive.name}"', text)
        self.assertIn(f'sha256 "{hashlib.sha256(archive.read_bytes()).hexdigest()}"', text)
        if not shutil.which("ruby"):
            self.skipTest("ruby is not installed (Debian: ruby), so the syntax of the formula is not checked")
        run("ruby", "-c", self.one("deployer.rb"))

    def test_the_bill_of_materials(self):
        text = self.one("*.cdx.json").read_text()
        document = json.loads(text)
        names = {one["name"] for one in document["components"]}
        self.assertLessEqual({"etl-functions", "etl-task", "aws-sdk-s3", "rustls", "tokio"}, names)
        self.assertNotIn("proptest", names, "a package of tests alone")
        references = {one["bom-ref"] for one in document["components"]} | {document["metadata"]["component"]["bom-ref"]}
        for one in document["dependencies"]:
            self.assertLessEqual({one["ref"], *one["dependsOn"]}, references)
        self.assertNotIn(str(ROOT), text)
        try:
            from cyclonedx.schema import SchemaVersion
            from cyclonedx.validation.json import JsonStrictValidator
        except ImportError:
            self.skipTest("cyclonedx-python-lib is not installed (make check-venv)")
        self.assertIsNone(JsonStrictValidator(SchemaVersion.V1_6).validate_str(text))


if __name__ == "__main__":
    if PACK is None:
        raise SystemExit(__doc__)
    unittest.main(argv=sys.argv[:1], verbosity=2)
