"""The JSON Schema of the configuration file, for editors: keys, limits and defaults, with the words of config/model.

Descriptions come from where they are written already: docstrings of the models, and comments behind their keys. What
only the whole file can know (zones that rules name, polygons that cross themselves) is left to `streamer validate`.
"""

from __future__ import annotations

import ast
import functools
import inspect
import io
import textwrap
import tokenize
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from streamer.config.model import Config

DRAFT = "https://json-schema.org/draft/2020-12/schema"

# A value of any kind may be a reference, which becomes a number, a name or a switch when the file is read.
_REFERENCE = {
    "type": "string",
    "pattern": r"\$\{",
    "description": "${NAME}, ${NAME:-default} or ${file:/run/secrets/x}",
}
_CLOCK_TIME = {"anyOf": [{"type": "string", "pattern": r"^([01]?\d|2[0-4]):[0-5]\d(:[0-5]\d)?$"},
                         {"type": "integer", "minimum": 0, "maximum": 1440}]}  # fmt: skip
_RATE = {"anyOf": [{"type": "number", "exclusiveMinimum": 0, "maximum": 240}, {"const": "all"}]}
_UNITS = {"s": "in seconds", "fps": "in frames a second", "mb": "in megabytes", "days": "in days", "hours": "in hours",
          "deg": "in degrees", "m": "in metres"}  # fmt: skip


def editor_schema() -> dict[str, Any]:
    """The schema (draft 2020-12). A file that `streamer validate` takes passes; unknown keys and wrong kinds do not."""
    schema = Config.model_json_schema(schema_generator=_Generator, ref_template="#/$defs/{model}")
    for name, model in _models(Config):
        described = schema if model is Config else schema["$defs"].get(name)
        if described:
            _describe(described, model)
    schema["$defs"] = {name: _loosened(each) for name, each in schema["$defs"].items()} | {"Reference": _REFERENCE}
    loosened: dict[str, Any] = _loosened(schema)
    return {"$schema": DRAFT, **loosened, "title": "A configuration of Streamer"}


class _Generator(GenerateJsonSchema):
    def function_plain_schema(self, schema: core_schema.PlainValidatorFunctionSchema) -> JsonSchemaValue:  # noqa: ARG002
        return dict(_RATE)  # the only key whose value is read by a function alone: analyse_fps


def _models(model: type[BaseModel], seen: set[type[BaseModel]] | None = None) -> Iterator[tuple[str, type[BaseModel]]]:
    seen = set() if seen is None else seen
    if model in seen:
        return
    seen.add(model)
    yield model.__name__, model
    for field in model.model_fields.values():
        for inner in _named_in(field.annotation):
            yield from _models(inner, seen)


def _named_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from _named_in(argument)


def _describe(schema: dict[str, Any], model: type[BaseModel]) -> None:
    ours = [base for base in reversed(model.__mro__) if issubclass(base, BaseModel) and base is not BaseModel]
    said = {key: text for base in ours for key, text in _comments(base).items()}
    for name, field in model.model_fields.items():
        inner = list(_named_in(field.annotation))
        text = said.get(name) or (inspect.getdoc(inner[0]) if len(inner) == 1 else None) or _in_words(name)
        if text:
            schema["properties"][field.alias or name]["description"] = text


@functools.cache
def _comments(model: type) -> dict[str, str]:
    """Key → the comment behind it."""
    try:
        source = textwrap.dedent(inspect.getsource(model))
    except (OSError, TypeError):  # not ours, or without its source
        return {}
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    behind = {token.start[0]: token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT}
    [body] = [node.body for node in ast.parse(source).body if isinstance(node, ast.ClassDef)] or [[]]
    return {
        node.target.id: behind[node.end_lineno]
        for node in body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.end_lineno in behind
    }


def _in_words(name: str) -> str | None:
    begin, _, unit = name.rpartition("_")
    return f"{begin.replace('_', ' ')}, {_UNITS[unit]}" if begin and unit in _UNITS else None


def _loosened(schema: Any) -> Any:
    """The same, but for titles that only repeat names, and with references wherever a value is more than any text."""
    if isinstance(schema, list):
        return [_loosened(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("format") == "time":
        return {**{key: schema[key] for key in ("description", "default") if key in schema}, **_CLOCK_TIME}
    told = {key: value for key, value in schema.items() if key != "title" or not isinstance(value, str)}
    for key in ("items", "prefixItems", "anyOf", "oneOf", "additionalProperties"):
        if key in told:
            told[key] = _loosened(told[key])
    for key in ("properties", "patternProperties"):
        if isinstance(told.get(key), Mapping):
            told[key] = {name: _loosened(each) for name, each in told[key].items()}
    if "patternProperties" in told:
        told["additionalProperties"] = False
    if _is_more_than_a_text(told):
        kept = {key: told.pop(key) for key in ("description", "default") if key in told}
        return {**kept, "anyOf": [told, {"$ref": "#/$defs/Reference"}]}
    return told


def _is_more_than_a_text(schema: Mapping[str, Any]) -> bool:
    if schema.get("type") in ("integer", "number", "boolean"):
        return True
    return schema.get("type") == "string" and ("enum" in schema or "pattern" in schema) and "const" not in schema
