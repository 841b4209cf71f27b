"""Imports templates that others wrote, and compares what is made of them: corpus.py DEPLOYER FOLDER...

Every .json, .yaml, .yml and .template file in the folders that has `Resources` is a template. cfn-lint decides which are valid
(no finding of the level E); its findings are kept in a file beside the first folder, `FOLDER.lint.jsonl`, since they take long.
Each valid template is imported (`deployer import --template`), made again (`deployer synth`), and compared with the original by
same_template.py. Ends with 1 if a template differs, if the deployer panics or takes more than a second of processor time for one, or if fewer than
95 % of the valid ones come through.

The corpora are not a part of the repository. The figures in docs/design/047-importing-templates.md are those of
aws-cloudformation/aws-cloudformation-templates, of tests/translator/output in aws/serverless-application-model, and of the snapshots
in awslabs/aws-solutions-constructs.

--kept judges every tenth template by the hash of its path alone, and without it, all others are judged.
"""

import collections
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

from same_template import Unreadable, compare, read

ENDINGS = {".json", ".yaml", ".yml", ".template"}
BATCH = 30
LIMIT = 1.0


def templates(folder):
    """Yields the files of a folder that are templates."""
    for path in sorted(folder.rglob("*")):
        if path.suffix in ENDINGS and path.is_file():
            try:
                value = read(path.read_text(encoding="utf-8"))
            except (Unreadable, UnicodeDecodeError):
                # Not a template, or one that no reader takes; cfn-lint would not call it valid.
                continue
            if isinstance(value, dict) and "Resources" in value:
                yield path


def findings(linter, paths, cache):
    """Returns the errors that cfn-lint finds in each file."""
    found = {}
    if cache.exists():
        for line in cache.read_text(encoding="utf-8").splitlines():
            name, errors = json.loads(line)
            found[name] = errors
    missing = [str(path) for path in paths if str(path) not in found]
    with cache.open("a", encoding="utf-8") as out:
        for start in range(0, len(missing), BATCH):
            batch = missing[start : start + BATCH]
            command = [linter, "--format", "json", "--region", "us-east-1", "--", *batch]
            answer = subprocess.run(command, capture_output=True, text=True, check=False)
            per = {name: [] for name in batch}
            try:
                for match in json.loads(answer.stdout or "[]"):
                    if match["Rule"]["Id"].startswith("E"):
                        per.setdefault(match["Filename"], []).append(match["Rule"]["Id"])
            except ValueError:
                per = {name: ["crash"] for name in batch}
            for name, errors in per.items():
                out.write(json.dumps([name, errors]) + "\n")
            out.flush()
            found.update(per)
    return found


def judge(deployer, path, folder):
    """Returns (`same`, `differs`, `refused`, `panics`), the reasons, and the seconds of processor time."""
    stack = folder / "stack.yaml"
    stack.unlink(missing_ok=True)
    begin = os.times()
    answer = subprocess.run(
        [deployer, "--message-format", "short", "import", "--template", path, "--out", stack],
        capture_output=True,
        text=True,
        check=False,
    )
    end = os.times()
    seconds = end.children_user + end.children_system - begin.children_user - begin.children_system
    if answer.returncode not in (0, 2):
        return "panics", [answer.stderr[-200:]], seconds
    if answer.returncode == 2:
        return "refused", [line for line in answer.stderr.splitlines() if "error[" in line], seconds
    made = subprocess.run([deployer, "-f", stack, "synth"], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        return "differs", ["synth: " + made.stderr[-200:]], seconds
    found = compare(path.read_text(encoding="utf-8"), made.stdout)
    return ("differs" if found else "same"), found, seconds


def main():
    """Judges the folders."""
    words = [word for word in sys.argv[1:] if word != "--kept"]
    if len(words) < 2:
        sys.exit("usage: corpus.py [--kept] DEPLOYER FOLDER...")
    deployer = str(pathlib.Path(words[0]).resolve())
    linter = str(pathlib.Path(sys.executable).parent / "cfn-lint")
    good = True
    for name in words[1:]:
        root = pathlib.Path(name)
        paths = list(templates(root))
        errors = findings(linter, paths, root.parent / f"{root.name}.lint.jsonl")
        order = sorted(paths, key=lambda path: hashlib.sha256(str(path.relative_to(root)).encode()).hexdigest())
        kept = set(order[::10])
        chosen = [path for path in paths if (path in kept) == ("--kept" in sys.argv)]
        counts, reasons, slowest = collections.Counter(), collections.Counter(), (0.0, "")
        with tempfile.TemporaryDirectory() as folder:
            for path in chosen:
                verdict, why, seconds = judge(deployer, path, pathlib.Path(folder))
                valid = not errors.get(str(path))
                counts[valid, verdict] += 1
                slowest = max(slowest, (seconds, str(path)))
                if verdict in ("differs", "panics") or (valid and verdict == "refused"):
                    print(f"{verdict}: {path}: {'; '.join(why[:3])}")
                if valid and verdict == "refused":
                    reasons.update({re.sub(r"`[^`]*`", "`…`", line.split("error[", 1)[1])[:120] for line in why})
        valid = sum(count for (is_valid, _), count in counts.items() if is_valid)
        same = counts[True, "same"]
        print(f"{root.name}: {len(chosen)} templates, {valid} valid: {same} the same, {counts[True, 'refused']} refused, "
              f"{counts[True, 'differs']} differ, {counts[True, 'panics']} panic; of the {len(chosen) - valid} others "
              f"{counts[False, 'same']} the same, {counts[False, 'refused']} refused, {counts[False, 'differs']} differ, "
              f"{counts[False, 'panics']} panic; slowest {slowest[0]:.2f} s ({slowest[1]})")
        for reason, count in reasons.most_common():
            print(f"  {count} × {reason}")
        wrong = any(count for (_, verdict), count in counts.items() if verdict in ("differs", "panics"))
        good &= not wrong and slowest[0] <= LIMIT and same >= 0.95 * valid
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
