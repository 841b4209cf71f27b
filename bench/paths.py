"""The places of files and programs."""

import pathlib

ROOT = pathlib.Path(__file__).resolve().parent.parent
# With botocore, which comes with the local cloud.
PYTHON = ROOT / ".venv/bin/python"


def worker(name):
    """Returns the release build of a program of the workers: `functions` or `extraction`."""
    path = ROOT / "target/lambda" / name / "bootstrap"
    if not path.exists():
        raise SystemExit(f"{path} is missing: run `make workers`")
    return str(path)
