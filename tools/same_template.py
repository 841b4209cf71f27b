"""Compares two CloudFormation templates by their meaning: same_template.py LEFT RIGHT

It shares no code with the deployer: it reads JSON with Python's own parser, and YAML from the nodes of PyYAML, without
PyYAML's rules for what a plain scalar is. Prints each difference with its path, and ends with 1 if there is one.

These pairs, and no others, mean the same:

1.  A short form and its function (`!Ref a`, `{"Ref": "a"}`): "Intrinsic function reference" of CloudFormation.
2.  `Fn::GetAtt` of `a.b` and of `[a, b]`: the same page.
3.  `Fn::Sub` of a text, of `[text]` and of `[text, {}]`; and of a text without variables and that text: nothing is replaced.
4.  A word and a list of that word in `DependsOn` and `Transform`; an empty `DependsOn` and none; any order in `DependsOn`,
    since CloudFormation waits for all of them.
5.  A section, or the `Properties` of a resource, that is empty or null, and none.
6.  `AWSTemplateFormatVersion` and none: there is one version.
7.  In a property, a number or boolean and its text, as long as the digits are the same: CloudFormation gives the value the
    type that the schema of the resource has. This does not hold in documents of JSON (`DOCUMENTS`), which the schema does not
    describe, nor in `Metadata`.
8.  The order of keys.
9.  In `Parameters`, a number or boolean and its text: the values of parameters are texts, and their bounds are read from them.
    In an operand of `Fn::Equals`, in the index of `Fn::Select` and in `Fn::Cidr` likewise, since these compare and read texts.

10. `Fn::GetAZs` of nothing and of an empty text: both are the region of the stack.

A plain scalar of YAML is a number as in JSON, `true` or `false`, null, or a text. `True` and `TRUE` are booleans in properties,
as all versions of YAML agree, and texts elsewhere, where callers compare them with texts. `Yes`, `012`, `1:30` and dates are texts.
"""

import json
import re
import sys

import yaml

NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?\Z")

# Properties that hold a document of JSON: their schema is `object` without properties.
DOCUMENTS = {
    "AssumeRolePolicyDocument",
    "Body",
    "BodyParameters",
    "Content",
    "DashboardBody",
    "Definition",
    "DefinitionBody",
    "DefinitionString",
    "DocumentDefinition",
    "EventPattern",
    "FilterPolicy",
    "KeyPolicy",
    "Policy",
    "PolicyDocument",
    "PolicyText",
    "RepositoryPolicyText",
    "ResourcePolicy",
    "ServiceSpecification",
}
SECTIONS = ("Parameters", "Mappings", "Conditions", "Outputs", "Rules", "Metadata")


class Unreadable(Exception):
    """A text that is not a template."""


class Number(str):
    """A number, by its digits."""


class Boolean(str):
    """`true` or `false`, as it is written."""


def _pairs(pairs):
    out = {}
    for key, value in pairs:
        if key in out:
            raise Unreadable(f"the key {key!r} occurs twice")
        out[key] = value
    return out


def _json(value):
    if isinstance(value, bool):
        return Boolean("true" if value else "false")
    if isinstance(value, dict):
        return {key: _json(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_json(inner) for inner in value]
    return value


def _plain(text):
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text in ("true", "false", "True", "False", "TRUE", "FALSE"):
        return Boolean(text)
    return Number(text) if NUMBER.match(text) else text


def _node(node, depth=0):
    if depth > 100:
        raise Unreadable("too deep")
    if isinstance(node, yaml.ScalarNode):
        own = not node.tag.startswith("!")
        value = _plain(node.value) if own and node.style is None else node.value
    elif isinstance(node, yaml.SequenceNode):
        value = [_node(item, depth + 1) for item in node.value]
    else:
        pairs = []
        for key, inner in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise Unreadable("a key that is not a text")
            pairs.append((key.value, _node(inner, depth + 1)))
        value = _pairs(pairs)
    if node.tag.startswith("!") and len(node.tag) > 1:
        name = node.tag[1:]
        return {name if name in ("Ref", "Condition") else f"Fn::{name}": value}
    return value


class _Loader(yaml.SafeLoader):
    """A loader that composes nodes, and keeps the tags that are written."""


def read(text):
    """Returns a template as dicts, lists, texts, `Number`, `Boolean` and None."""
    if text.lstrip("\ufeff \t\r\n").startswith("{"):
        try:
            loaded = json.loads(
                text.lstrip("\ufeff"), object_pairs_hook=_pairs, parse_int=Number, parse_float=Number
            )
            return _json(loaded)
        except json.JSONDecodeError:
            pass
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise Unreadable(str(error)) from error
    if node is None:
        raise Unreadable("nothing")
    return _node(node)


def _sub(argument):
    """Returns the argument of `Fn::Sub` as text and variables; the literal text alone if there is nothing to replace."""
    if isinstance(argument, str):
        text, variables = argument, {}
    elif isinstance(argument, list) and argument and isinstance(argument[0], str) and len(argument) <= 2:
        text, variables = argument[0], argument[1] if len(argument) == 2 else {}
    else:
        return None
    if not variables and not re.search(r"\$\{[^!}][^}]*\}", text):
        return re.sub(r"\$\{!([^}]*)\}", r"${\1}", text), None
    return str(text), variables


def normal(value, loose=False, documents=True):
    """Returns a value in one form for each meaning. `loose`: numbers and booleans are their texts."""
    if isinstance(value, dict):
        if len(value) == 1:
            (name, argument), = value.items()
            if name == "Fn::GetAtt" and isinstance(argument, str) and "." in argument:
                return {name: argument.split(".", 1)}
            if name == "Fn::GetAtt" and isinstance(argument, list) and all(isinstance(word, str) for word in argument):
                return {name: ".".join(argument).split(".", 1)}
            if name == "Fn::Sub" and (read_sub := _sub(argument)):
                text, variables = read_sub
                if variables is None:
                    return text
                return {name: [text, normal(variables, True, documents)]}
            if name == "Fn::GetAZs" and argument is None:
                return {name: ""}
            if name in ("Fn::Equals", "Fn::Cidr"):
                return {name: normal(argument, True, documents)}
            if name == "Fn::Select" and isinstance(argument, list) and len(argument) == 2:
                return {name: [normal(argument[0], True, documents), normal(argument[1], loose, documents)]}
        return {
            key: normal(inner, loose and not (documents and key in DOCUMENTS), documents)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [normal(inner, loose, documents) for inner in value]
    if isinstance(value, (Boolean, Number)) and loose:
        return str(value)
    return value


def _resource(resource):
    if not isinstance(resource, dict):
        return normal(resource)
    out = {}
    for key, value in resource.items():
        if key == "Properties":
            if value:
                out[key] = normal(_booleans(value), True)
        elif key == "DependsOn":
            words = [value] if isinstance(value, str) else value
            if words:
                out[key] = sorted(words) if all(isinstance(word, str) for word in words) else normal(words)
        elif key in ("CreationPolicy", "UpdatePolicy"):
            out[key] = normal(_booleans(value), True)
        else:
            out[key] = normal(value)
    return out


def _booleans(value):
    """Lets `True` be `true`, as in properties."""
    if isinstance(value, dict):
        return {key: _booleans(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_booleans(inner) for inner in value]
    return Boolean(value.lower()) if isinstance(value, Boolean) else value


def template(value):
    """Returns a template in one form for each meaning."""
    if not isinstance(value, dict):
        raise Unreadable("not a mapping")
    out = {}
    for section, inner in value.items():
        if section == "AWSTemplateFormatVersion" or (section in SECTIONS and not inner):
            continue
        if section == "Transform":
            out[section] = normal([inner] if isinstance(inner, (str, dict)) else inner)
        elif section == "Resources" and isinstance(inner, dict):
            out[section] = {name: _resource(resource) for name, resource in inner.items()}
        elif section == "Parameters":
            out[section] = normal(inner, True, False)
        else:
            out[section] = normal(inner)
    return out


def _kind(value):
    for kind, name in ((Number, "number"), (Boolean, "boolean"), (dict, "mapping"), (list, "list")):
        if isinstance(value, kind):
            return name
    return "null" if value is None else "text"


def _same(left, right):
    if _kind(left) == _kind(right) == "boolean":
        # Elsewhere than in properties, what `True` means is not known: it is the text that is written.
        return left == right
    if {_kind(left), _kind(right)} == {"boolean", "text"}:
        word = left if _kind(left) == "boolean" else right
        return str(left) == str(right) and word not in ("true", "false")
    return _kind(left) == _kind(right) and left == right


def differences(left, right, path=""):
    """Yields each difference of two templates in their one form, with its path."""
    if isinstance(left, dict) and isinstance(right, dict):
        for key in left.keys() | right.keys():
            at = f"{path}/{key}"
            if key not in right:
                yield f"{at}: missing on the right"
            elif key not in left:
                yield f"{at}: missing on the left"
            else:
                yield from differences(left[key], right[key], at)
    elif isinstance(left, list) and isinstance(right, list):
        if len(left) != len(right):
            yield f"{path}: {len(left)} and {len(right)} items"
        for index, (one, other) in enumerate(zip(left, right)):
            yield from differences(one, other, f"{path}/{index}")
    elif not _same(left, right):
        yield f"{path}: {_kind(left)} {str(left)[:80]!r} and {_kind(right)} {str(right)[:80]!r}"


def compare(left, right):
    """Returns the differences of two templates, given as texts, sorted."""
    return sorted(differences(template(read(left)), template(read(right))))


def main():
    """Compares two files."""
    if len(sys.argv) != 3:
        sys.exit("usage: same_template.py LEFT RIGHT")
    texts = []
    for name in sys.argv[1:]:
        with open(name, encoding="utf-8", newline="") as file:
            texts.append(file.read())
    try:
        found = compare(*texts)
    except Unreadable as error:
        sys.exit(f"error: {error}")
    for difference in found:
        print(difference)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
