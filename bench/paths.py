"""The places of files and programs."""

import os
import pathlib

ROOT = pathlib.Path(__file__).resolve().parent.parent
# With botocore, which comes with the local cloud.
PYTHON = ROOT / ".venv/bin/python"


def worker():
    """Returns the program of the workers that a released deployer carries: all functions, and the task where no handler is named."""
    path = ROOT / "target/lambda/functions/bootstrap"
    if not path.exists():
        raise SystemExit(f"{path} is missing: run `make workers`")
    return str(path)


def beside(name, part):
    """Returns the program of another build that `BESIDE`, a folder, names: that of `part`, where each part has one of
    its own, else `name`; `None` if there is no other build."""
    if not os.environ.get("BESIDE"):
        return None
    folder = pathlib.Path(os.environ["BESIDE"])
    found = [path for one in (part, name) for path in (folder / one / "bootstrap", folder / one) if path.is_file()]
    if not found:
        raise SystemExit(f"{folder} has neither `{part}` nor `{name}`")
    return str(found[0])
