#!/usr/bin/env python3
"""Writes deployer/cfn/src/schemas/schemas.bin, the published resource schemas of CloudFormation, and permissions.bin, the
permissions that their handlers need, compactly.

Usage: make registry   (runs it with the Python of the judges' environment, which holds cfn-lint)

Run by hand when the pinned cfn-lint is raised, then `make golden` and read the diff. cfn-lint is the source because it
publishes the schemas of every region in one package, with their known mistakes corrected.

The file: `u32` count; for each type, sorted by name, `u32` offset and `u32` length of its name, `u32` offset and `u32`
length of its block (all little endian, offsets from the start of the file); the names; the blocks. A block is the
type's JSON, deflated (RFC 1951): only what a check needs, without descriptions.

permissions.bin is deflated JSON: `types` maps a type to its actions, each with the letters of the handlers that list it
(the first ones of create, read, update, delete and tagging); `actions` maps an action to the kinds of resource that IAM
takes for it, with `!` behind those that it requires; `resources` maps such a kind to the form of its ARN. The last two are
those of parliament, which publishes the Service Authorization Reference as data. An action without an entry is unknown
there: it is newer, or IAM has no such action.
"""

import importlib.metadata
import json
import pathlib
import struct
import zlib

import cfnlint
import parliament
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "deployer/cfn/src/schemas"

# The parts that a check reads; all else (prose, handlers, tagging) is left out.
TOP = {
    "additionalProperties", "anyOf", "allOf", "conditionalCreateOnlyProperties", "createOnlyProperties", "definitions",
    "dependentExcluded", "dependentRequired", "dependentSchemas", "if", "oneOf", "patternProperties", "properties",
    "readOnlyProperties", "required", "requiredOr", "requiredXor", "then",
}
INNER = TOP | {
    "$ref", "const", "default", "enum", "enumCaseInsensitive", "format", "insertionOrder", "items", "maximum",
    "maxItems", "maxLength", "maxProperties", "minimum", "minItems", "minLength", "minProperties", "multipleOf", "not",
    "pattern", "prefixItems", "type", "uniqueItems", "uniqueKeys",
}
# Keywords whose value maps names of the schema's own to schemas.
NAMED = {"definitions", "dependentSchemas", "patternProperties", "properties"}
# Keywords whose value is data, not a schema.
DATA = {"const", "default", "enum", "enumCaseInsensitive", "required", "requiredOr", "requiredXor", "dependentExcluded",
        "dependentRequired", "type", "uniqueKeys"}


def with_dependencies(schema):
    """Returns the schema with `dependencies`, the older word, in the words of today.

    Several are beside a single property instead of beside the mapping that contains it, where they say nothing (or
    something about the user's own keys); those are left out.
    """
    out = dict(schema)
    for name, value in out.pop("dependencies", {}).items():
        if name not in schema.get("properties", {}):
            continue
        alternatives = value.get("oneOf", []) if isinstance(value, dict) else []
        if isinstance(value, list):
            keyword = "dependentRequired"
        # "Exactly one of these holds", of which one always does: the other may not.
        elif len(alternatives) == 2 and {} in alternatives and set(value) == {"oneOf"}:
            keyword, value = "dependentExcluded", next(filter(None, alternatives))["required"]
        else:
            keyword = "dependentSchemas"
        out[keyword] = {**out.get(keyword, {}), name: value}
    return out


def format_of(value, families):
    """Returns the format that a check may trust, if any.

    cfn-lint calls almost everything an IPv4 network whose name says "Cidr", also where AWS takes IPv6 too, or an
    address without a prefix. The meaning is certain only where a property beside it is for IPv6.
    """
    if value in {"ipv4-network", "ipv6-network"}:
        return value if families else "network"
    return value if value == "date-time" else None


def stripped(schema, keywords=INNER, families=False):
    """Returns the schema with the keywords that are read; `families` when IPv4 and IPv6 have properties of their
    own."""
    if isinstance(schema, list):
        return [stripped(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    out = {}
    for keyword, value in sorted(with_dependencies(schema).items()):
        if keyword not in keywords:
            continue
        # Lists keep their order unless a schema says otherwise.
        if keyword == "insertionOrder" and value is not False:
            continue
        # A condition from which nothing follows.
        if keyword == "if" and "then" not in schema:
            continue
        if keyword == "format":
            value = format_of(value, families)
            if value is None:
                continue
        if keyword in NAMED:
            both = keyword == "properties" and any("v6" in name.lower() for name in value)
            out[keyword] = {name: stripped(inner, families=both) for name, inner in value.items()}
        elif keyword in DATA:
            out[keyword] = value
        else:
            out[keyword] = stripped(value)
    return out


def reference():
    """Returns what IAM takes: action → kinds of resource, kind → ARN, and an action in small letters → its name."""
    actions, resources = {}, {}
    for service in parliament.iam_definition:
        prefix = service["prefix"]
        for resource in service["resources"]:
            resources[f"{prefix}:{resource['resource']}"] = resource["arn"]
        for privilege in service["privileges"]:
            kinds = actions.setdefault(f"{prefix}:{privilege['privilege']}", {})
            for one in privilege["resource_types"]:
                kind = one["resource_type"]
                if kind:
                    kinds[f"{prefix}:{kind.rstrip('*')}"] = kind.endswith("*")
    names = {action.lower(): action for action in actions}
    return actions, resources, names


def permissions(schemas):
    """Returns the content of permissions.bin for schemas by type."""
    known, arns, names = reference()
    types, actions, resources = {}, {}, {}
    for kind, schema in schemas.items():
        lists = {name: (schema.get("handlers") or {}).get(name) for name in ("create", "read", "update", "delete")}
        lists["tagging"] = schema.get("tagging")
        letters = {}
        for handler, one in lists.items():
            for action in one.get("permissions") or [] if isinstance(one, dict) else []:
                # Both parts are read without regard to case, and written as in the reference.
                action = names.get(action.lower(), action)
                letters[action] = letters.get(action, "") + handler[0]
        if letters:
            types[kind] = dict(sorted((action, "".join(sorted(set(by)))) for action, by in letters.items()))
        for action in letters:
            if action in known:
                # A kind without a form of ARN says nothing.
                kinds = {one: must for one, must in known[action].items() if one in arns}
                actions[action] = ",".join(sorted(one + "!" * must for one, must in kinds.items()))
                resources.update((one, arns[one]) for one in kinds)
    return {"types": types, "actions": dict(sorted(actions.items())), "resources": dict(sorted(resources.items()))}


def deflated(value):
    """Returns a value as deflated JSON."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    return deflate.compress(text) + deflate.flush()


def main():
    data = pathlib.Path(cfnlint.__file__).parent / "data/schemas"
    regions = {}
    for file in sorted((data / "providers").glob("*.json")):
        if file.stem != "sam":
            for name in json.loads(file.read_text(encoding="utf-8")):
                regions.setdefault(name, []).append(file.stem)
    blocks, published = {}, {}
    for name in sorted(regions):
        # If a type is in several regions, it is read from the one that has most types, else from the first.
        region = "us-east-1" if "us-east-1" in regions[name] else regions[name][0]
        schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema(region, name)
        published[name] = schema.schema
        compact = stripped(schema.schema, TOP)
        # Names that the user chooses are written as regular expressions: `Outputs\..*`, and `.*` alone.
        anything = {".*": "*"}
        compact["attributes"] = sorted(anything.get(name, name.replace("\\..*", ".*")) for name in schema.get_atts)
        blocks[name] = deflated(compact)
    index, names, body = b"", b"", b""
    names_at = 4 + 16 * len(blocks)
    body_at = names_at + sum(len(name) for name in blocks)
    for name, block in blocks.items():
        index += struct.pack("<IIII", names_at + len(names), len(name), body_at + len(body), len(block))
        names += name.encode()
        body += block
    whole = struct.pack("<I", len(blocks)) + index + names + body
    (FOLDER / "schemas.bin").write_bytes(whole)
    (FOLDER / "permissions.bin").write_bytes(deflated(permissions(published)))
    record = {
        "source": f"cfn-lint {importlib.metadata.version('cfn-lint')} (PyPI)",
        "date": json.loads((data / "version.json").read_text(encoding="utf-8"))["schema_date"],
        "types": len(blocks),
        "bytes": len(whole),
        "actions": f"parliament {importlib.metadata.version('parliament')} (PyPI)",
    }
    (FOLDER / "source.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(record))


if __name__ == "__main__":
    main()
