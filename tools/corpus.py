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

--typed also imports each valid template with `--typed`, compares again, and counts the resources that types of the language make.

--peers N does all of this for N of the valid templates of each folder, drawn with --seed, and shows in the same run what `cdk migrate`
and cfn-flip make of them (peers.py has their versions). The tools are installed in --tools, a temporary folder by default, and `cdk
migrate` gets --seconds for all templates together. --table FILE writes a row for each template.
"""

import argparse

import collections
import hashlib
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile

from peers import CDK, FLIP, LIBRARY, Peers
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


def judge_typed(deployer, path, folder):
    """Returns the verdict on an import with `--typed`, the reasons, and the resources by type, in all, and for which there is a type."""
    stack = folder / "typed.yaml"
    stack.unlink(missing_ok=True)
    command = [deployer, "import", "--template", path, "--typed", "--out", stack, "--output", "json"]
    begin = os.times()
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    end = os.times()
    seconds = end.children_user + end.children_system - begin.children_user - begin.children_system
    if answer.returncode not in (0, 2):
        return "panics", [answer.stderr[-200:]], collections.Counter()
    if answer.returncode == 2:
        return "refused", [], collections.Counter()
    typed = json.loads(answer.stdout)["typed"]
    counts = collections.Counter(f"{one['type']}" for one in typed["lifted"])
    counts["made"], counts["resources"], counts["kept"] = typed["made"], typed["resources"], len(typed["kept"])
    if seconds > LIMIT:
        return "slow", [f"{seconds:.2f} s"], counts
    made = subprocess.run([deployer, "-f", stack, "synth"], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        return "differs", ["synth: " + made.stderr[-200:]], counts
    found = compare(path.read_text(encoding="utf-8"), made.stdout)
    return ("differs" if found else "same"), found, counts


def show_typed(name, verdicts, counts):
    """Prints what became of the templates with `--typed`."""
    parts = ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items()))
    types = ", ".join(
        f"{kind} {count}"
        for kind, count in sorted(counts.items())
        if kind not in ("made", "resources", "kept") and count
    )
    print(f"{name}, --typed: {parts}; types make {counts['made']} of {counts['resources']} resources ({types or 'none'}); "
          f"{counts['kept']} others for which there is a type stay")


def sample_of(linter, root, paths, options):
    """Returns as many valid templates as are wanted, in an order that the seed gives; no others are linted."""
    order = random.Random(options.seed).sample(paths, len(paths))
    sample = []
    for start in range(0, len(order), BATCH):
        batch = order[start : start + BATCH]
        errors = findings(linter, batch, root.parent / f"{root.name}.lint.jsonl")
        sample += [path for path in batch if not errors.get(str(path))]
        if len(sample) >= options.peers:
            break
    return sorted(sample[: options.peers])


def beside_peers(deployer, root, sample, options, table):
    """Judges a sample of the valid templates, ours and those of the others. Returns whether ours are right."""
    name = root.name
    with tempfile.TemporaryDirectory() as folder:
        peers = Peers(options.tools or folder)
        migrated = peers.migrated(sample, options.seconds)
        plain, typed, flipped, steps = (collections.Counter() for _ in range(4))
        lifted = collections.Counter()
        for path in sample:
            verdict, why, _ = judge(deployer, path, pathlib.Path(folder))
            again, _, counts = judge_typed(deployer, path, pathlib.Path(folder))
            other, how = peers.flipped(path)
            plain[verdict] += 1
            typed[again] += 1
            flipped[other] += 1
            lifted += counts
            came, problem = migrated.get(path, (None, "no time"))
            steps.update(came or [])
            table.append([
                f"{name}/{path.relative_to(root)}",
                verdict + (f": {why[0]}" if verdict == "refused" and why else ""),
                f"{again}, {counts['made']} of {counts['resources']}",
                "not tried" if came is None else " ".join(sorted(came)) or "refused",
                problem,
                other + (f": {how[0]}" if how else ""),
            ])
    print(f"{name}, {len(sample)} of the valid templates (seed {options.seed}):")
    print(f"  deployer import: {plain['same']} the same, {plain['refused']} refused, {plain['differs']} differ")
    show_typed("  deployer import", typed, lifted)
    print(f"  cdk migrate {CDK} with aws-cdk-lib {LIBRARY}, {len(migrated)} tried: {steps['written']} written, "
          f"{steps['compiles']} compile as generated, {steps['synthesized']} synthesized without regard to types, "
          f"{steps['resources']} with the same resources, {steps['same']} the same template")
    print(f"  cfn-flip {FLIP}: {flipped['same']} the same, {flipped['refused']} refused, {flipped['differs']} differ")
    return not (plain["differs"] or plain["panics"] or typed["differs"] or typed["panics"])


def arguments():
    """Returns the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--kept", action="store_true", help="judge the tenth that is kept back")
    parser.add_argument("--typed", action="store_true", help="also judge imports with --typed")
    parser.add_argument("--peers", type=int, metavar="N", help="show what others make of N valid templates")
    parser.add_argument("--seed", type=int, default=1, help="seed of the sample for --peers")
    parser.add_argument("--seconds", type=int, default=1800, help="time for cdk migrate")
    parser.add_argument("--tools", type=pathlib.Path, help="folder in which the other tools are installed")
    parser.add_argument("--table", type=pathlib.Path, help="file for a row for each template of --peers")
    parser.add_argument("deployer", type=pathlib.Path)
    parser.add_argument("folders", type=pathlib.Path, nargs="+")
    return parser.parse_args()


def main():
    """Judges the folders."""
    options = arguments()
    deployer = str(options.deployer.resolve())
    linter = str(pathlib.Path(sys.executable).parent / "cfn-lint")
    good, table = True, []
    for root in options.folders:
        paths = list(templates(root))
        order = sorted(paths, key=lambda path: hashlib.sha256(str(path.relative_to(root)).encode()).hexdigest())
        kept = set(order[::10])
        chosen = [path for path in paths if (path in kept) == options.kept]
        if options.peers:
            sample = sample_of(linter, root, chosen, options)
            good &= beside_peers(deployer, root, sample, options, table)
            continue
        errors = findings(linter, paths, root.parent / f"{root.name}.lint.jsonl")
        counts, reasons, slowest = collections.Counter(), collections.Counter(), (0.0, "")
        verdicts, lifted = collections.Counter(), collections.Counter()
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
                if options.typed and valid:
                    verdict, why, made = judge_typed(deployer, path, pathlib.Path(folder))
                    verdicts[verdict] += 1
                    lifted += made
                    if verdict not in ("same", "refused"):
                        print(f"--typed, {verdict}: {path}: {'; '.join(why[:3])}")
                        good = False
        valid = sum(count for (is_valid, _), count in counts.items() if is_valid)
        same = counts[True, "same"]
        print(f"{root.name}: {len(chosen)} templates, {valid} valid: {same} the same, {counts[True, 'refused']} refused, "
              f"{counts[True, 'differs']} differ, {counts[True, 'panics']} panic; of the {len(chosen) - valid} others "
              f"{counts[False, 'same']} the same, {counts[False, 'refused']} refused, {counts[False, 'differs']} differ, "
              f"{counts[False, 'panics']} panic; slowest {slowest[0]:.2f} s ({slowest[1]})")
        for reason, count in reasons.most_common():
            print(f"  {count} × {reason}")
        if options.typed:
            show_typed(root.name, verdicts, lifted)
        wrong = any(count for (_, verdict), count in counts.items() if verdict in ("differs", "panics"))
        good &= not wrong and slowest[0] <= LIMIT and same >= 0.95 * valid
    if options.table:
        head = ["template", "deployer import", "--typed", "cdk migrate", "its first problem", "cfn-flip"]
        rows = [[str(cell).replace("|", "\\|") for cell in row] for row in [head, ["---"] * len(head), *table]]
        options.table.write_text("".join("| " + " | ".join(row) + " |\n" for row in rows), encoding="utf-8")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
