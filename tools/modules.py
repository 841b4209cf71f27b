#!/usr/bin/env python3
"""Fails if modules of a package import each other in a circle. Standard library only.

Usage: tools/modules.py [--edges] PACKAGE...   (folders, such as deployer/lang)

Each file is a module. A file depends on another if it names an item that the other one defines: in a `use` declaration or
in a path, outside of comments, texts and what only tests compile. Renames, lists, globs and re-exports are followed to
the definition, so that a re-export does not hide a dependency, and does not add one to the file that re-exports. Methods
are not paths, and are not followed.

A parent may depend on its children and they on it, since they are one module in several files; the root of a crate may
not. So a circle is a set of files that all reach each other, unless it consists of a parent and its descendants. Then the
rule holds for the set without the parent: the descendants need an order of their own.
"""

import argparse
import dataclasses
import pathlib
import re
import sys

TOKEN = re.compile(
    r"""
    (?P<space>\s+|//[^\n]*)
  | (?P<comment>/\*)
  | (?P<raw>[bc]?r(?P<hashes>\#*)"(?s:.*?)"(?P=hashes))
  | (?P<text>[bc]?"(?:[^"\\]|\\(?s:.))*")
  | (?P<char>b?'(?:[^'\\\n]|\\(?:u\{[^}]*\}|x..|.))')
  | (?P<lifetime>'[A-Za-z_]\w*)
  | (?P<number>\d\w*)
  | (?P<word>(?:r\#)?[A-Za-z_]\w*)
  | (?P<colons>::)
  | (?P<other>.)
    """,
    re.VERBOSE,
)
COMMENT = re.compile(r"/\*|\*/")
CLOSING = {"(": ")", "[": "]", "{": "}"}
ITEMS = {"fn", "struct", "enum", "union", "trait", "type", "const", "static"}
TYPES = {"struct", "enum", "trait"}
# Before the name of a constant, a static or a function, and not the name.
QUALIFIERS = {"mut", "unsafe", "async", "extern", "fn"}
# A path in an attribute such as `#[serde(with = "crate::time")]`.
ATTRIBUTE_PATH = re.compile(r'"((?:\w+::)+\w+)"')


@dataclasses.dataclass
class Token:
    kind: str
    text: str
    line: int


@dataclasses.dataclass
class Import:
    path: list
    line: int


@dataclasses.dataclass(eq=False)
class Module:
    """A file, or `mod name { … }` in one."""

    file: pathlib.Path
    parent: "Module | None"
    children: dict = dataclasses.field(default_factory=dict)
    items: set = dataclasses.field(default_factory=set)
    imports: dict = dataclasses.field(default_factory=dict)  # name -> [Import]
    globs: list = dataclasses.field(default_factory=list)
    tokens: list = dataclasses.field(default_factory=list)  # without `use` declarations
    macros: set = dataclasses.field(default_factory=set)

    def root(self):
        return self.parent.root() if self.parent else self


def tokens_of(text):
    out, at, line = [], 0, 1
    while at < len(text):
        match = TOKEN.match(text, at)
        end = match.end()
        if match.lastgroup == "comment":
            depth = 1
            while depth:  # block comments nest
                bracket = COMMENT.search(text, end)
                depth += 1 if bracket.group() == "/*" else -1
                end = bracket.end()
        elif match.lastgroup != "space":
            kind = "text" if match["raw"] is not None else match.lastgroup
            out.append(Token(kind, match.group().removeprefix("r#"), line))
        line += text.count("\n", at, end)
        at = end
    return out


def close(tokens, at):
    """Returns the index after the bracket that closes the one at `at`."""
    depth = 0
    for index in range(at, len(tokens)):
        if tokens[index].kind == "other":
            depth += (tokens[index].text in "([{") - (tokens[index].text in ")]}")
            if depth == 0:
                return index + 1
    raise SystemExit(f"line {tokens[at].line}: a bracket is not closed")


def item_end(tokens, at):
    """Returns the index after the item that begins at `at`: after its block, its semicolon, or the comma of a field
    or an arm."""
    named = any(token.text in ITEMS | {"impl", "mod", "use"} for token in tokens[at : at + 6])
    while at < len(tokens):
        text = tokens[at].text if tokens[at].kind == "other" else ""
        if text == ";" or text == "," and not named:
            return at + 1
        if text in ("}", ")"):  # of the block around the item
            return at
        if text == "{":
            at = close(tokens, at)
            follows = tokens[at].text if at < len(tokens) else ""
            if follows not in (";", ",", ".", "?"):
                return at
        elif text in CLOSING:
            at = close(tokens, at)
        else:
            at += 1
    return at


def only_tests(attribute):
    """Returns whether `#[…]` restricts its item to tests."""
    words = [token.text for token in attribute if token.kind == "word"]
    if words[:1] == ["test"] or words[:2] == ["tokio", "test"]:
        return True
    return words[:1] == ["cfg"] and "test" in words and "not" not in words


def without_tests(tokens):
    out, at = [], 0
    while at < len(tokens):
        if tokens[at].text == "#" and at + 1 < len(tokens) and tokens[at + 1].text == "[":
            end = close(tokens, at + 1)
            if only_tests(tokens[at + 2 : end - 1]):
                # Its other attributes belong to it as well.
                while tokens[end].text == "#":
                    end = close(tokens, end + 1)
                at = item_end(tokens, end)
                continue
            for token in tokens[at:end]:
                for path in ATTRIBUTE_PATH.findall(token.text) if token.kind == "text" else ():
                    for index, word in enumerate(path.split("::")):
                        out += [Token("colons", "::", token.line)] if index else []
                        out.append(Token("word", word, token.line))
                    out.append(Token("other", ";", token.line))
        out.append(tokens[at])
        at += 1
    return out


def imports_of(tokens, prefix=()):
    """Yields (name, path, line) of the tree of a `use` declaration; the name of a glob is `*`."""
    at, path = 0, list(prefix)
    while at < len(tokens):
        token = tokens[at]
        if token.text == "{":
            inner, start, depth = tokens[at + 1 : close(tokens, at) - 1], 0, 0
            for index in range(len(inner) + 1):
                text = inner[index].text if index < len(inner) else ","
                depth += (text == "{") - (text == "}")
                if text == "," and depth == 0:
                    yield from imports_of(inner[start:index], path)
                    start = index + 1
            return
        if token.text == "*":
            yield "*", path, token.line
            return
        if token.text == "as":
            yield tokens[at + 1].text, path, token.line
            return
        if token.kind == "word":
            path = path + [token.text]
        at += 1
    if not tokens:
        return
    if path[-1] == "self":
        path = path[:-1]
    yield path[-1], path, tokens[0].line


class Crate:
    """The modules of a crate."""

    def __init__(self, root_file):
        self.files = {}
        self.edges = {}  # file -> {file: (line, path)}
        self.modules = []
        self.root = self.load(root_file, None, root_file.parent)
        for module in self.modules:
            self.depend(module)

    def load(self, file, parent, folder):
        module = Module(file, parent)
        self.modules.append(module)
        self.files[file] = module
        self.edges.setdefault(file, {})
        self.scan(module, without_tests(tokens_of(file.read_text())), folder)
        return module

    def scan(self, module, tokens, folder):
        """Collects the definitions of a module; `folder` holds the files of its children."""
        at, path, depth, body = 0, None, 0, 0
        while at < len(tokens):
            token, following = tokens[at], tokens[at + 1] if at + 1 < len(tokens) else None
            previous = tokens[at - 1].text if at else ""
            if token.kind == "other":
                depth += (token.text in "([{") - (token.text in ")]}")
            text_after = following.text if following else ""
            if token.kind == "word" and token.text == "use" and text_after != "<":  # not `impl Trait + use<'a>`
                end = next(index for index in range(at, len(tokens)) if tokens[index].text == ";")
                for name, names, line in imports_of(tokens[at + 1 : end]):
                    if name == "*":
                        module.globs.append(Import(names, line))
                    else:
                        # An item that is imported as `_` has no name, and is imported all the same.
                        name = f"_{line} {names[-1]}" if name == "_" else name
                        module.imports.setdefault(name, []).append(Import(names, line))
                at = end + 1
                continue
            if token.text == "path" and previous == "[" and text_after == "=":
                path = tokens[at + 2].text.strip('"')
            elif token.kind == "word" and token.text == "mod" and following and following.kind == "word":
                name, opening = following.text, tokens[at + 2].text
                if opening == "{":
                    end = close(tokens, at + 2)
                    child = Module(module.file, module)
                    self.modules.append(child)
                    module.children[name] = child
                    self.scan(child, tokens[at + 3 : end - 1], folder / name)
                    at = end
                    continue
                if opening == ";":
                    options = [folder / f"{name}.rs", folder / name / "mod.rs"]
                    file = module.file.parent / path if path else next(f for f in options if f.is_file())
                    path = None
                    module.children[name] = self.load(file, module, folder / name)
                    at += 3
                    continue
            elif token.text == "macro_rules" and text_after == "!":
                module.macros.add(tokens[at + 2].text)
                module.items.add(tokens[at + 2].text)
                body = close(tokens, at + 3)
            elif at < body and token.text in TYPES and following and following.kind == "word":
                module.items.add(following.text)  # the macro is taken to be called here
            elif depth == 0 and token.kind == "word" and token.text in ITEMS and following and following.kind == "word":
                if following.text not in QUALIFIERS:
                    module.items.add(following.text)
                elif following.text == "mut":
                    module.items.add(tokens[at + 2].text)
            module.tokens.append(token)
            at += 1

    def lookup(self, module, name, seen):
        """Returns the meaning of a name in a module: modules, and (module, name) for items."""
        found = []
        if name in module.children:
            found.append(module.children[name])
        if name in module.items:
            found.append((module, name))
        for imported in module.imports.get(name, ()):
            found += self.resolve(module, imported.path, seen)
        if not found:
            for glob in module.globs:
                for target in self.resolve(module, glob.path, seen):
                    if isinstance(target, Module):
                        found += self.lookup_once(target, name, seen)
        return found

    def lookup_once(self, module, name, seen):
        if (module, name) in seen:
            return []
        return self.lookup(module, name, seen | {(module, name)})

    def resolve(self, module, path, seen=frozenset()):
        """Returns the meaning of a path, as far as it is in this crate."""
        first, rest = path[0], path[1:]
        if first == "crate":
            places = [module.root()]
        elif first in ("self", "super"):
            places = [module if first == "self" else module.parent]
            while rest[:1] == ["super"]:
                places, rest = [places[0].parent], rest[1:]
        else:
            places = self.lookup_once(module, first, seen)
        for index, name in enumerate(rest):
            after = []
            for place in places:
                if not isinstance(place, Module):
                    after.append(place)  # a variant or a function of a type
                    continue
                inner = self.lookup_once(place, name, seen)
                # A macro may define it, so it must be here.
                after += inner or [(place, name)]
            places = after
        return places

    def depend(self, module):
        names = set()  # of modules whose paths are followed
        for at, token in enumerate(module.tokens):
            previous = module.tokens[at - 1].text if at else ""
            following = module.tokens[at + 1].text if at + 1 < len(module.tokens) else ""
            if token.kind != "word" or previous in ("::", ".") or (previous == "$" and token.text != "crate"):
                continue
            if following == "!" and self.is_macro(module, token.text):
                self.arguments(module, at + 2)
            if following != "::":
                if module.globs:
                    self.by_glob(module, token)
                continue
            path, index = [token.text], at + 1
            while index + 1 < len(module.tokens) and module.tokens[index].text == "::":
                if module.tokens[index + 1].kind != "word":
                    break
                path.append(module.tokens[index + 1].text)
                index += 2
            names.add(path[0])
            for target in self.resolve(module, path):
                self.add(module, target, token.line, path)
        for name, imports in module.imports.items():
            for imported in imports:
                for target in self.resolve(module, imported.path):
                    # The paths that begin with a module name the items of it that are used.
                    if not isinstance(target, Module) or name not in names:
                        self.add(module, target, imported.line, imported.path)

    def by_glob(self, module, token):
        """Returns whether a glob brings in a name that is used alone."""
        if token.text in module.items or token.text in module.children or token.text in module.imports:
            return
        for target in self.lookup(module, token.text, frozenset()):
            if not isinstance(target, Module):
                self.add(module, target, token.line, [token.text])

    def is_macro(self, module, name):
        scope = module
        while scope:  # the scope of a macro is textual
            if name in scope.macros:
                return True
            scope = scope.parent
        return any(not isinstance(target, Module) for target in self.lookup(module, name, frozenset()))

    def arguments(self, module, at):
        """Follows the modules that a macro of the crate gets by name, since it may make paths of them."""
        for token in module.tokens[at : close(module.tokens, at)]:
            if token.kind == "word":
                for target in self.lookup(module, token.text, frozenset()):
                    if isinstance(target, Module):
                        self.add(module, target, token.line, [token.text])

    def add(self, module, target, line, path):
        file = target.file if isinstance(target, Module) else target[0].file
        if file != module.file:
            self.edges[module.file].setdefault(file, (line, "::".join(path)))

    def family(self, files):
        """Returns the file that the other ones are descendants of, if there is one."""
        for file in sorted(files, key=lambda file: len(file.parts)):
            if file == self.root.file:
                continue
            if all(other == file or self.within(other, file) for other in files):
                return file
        return None

    def within(self, file, parent):
        module = self.files[file].parent
        while module:
            if module.file == parent:
                return True
            module = module.parent
        return False

    def circles(self, files=None):
        files = set(self.edges) if files is None else files
        for component in components(files, self.edges):
            parent = self.family(component)
            if parent is None:
                yield component
            else:
                yield from self.circles(component - {parent})


def components(files, edges):
    """Returns the strongly connected components of more than one file (Tarjan, without recursion)."""
    index, low, stack, on_stack, count = {}, {}, [], set(), 0
    for start in sorted(files):
        if start in index:
            continue
        work = [(start, iter(sorted(set(edges[start]) & files)))]
        index[start] = low[start] = count
        count += 1
        stack.append(start)
        on_stack.add(start)
        while work:
            file, others = work[-1]
            for other in others:
                if other not in index:
                    index[other] = low[other] = count
                    count += 1
                    stack.append(other)
                    on_stack.add(other)
                    work.append((other, iter(sorted(set(edges[other]) & files))))
                    break
                if other in on_stack:
                    low[file] = min(low[file], index[other])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[file])
                if low[file] == index[file]:
                    component = set()
                    while file not in component:
                        component.add(stack.pop())
                    on_stack -= component
                    if len(component) > 1:
                        yield component


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", 1)[0])
    parser.add_argument("packages", nargs="+", type=pathlib.Path, metavar="PACKAGE")
    parser.add_argument("--edges", action="store_true", help="print every dependency")
    arguments = parser.parse_args()
    failed = False
    for package in arguments.packages:
        source = package / "src"
        roots = [source / name for name in ("lib.rs", "main.rs") if (source / name).is_file()]
        for root in roots:
            crate = Crate(root)
            circles = list(crate.circles())
            failed |= bool(circles)
            if arguments.edges:
                for file, others in sorted(crate.edges.items()):
                    for other, (line, path) in sorted(others.items()):
                        print(f"{file.relative_to(source)}:{line} -> {other.relative_to(source)} ({path})")
            print(f"{root}: {len(crate.files)} files, {sum(map(len, circles))} of them in {len(circles)} circles")
            for circle in circles:
                print(f"  a circle of {len(circle)} files:")
                for file in sorted(circle):
                    for other, (line, path) in sorted(crate.edges[file].items()):
                        if other in circle:
                            print(f"    {file.relative_to(source)}:{line} -> {other.relative_to(source)} ({path})")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
