#!/usr/bin/env python3
"""Judges the replayed conversations of deployer/cli/tests/replay by AWS's published models, which botocore carries.

Usage: tools/conversations.py [--write]   (with the Python of the local cloud's environment, whose botocore is recent)

Every exchange must name an operation that exists, ask for inputs that it has, and answer with members that its output
has, of the right types, with the values that an enumeration knows, and with all that is required. An error must be one
that the operation or its service documents, or one that all services share.

With --write, deployer/cli/tests/wire/models.json is written anew: the facts about the operations that the
tests' servers need to name a request and to write an answer. Without it, the file must be up to date.
"""

import base64
import binascii
import datetime
import gzip
import json
import pathlib
import re
import sys

import botocore

ROOT = pathlib.Path(__file__).resolve().parent.parent
REPLAY = ROOT / "deployer/cli/tests/replay"
MODELS = ROOT / "deployer/cli/tests/wire/models.json"

# The services that the deployer and the workers call, and botocore's folder of each.
SERVICES = {
    "CloudFormation": "cloudformation",
    "CloudWatch": "cloudwatch",
    "CloudWatchLogs": "logs",
    "DynamoDB": "dynamodb",
    "ECR": "ecr",
    "ECS": "ecs",
    "EventBridge": "events",
    "IAM": "iam",
    "KMS": "kms",
    "Lambda": "lambda",
    "S3": "s3",
    "ServiceQuotas": "service-quotas",
    "SNS": "sns",
    "SQS": "sqs",
    "STS": "sts",
}
# Errors that every service may answer: the "Common errors" pages of the AWS API references; of S3, "Error responses".
COMMON = set("""
    AccessDenied AccessDeniedException ExpiredToken ExpiredTokenException IncompleteSignature InternalError InternalFailure
    InternalServerError InvalidClientTokenId InvalidSignatureException MissingAuthenticationToken OptInRequired
    RequestExpired RequestLimitExceeded ServiceUnavailable SignatureDoesNotMatch SlowDown Throttling ThrottlingException
    TooManyRequestsException UnrecognizedClientException ValidationError ValidationException
""".split())
# Errors that a service answers and its model does not list.
OF_SERVICE = {
    # Amazon S3 API Reference, "Error responses". HEAD answers have no body, so a status takes the place of their code.
    "S3": set("""
        BucketNotEmpty ConditionalRequestConflict InvalidBucketName NoSuchBucketPolicy NoSuchLifecycleConfiguration
        NoSuchTagSet NoSuchVersion NotFound PermanentRedirect PreconditionFailed
    """.split()),
}
# Root elements of S3's answers, which botocore does not read: Amazon S3 API Reference, the response syntax of each.
ROOTS = {
    "DeleteObjects": "DeleteResult",
    "GetBucketLifecycleConfiguration": "LifecycleConfiguration",
    "GetBucketNotificationConfiguration": "NotificationConfiguration",
    "GetBucketTagging": "Tagging",
    "GetBucketVersioning": "VersioningConfiguration",
    "ListBuckets": "ListAllMyBucketsResult",
    "ListObjectVersions": "ListVersionsResult",
    "ListObjectsV2": "ListBucketResult",
}
# Events of a stack itself carry the stack's status: CloudFormation User Guide, "Stack status codes". The model's
# enumeration for events lists that of resources.
ALSO = {"ResourceStatus": "StackStatus"}
NUMBERS = {"integer": int, "long": int, "float": (int, float), "double": (int, float)}
# A container registry has no model: OCI Distribution Specification 1.1, "Endpoints" and "Error codes".
REGISTRY = {"HEAD manifests", "HEAD blobs", "POST uploads", "PUT uploads", "PUT manifests"}
REGISTRY_ERRORS = {
    "BLOB_UNKNOWN", "BLOB_UPLOAD_INVALID", "BLOB_UPLOAD_UNKNOWN", "DENIED", "DIGEST_INVALID", "MANIFEST_BLOB_UNKNOWN",
    "MANIFEST_INVALID", "MANIFEST_UNKNOWN", "NAME_INVALID", "NAME_UNKNOWN", "SIZE_INVALID", "TOOMANYREQUESTS", "UNAUTHORIZED",
    "UNSUPPORTED",
}
# The one stack of most cases, as shorthand.rs names it.
NAME = "orders-dev"
STACK_ID = f"arn:aws:cloudformation:eu-west-1:111122223333:stack/{NAME}/0a1b2c3d-1111-4222-8333-444455556666"
MOMENT = "2026-11-24T10:00:00Z"
# Text that the server writes in the place of these: a template, its digest, the token of its deployment, a document.
WRITTEN = ({"$template"}, {"$digest"}, {"$mark"}, {"$json"}, {"$sent"})
EXCHANGE = {"operation", "when", "answer", "error", "drop", "delay_ms", "times", "optional", "signal", "by", "until", "awaits", "sets"}


def expand(answer):
    """Writes an answer out, as deployer/cli/tests/replay/shorthand.rs does."""
    if not isinstance(answer, dict):
        return answer
    others = {key: value for key, value in answer.items() if not key.startswith("$")}
    if "$stack" in answer:
        stack = {"StackId": STACK_ID, "StackName": NAME, "CreationTime": MOMENT, "StackStatus": answer["$stack"]}
        stack["Tags"] = [{"Key": "deployer:stack", "Value": "dev"}]
        return {"Stacks": [stack | others]}
    if "$events" in answer:
        token = {"ClientRequestToken": answer["$token"]} if "$token" in answer else {}
        return {"StackEvents": [event(line) | token for line in answer["$events"]]} | others
    if "$changes" in answer:
        return {
            "StackName": NAME, "StackId": STACK_ID, "Status": "CREATE_COMPLETE", "ExecutionStatus": "AVAILABLE",
            "Changes": [{"Type": "Resource", "ResourceChange": change(line)} for line in answer["$changes"]],
        } | others
    if "$resources" in answer:
        return {"StackResourceSummaries": [resource(line) for line in answer["$resources"]]} | others
    return answer


def resource(line):
    logical_id, physical_id, kind = line.split(" ")
    return {
        "LogicalResourceId": logical_id, "PhysicalResourceId": physical_id, "ResourceType": kind,
        "LastUpdatedTimestamp": MOMENT, "ResourceStatus": "CREATE_COMPLETE",
    }


def event(line):
    head, separator, reason = line.partition(": ")
    event_id, status, *resource = head.split(" ")
    logical_id, kind = resource or (NAME, "AWS::CloudFormation::Stack")
    return {
        "StackId": STACK_ID, "EventId": event_id, "StackName": NAME, "LogicalResourceId": logical_id, "ResourceType": kind,
        "PhysicalResourceId": f"{NAME}-{logical_id}" if resource else STACK_ID, "Timestamp": MOMENT, "ResourceStatus": status,
    } | ({"ResourceStatusReason": reason} if separator else {})


def change(line):
    action, logical_id, kind, *rest = line.split(" ")
    return (
        {"Action": action, "LogicalResourceId": logical_id, "ResourceType": kind}
        | ({} if action == "Add" else {"PhysicalResourceId": f"{NAME}-{logical_id}"})
        | ({"Replacement": rest[0]} if rest else {})
        | ({"Scope": rest[1:]} if rest[1:] else {})
    )


def model(service):
    folder = pathlib.Path(botocore.__file__).parent / "data" / SERVICES[service]
    newest = sorted(folder.iterdir())[-1] / "service-2.json"
    if newest.exists():
        return json.loads(newest.read_text(encoding="utf-8"))
    with gzip.open(f"{newest}.gz", "rt", encoding="utf-8") as file:
        return json.load(file)


def protocol_of(metadata):
    """Returns the protocol that the deployer speaks with a service: no binary one."""
    binary = metadata["protocol"].endswith("cbor")
    return "json" if binary and "json" in metadata["protocols"] else metadata["protocol"]


class Judge:
    def __init__(self):
        self.models = {service: model(service) for service in SERVICES}
        self.findings = []
        self.used = set()
        self.exchanges = 0

    def find(self, place, text):
        self.findings.append(f"{place}: {text}")

    def file(self, path):
        conversation = json.loads(path.read_text(encoding="utf-8"))
        name = path.relative_to(REPLAY)
        exchanges = conversation if isinstance(conversation, list) else conversation["exchanges"]
        for number, exchange in enumerate(exchanges, 1):
            self.exchange(f"{name}: exchange {number} ({exchange.get('operation')})", exchange)

    def exchange(self, place, exchange):
        self.exchanges += 1
        for key in exchange.keys() - EXCHANGE:
            self.find(place, f"unknown key {key!r}")
        service, _, operation = exchange.get("operation", "").partition(".")
        if service == "Registry" and operation in REGISTRY:
            code = exchange.get("error", {}).get("code")
            if code and code not in REGISTRY_ERRORS:
                self.find(place, f"a registry has no error {code!r}")
            return
        found = self.models.get(service, {}).get("operations", {}).get(operation)
        if not found:
            return self.find(place, "there is no such operation")
        self.used.add((service, operation))
        shapes = self.models[service]["shapes"]
        if "when" in exchange:
            self.value(place, "when", shapes, found.get("input", {}).get("shape"), exchange["when"], True)
        kinds = [key for key in ("answer", "error", "drop", "signal") if key in exchange]
        if len(kinds) != 1:
            self.find(place, "one of answer, error, drop and signal is wanted")
        if "answer" in exchange:
            self.value(place, "answer", shapes, found.get("output", {}).get("shape"), expand(exchange["answer"]), False)
        if "error" in exchange:
            self.error(place, service, found, exchange["error"])

    def error(self, place, service, operation, error):
        shapes = self.models[service]["shapes"]
        for key in error.keys() - {"code", "message", "status"}:
            self.find(place, f"unknown key {key!r} in error")
        listed = [one["shape"] for one in operation.get("errors", [])]
        # Not every operation lists the errors that its service documents.
        listed += [name for name, shape in shapes.items() if shape.get("exception")]
        codes = {shapes[name].get("error", {}).get("code", name) for name in listed}
        if error.get("code") not in codes | COMMON | OF_SERVICE.get(service, set()):
            self.find(place, f"{service} has no error {error.get('code')!r}")

    def value(self, place, path, shapes, name, value, asked):
        """Checks a value against its shape. `asked` is the part of a request that is compared: null where it must be
        missing."""
        if asked and value is None:
            return
        shape = shapes.get(name, {"type": "structure", "members": {}})
        kind = shape["type"]
        wrong = lambda want: self.find(place, f"{path}: {want} is wanted, not {json.dumps(value)[:80]}")
        if isinstance(value, dict) and kind in ("string", "blob") and value.keys() in WRITTEN:
            return
        if kind == "structure":
            if not isinstance(value, dict):
                return wrong("an object")
            for key, inner in value.items():
                member = shape["members"].get(key)
                if not member:
                    self.find(place, f"{path}: {name or 'nothing'} has no member {key!r}")
                    continue
                # The content of an object is written as it is.
                if member.get("streaming") and isinstance(inner, str):
                    continue
                self.value(place, f"{path}.{key}", shapes, member["shape"], inner, asked)
            if not asked:
                for key in shape.get("required", []):
                    if key not in value:
                        self.find(place, f"{path}: {name} requires {key!r}")
        elif kind == "list":
            if not isinstance(value, list):
                return wrong("a list")
            for index, inner in enumerate(value):
                self.value(place, f"{path}[{index}]", shapes, shape["member"]["shape"], inner, asked)
        elif kind == "map":
            if not isinstance(value, dict):
                return wrong("a map")
            for key, inner in value.items():
                self.value(place, f"{path}.{key}", shapes, shape["value"]["shape"], inner, asked)
        elif kind == "boolean":
            if not isinstance(value, bool):
                wrong("true or false")
        elif kind in NUMBERS:
            if isinstance(value, bool) or not isinstance(value, NUMBERS[kind]):
                wrong("a number")
        elif kind == "timestamp":
            try:
                datetime.datetime.strptime(value, "%Y-%m-%dT%H:%M:%SZ")
            except (TypeError, ValueError):
                wrong("a time such as 2026-11-24T10:00:00Z")
        elif kind == "blob":
            try:
                base64.b64decode(value, validate=True)
            except (TypeError, binascii.Error):
                wrong("Base64")
        elif kind == "string":
            if not isinstance(value, str):
                wrong("a text")
            elif "enum" in shape and value not in shape["enum"] + shapes.get(ALSO.get(name), {}).get("enum", []):
                self.find(place, f"{path}: {name} has no value {value!r}")
            elif "${" in value:
                pass  # a value of the request is put there in the answer
            elif not asked and len(value) > shape.get("max", len(value)):
                self.find(place, f"{path}: {name} has at most {shape['max']} characters")
            elif not asked and len(value) < shape.get("min", 0):
                self.find(place, f"{path}: {name} has at least {shape['min']} characters")
            elif not asked and not matches(shape.get("pattern"), value):
                self.find(place, f"{path}: {value!r} does not match {shape['pattern']}")
        else:
            self.find(place, f"{path}: {kind} is not known here")

    def written(self):
        """Returns the facts that the tests' servers need: one line per operation and per shape, so that changes can
        be read."""
        services = []
        for service, model in self.models.items():
            metadata = model["metadata"]
            rest = protocol_of(metadata).startswith("rest")
            operations, shapes = {}, {}
            for name, operation in sorted(model["operations"].items()):
                used = (service, name) in self.used
                # Requests of other protocols name their operation.
                if not used and not rest:
                    continue
                entry = {}
                if rest:
                    entry |= {"method": operation["http"]["method"], "uri": operation["http"]["requestUri"]}
                    entry |= request_parts(model["shapes"].get(operation.get("input", {}).get("shape"), {}))
                if used and "output" in operation:
                    entry["output"] = operation["output"]["shape"]
                    wrapper = operation["output"].get("resultWrapper") or (ROOTS.get(name) if service == "S3" else None)
                    if wrapper:
                        entry["wrapper"] = wrapper
                    collect(model["shapes"], operation["output"]["shape"], shapes)
                operations[name] = entry
            lines = lambda entries: ",\n".join(f"{json.dumps(key)}: {json.dumps(entry)}" for key, entry in sorted(entries.items()))
            head = {"protocol": protocol_of(metadata), "signedAs": metadata.get("signingName", metadata["endpointPrefix"])}
            services.append(
                f"{json.dumps(service)}: {json.dumps(head)[:-1]}, \"operations\": {{\n{lines(operations)}\n}}, "
                f"\"shapes\": {{\n{lines(shapes)}\n}}}}"
            )
        return "{\n" + ",\n".join(services) + "\n}\n"


def matches(pattern, value):
    try:
        return pattern is None or re.search(pattern, value) is not None
    except re.error:
        # A pattern of another dialect.
        return True


def request_parts(shape):
    """Returns the places of the members of a request, and those that every request has."""
    parts, needed = {}, []
    for name, member in shape.get("members", {}).items():
        location = member.get("location")
        if location in ("uri", "querystring", "header"):
            parts[name] = f"{location} {member['locationName']}"
            if location != "uri" and name in shape.get("required", []):
                needed.append(name)
    return {"parts": parts, "needed": needed} if parts else {}


def collect(all_shapes, name, out):
    """Collects the shapes that an answer may have, without their documentation."""
    if name in out:
        return
    shape = all_shapes[name]
    kept = {key: shape[key] for key in ("type", "flattened", "payload", "timestampFormat") if key in shape}
    out[name] = kept
    inner = lambda member: {
        key: member[key] for key in ("shape", "location", "locationName", "flattened", "timestampFormat") if key in member
    }
    for key in ("member", "key", "value"):
        if key in shape:
            kept[key] = inner(shape[key])
            collect(all_shapes, shape[key]["shape"], out)
    if "members" in shape:
        kept["members"] = {member: inner(value) for member, value in shape["members"].items()}
        for member in shape["members"].values():
            collect(all_shapes, member["shape"], out)


def main():
    judge = Judge()
    paths = sorted(REPLAY.glob("cases/*/conversation.json")) + sorted(REPLAY.glob("shared/exchanges/*.json"))
    for path in paths:
        judge.file(path)
    written = judge.written()
    if "--write" in sys.argv[1:]:
        MODELS.write_text(written, encoding="utf-8")
    elif not MODELS.exists() or MODELS.read_text(encoding="utf-8") != written:
        judge.find(MODELS.relative_to(ROOT), "is not what the conversations need; run `make conversations`")
    for finding in judge.findings:
        print(finding)
    if judge.findings:
        sys.exit(f"judge: {len(judge.findings)} findings in {len(paths)} conversations")
    if not judge.exchanges:
        sys.exit("judge: no conversation; where are they?")
    print(f"judge: {judge.exchanges} exchanges of {len(paths)} conversations have AWS's shapes")


if __name__ == "__main__":
    main()
