"""The OpenAPI description as a page needs it: flat, resolved, in the order of reading."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).parent / "examples"
Schema = Mapping[str, Any]
#: Said once for all operations.
_EVERYWHERE = ("401", "403", "422", "429", "500", "503")


@dataclass(frozen=True)
class Field:
    """kind: in words. of: name of the object that it is, lists or maps to, if any. choices: of an enumeration."""

    name: str
    kind: str
    required: bool
    text: str
    of: str | None = None
    choices: tuple[str, ...] = ()
    place: str = "body"
    nullable: bool = False


@dataclass(frozen=True)
class Reply:
    status: str
    text: str
    of: str | None
    kinds: tuple[str, ...]

    @property
    def good(self) -> bool:
        return self.status.startswith("2")


@dataclass(frozen=True)
class Operation:
    """example: a command for a shell; empty if there is none."""

    name: str
    method: str
    path: str
    title: str
    text: str
    scopes: tuple[str, ...]
    fields: tuple[Field, ...]
    replies: tuple[Reply, ...]
    example: str


@dataclass(frozen=True)
class Section:
    tag: str
    text: str
    operations: tuple[Operation, ...]


@dataclass(frozen=True)
class Shape:
    """An object that replies are made of."""

    name: str
    text: str
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class Handbook:
    """examples: commands by the operation's name. receiver: a program in Python."""

    sections: tuple[Section, ...]
    shapes: tuple[Shape, ...]
    errors: tuple[Reply, ...]
    examples: Mapping[str, str]
    receiver: str


def write(schema: Schema) -> Handbook:
    """schema: OpenAPI 3.1, as `schema.describe` gives it."""
    names = schema["components"]["schemas"]
    operations = [
        (operation["tags"][0], _operation(method, path, operation, names))
        for path, item in schema["paths"].items() for method, operation in item.items()
    ]
    sections = tuple(
        Section(tag["name"], tag["description"], tuple(done for name, done in operations if name == tag["name"]))
        for tag in schema["tags"]
    )
    anything = next(iter(schema["paths"].values()))["get"]
    errors = tuple(_reply(status, anything["responses"][status]) for status in _EVERYWHERE)
    shapes = tuple(_shapes(names, sections))
    examples = {path.stem: path.read_text(encoding="utf-8").rstrip() for path in EXAMPLES.glob("*.sh")}
    return Handbook(sections, shapes, errors, examples, (EXAMPLES / "receive_webhook.py").read_text(encoding="utf-8"))


def _operation(method: str, path: str, operation: Schema, names: Schema) -> Operation:
    fields = [*_parameters(operation, names), *_body(operation, names)]
    replies = (_reply(status, reply) for status, reply in sorted(operation["responses"].items()))
    example = EXAMPLES / f"{operation['operationId']}.sh"
    return Operation(
        name=operation["operationId"], method=method.upper(), path=path, title=operation["summary"],
        text=operation.get("description", ""), scopes=tuple(operation["x-scopes"]), fields=tuple(fields),
        replies=tuple(reply for reply in replies if reply.status not in _EVERYWHERE),
        example=example.read_text(encoding="utf-8").rstrip() if example.exists() else "",
    )


def _parameters(operation: Schema, names: Schema) -> Iterator[Field]:
    for parameter in operation.get("parameters", ()):
        if parameter["in"] != "path":
            named = parameter["name"].title() if parameter["in"] == "header" else parameter["name"]
            yield _field(named, {**parameter["schema"], "description": parameter.get("description", "")}, names,
                         required=parameter["required"], place=parameter["in"])


def _body(operation: Schema, names: Schema) -> Iterator[Field]:
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        shape = _resolved(content["schema"], names)
        for name, field in shape["properties"].items():
            yield _field(name, field, names, required=name in shape.get("required", ()),
                         place="form" if kind.startswith("multipart") else "body")


def _reply(status: str, reply: Schema) -> Reply:
    content = reply.get("content", {})
    reference = content.get("application/json", {}).get("schema", {}).get("$ref", "")
    return Reply(status, reply["description"], _last(reference), tuple(content))


def _shapes(names: Schema, sections: tuple[Section, ...]) -> Iterator[Shape]:
    """What successful replies name, directly or within."""
    waiting = [reply.of for section in sections for operation in section.operations
               for reply in operation.replies if reply.good and reply.of]
    done: set[str] = set()
    while waiting:
        name = waiting.pop(0)
        if name in done:
            continue
        done.add(name)
        shape = names[name]
        fields = tuple(_field(key, field, names, required=key in shape.get("required", ()))
                       for key, field in shape["properties"].items())
        waiting += [field.of for field in fields if field.of]
        yield Shape(name, shape.get("description", ""), fields)


def _field(name: str, schema: Schema, names: Schema, *, required: bool, place: str = "body") -> Field:
    kinds = [kind for kind in schema.get("anyOf", [schema]) if kind.get("type") != "null"]
    kind, nullable = kinds[0], place == "body" and len(kinds) < len(schema.get("anyOf", [schema]))
    resolved = _resolved(kind, names)
    words, of = _words(kind, names)
    choices = tuple(str(choice) for choice in resolved.get("enum", ()))
    return Field(name, words, required, schema.get("description", ""), of, choices, place, nullable)


def _words(schema: Schema, names: Schema) -> tuple[str, str | None]:
    """What a value is, in words, and the object that it is or lists."""
    target = _resolved(schema, names)
    if "properties" in target:
        return "", _last(schema["$ref"])
    if target.get("type") == "array":
        inner, of = _words(target["items"], names)
        return ("list of" if of else f"list of {inner}s"), of
    if target.get("type") == "object":
        inner, of = _words(target.get("additionalProperties", {}), names)
        return ("by name:" if of else f"{inner}s by name"), of
    return _scalar(target), None


def _scalar(schema: Schema) -> str:
    if schema.get("pattern", "").endswith("{32}$"):
        return "id"
    if schema.get("format") in ("date", "date-time", "binary"):
        return {"date": "date", "date-time": "time", "binary": "file"}[schema["format"]]
    kind = str(schema.get("type", "text")).replace("string", "text")
    if "minimum" in schema and "maximum" in schema:
        return f"{kind}, {schema['minimum']:g} to {schema['maximum']:g}"
    return kind


def _resolved(schema: Schema, names: Schema) -> Schema:
    found: Schema = names[str(_last(schema["$ref"]))] if "$ref" in schema else schema
    return found


def _last(reference: str) -> str | None:
    return reference.rpartition("/")[2] or None
