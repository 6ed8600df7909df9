"""Every key of the configuration file as a page of Markdown, out of the same schema that editors get."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from streamer.config.editor_schema import editor_schema

_BEGIN = """\
# Every key of the configuration

Written by `streamer config reference > docs/reference.md` from `streamer/config/model`; a test holds the two
together. What the parts are for and how they are changed: [configuration](configuration.md). Every key may be left out
unless its default is “needed”. Names (`NAME`) are letters, digits, `_`, `.` and `-`, at most 64. Times are in seconds,
pictures in fractions from 0 to 1, x to the right and y down. Any value may be a reference: `${NAME}`,
`${NAME:-default}`, `${file:/run/secrets/x}`.
"""
_RULES = "cameras.NAME.rules[]"

Schema = Mapping[str, Any]


def reference() -> str:
    """The whole page."""
    schema = editor_schema()
    return "\n".join([_BEGIN, *_sections("", schema, schema["$defs"], set())])


def _sections(path: str, schema: Schema, named: Mapping[str, Schema], seen: set[str]) -> Iterator[str]:
    """This table, and those of everything below it; what stands in several places is told where it stands first."""
    yield from _section(path, schema.get("description", "") if path else "The top level.", schema, named)
    for key, each in schema["properties"].items():
        below = f"{path}.{key}" if path else key
        names = list(_names_in(each))
        if len(names) > 1:
            yield from _rules([named[name] for name in names], named)
            names = ["ScheduleConfig"]
            below = f"{_RULES}.schedule"
        if "patternProperties" in each:
            below += ".NAME"
        elif each.get("type") == "array":
            below += "[]"
        for name in names:
            if name not in seen:
                seen.add(name)
                yield from _sections(below, named[name], named, seen)


def _rules(kinds: list[Schema], named: Mapping[str, Schema]) -> Iterator[str]:
    """What all rules have; what those about tracked objects have, which is all of them today; then what each adds."""
    common = {
        key: each
        for key, each in kinds[0]["properties"].items()
        if all(kind["properties"].get(key) == each for kind in kinds)
    }
    yield from _section(_RULES, "What every rule can say, whatever its kind.", {"properties": common}, named, kinds[0])
    for kind in kinds:
        own = {key: each for key, each in kind["properties"].items() if common.get(key) != each}
        kind_of = own.pop("kind")
        title = ", ".join(_allowed(kind_of, named).split(" or "))
        yield from _section(f"rules[] of kind {title}", kind["description"], {"properties": own}, named, kind)


def _section(
    title: str, about: str, schema: Schema, named: Mapping[str, Schema], owner: Schema | None = None
) -> Iterator[str]:
    heading = title.replace("`", "") or "The whole file"
    yield f"## {heading}\n"
    yield about.strip() + "\n"
    yield "| key | value | default | |"
    yield "| --- | --- | --- | --- |"
    needed = (owner or schema).get("required", ())
    for key, each in schema["properties"].items():
        default = "needed" if key in needed else _written(each.get("default"))
        told = " ".join(each.get("description", "").split("\n\n")[0].split()).replace("None:", "null:")
        yield f"| `{key}` | {_cell(_allowed(each, named))} | {default} | {_cell(told)} |"
    yield ""


def _allowed(schema: Schema, named: Mapping[str, Schema]) -> str:
    """What may stand there, in words."""
    if "$ref" in schema:
        return "keys below"
    if several := schema.get("anyOf") or schema.get("oneOf"):
        said = [_allowed(each, named) for each in several if each.get("$ref") != "#/$defs/Reference"]
        return " or ".join(dict.fromkeys(said))
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return " or ".join(f"`{each}`" for each in schema["enum"])
    match schema.get("type"):
        case "array":
            if "prefixItems" in schema:
                return f"[{', '.join(_allowed(each, named) for each in schema['prefixItems'])}]"
            return f"list of {_allowed(schema['items'], named)}"
        case "object":
            inner = [*schema.get("patternProperties", {}).values(), schema.get("additionalProperties")]
            return f"NAME: {_allowed(inner[0], named)}" if isinstance(inner[0], dict) else "keys"
        case "integer" | "number":
            return f"{'whole number' if schema['type'] == 'integer' else 'number'}{_limits(schema)}"
        case "boolean":
            return "`true` or `false`"
        case "null":
            return "`null`"
        case _:
            return {"path": "path", "password": "secret"}.get(schema.get("format", ""), "text")


def _limits(schema: Schema) -> str:
    signs = (("minimum", "≥"), ("exclusiveMinimum", ">"), ("maximum", "≤"), ("exclusiveMaximum", "<"))
    said = [f"{sign} {schema[key]:g}" for key, sign in signs if key in schema]
    return f" {', '.join(said)}" if said else ""


def _names_in(schema: Any) -> Iterator[str]:
    """The models that a value may be, each once."""
    found: dict[str, None] = {}
    stack = [schema]
    while stack:
        each = stack.pop(0)
        if isinstance(each, Mapping):
            if "$ref" in each and (name := each["$ref"].rpartition("/")[2]) != "Reference":
                found[name] = None
            stack += [inner for key, inner in each.items() if key not in ("default", "discriminator")]
        elif isinstance(each, list):
            stack += each
    yield from found


def _written(default: Any) -> str:
    """A default; of keys with keys below them their own defaults tell."""
    if isinstance(default, dict):
        return ""
    if isinstance(default, float):
        return f"`{default:g}`"
    return "" if default == [] else f"`{json.dumps(default, ensure_ascii=False).strip(chr(34))}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
