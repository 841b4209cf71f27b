#!/usr/bin/env python3
"""Finds phrases that are to be avoided (words.txt) in the Markdown pages; with `--sources` also in the messages and the
help in the sources of the deployer and the workers, and in the pages that are generated from them.
Standard library only."""

import argparse
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIST = ROOT / "tools" / "words.txt"
PAGES = (
    "README.md",
    "AGENTS.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CODE_OF_CONDUCT.md",
    ".github/*.md",
    "docs/**/*.md",
    "examples/README.md",
    "examples/*/README.md",
    "deployer/cli/src/commands/init/*.md",
)
# These are written by tests from the sources, so they are as right as the sources are.
GENERATED = {"docs/cost.md", "docs/events.md", "docs/failures.md", "docs/reference.md"}
# Contains the text of docs/events.md. Texts of other tests are for the readers of tests.
TESTS_WITH_PAGES = {"deployer/lang/tests/docs.rs"}
IGNORE = "words: ignore"
# The mark in the place of code: neither a word nor white space.
CODE = "\ufffc"


def read_list(text):
    """Returns the phrases as pairs of a pattern and its replacement, and the texts that are not searched."""
    phrases, exceptions = [], []
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        if line.startswith("except: "):
            words = line.removeprefix("except: ").split()
            exceptions.append(re.compile(r"\s+".join(map(re.escape, words))))
            continue
        phrase, arrow, instead = line.partition(" -> ")
        if not arrow:
            raise SystemExit(f"error: {LIST.name}:{number}: expected `phrase -> what to write`")
        pattern = re.sub(r"(\(\?<![^()]*\))|( )", lambda m: m.group(1) or r"\s+", phrase)
        phrases.append((re.compile(rf"(?<![\w-]){pattern}(?!\w)", re.IGNORECASE), instead.strip()))
    return phrases, exceptions


def filled(text):
    """Returns as many marks as the text is long, so that every place stays the same."""
    return re.sub(r"[^\n]", CODE, text)


def without(pattern, text):
    """Returns the text with each match filled."""
    return re.sub(pattern, lambda match: filled(match.group(0)), text, flags=re.DOTALL)


def without_code(text):
    """Fills the code between backticks."""
    return without(r"(`+)(?!`)(.+?)(?<!`)\1(?!`)", text)


def prose_of_markdown(text):
    """Returns the text without blocks of code, code in a line, comments, and the targets of links."""
    out, fence, before = [], None, ""
    for line in text.split("\n"):
        mark = re.match(r"\s*(```+|~~~+)", line)
        if fence or mark:
            if mark and fence and line.strip().startswith(fence):
                fence = None
            elif mark and not fence:
                fence = mark.group(1)
            out.append(filled(line))
        elif line.startswith("    ") and not before.strip():
            # A block of code, up to the next line that is not indented; not the continuation of a list.
            out.append(filled(line))
            continue
        else:
            out.append(line)
        before = line
    text = without_code("\n".join(out))
    return without(r"<!--.*?-->|(?<=\])\([^)\s]*\)|<https?://[^>]*>", text)


TOKENS = re.compile(
    r"""
      (?P<doc>///(?!/)[^\n]*|//![^\n]*)
    | (?P<comment>//[^\n]*|/\*.*?\*/)
    | b?c?r(?P<hashes>\#*)"(?P<raw>.*?)"(?P=hashes)
    | b?c?"(?P<string>(?:\\.|[^"\\])*)"
    | '(?:\\.[^']*|[^'\\])'
    """,
    re.VERBOSE | re.DOTALL,
)


def prose_of_rust(text):
    """Returns the literals of the code that is not a test; and documentation, where clap makes help of it."""
    text = re.split(r"^#\[cfg\(test\)\]\nmod ", text, maxsplit=1, flags=re.MULTILINE)[0]
    is_help = "clap::" in text
    out, last = [], 0
    for token in TOKENS.finditer(text):
        for name in ("raw", "string", "doc"):
            found = token.group(name)
            if found is None or (name == "doc" and not is_help):
                continue
            if name == "doc":
                found = "   " + found[3:]
            elif name == "string":
                found = re.sub(r"\\[\nnrt]", lambda match: " \n" if match.group(0)[1] == "\n" else "  ", found)
            start, end = token.span(name)
            # A sentence of documentation continues on the next line, and nothing does from one literal to the next.
            between = text[last:start]
            out.append(between if name == "doc" and not between.strip() else filled(between))
            out.append(without(r"\{[^{}\n]*\}", found))
            last = end
    return without_code("".join(out))


def find(path, prose, text, phrases, exceptions):
    """Prints the phrases that are found in one file, and returns their number."""
    for exception in exceptions:
        prose = exception.sub(lambda match: filled(match.group(0)), prose)
    lines, seen = text.split("\n"), set()
    found = []
    for pattern, instead in phrases:
        for match in pattern.finditer(prose):
            line = prose.count("\n", 0, match.start()) + 1
            column = match.start() - prose.rfind("\n", 0, match.start())
            if IGNORE not in lines[line - 1] and (line, column) not in seen:
                seen.add((line, column))
                found.append((line, column, " ".join(match.group(0).split()), instead))
    for line, column, phrase, instead in sorted(found):
        print(f"{path}:{line}:{column}: `{phrase}`; write {instead}")
    return len(found)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sources", action="store_true", help="also read the sources and the generated pages")
    arguments = parser.parse_args()
    phrases, exceptions = read_list(LIST.read_text(encoding="utf-8"))
    pages = {path for glob in PAGES for path in ROOT.glob(glob)}
    globs = ("deployer/**/*.rs", "workers/**/*.rs") if arguments.sources else ()
    sources = {path for glob in globs for path in ROOT.glob(glob)}
    count = 0
    for path in sorted(pages | sources):
        name = path.relative_to(ROOT).as_posix()
        is_rust = path.suffix == ".rs"
        if name in GENERATED and not arguments.sources:
            continue
        if is_rust and "/tests" in name and name not in TESTS_WITH_PAGES:
            continue
        text = path.read_text(encoding="utf-8")
        prose = prose_of_rust(text) if is_rust else prose_of_markdown(text)
        count += find(name, prose, text, phrases, exceptions)
    if count:
        print(f"error: {count} phrases that are no longer written", file=sys.stderr)
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
