"""Zones, lines and new rules put into the text of a configuration file: all else stays as a person wrote it.

Only the values of `zones:` and `lines:` of one camera are replaced, and rules added behind those that it has, in the
file's own indentation; comments elsewhere, variables and the order of keys stay. Whether the result says what was meant
is for the caller to check.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from streamer.config.lines import composed

Points = Sequence[tuple[float, float]]
_DECIMALS = 4


def with_places(text: str, camera: str, zones: Mapping[str, Points], lines: Mapping[str, Points]) -> str:
    """The text with these zones and lines of a camera. Raises ValueError where the camera's settings are not found."""
    for key, shapes in (("zones", zones), ("lines", lines)):
        text = _with(text, camera, key, shapes)
    return text


def with_rules(text: str, camera: str, rules: Sequence[Mapping[str, Any]]) -> str:
    """The text with these rules behind those that a camera has. Raises ValueError where there is no place for them."""
    settings = _camera(composed(text), camera)
    if not rules:
        return text
    items = [_item(rule) for rule in rules]
    there = next((value for key, value in settings.value if key.value == "rules"), None)
    if there is None:
        return _inserted(text, settings, f"rules: [{', '.join(items)}]", _listed("rules", items, settings))
    if not isinstance(there, yaml.SequenceNode):
        raise ValueError(f"the rules of camera '{camera}' are no list in the file")
    begin, end = there.start_mark.index, there.end_mark.index
    if there.flow_style:
        kept = text[begin : end - 1].rstrip().rstrip(",")
        return f"{text[:begin]}{kept}{', ' if there.value else ''}{', '.join(items)}]{text[end:]}"
    end = _end_of_line(text, begin + len(_without_tail(text[begin:end])))
    dash = " " * there.start_mark.column + "- "
    return text[:end] + "".join(f"\n{dash}{item}" for item in items) + text[end:]


def _with(text: str, camera: str, key: str, shapes: Mapping[str, Points]) -> str:
    settings = _camera(composed(text), camera)
    for key_node, value_node in settings.value:
        if key_node.value == key:
            begin, end = key_node.start_mark.index, value_node.end_mark.index
            if settings.flow_style or (isinstance(value_node, yaml.MappingNode) and value_node.flow_style):
                return f"{text[:begin]}{key}: {_flow(shapes)}{text[end:]}"
            # A block ends where the next token begins: what stands between, comments too, belongs to what follows.
            end = begin + len(_without_tail(text[begin:end]))
            return text[:begin] + _block(key, shapes, key_node.start_mark.column) + text[end:]
    if not shapes:
        return text
    column = settings.value[0][0].start_mark.column
    return _inserted(text, settings, f"{key}: {_flow(shapes)}", _block(key, shapes, column))


def _inserted(text: str, settings: yaml.MappingNode, flow: str, block: str) -> str:
    """One key more: behind the last where the settings stand in braces, else behind the first."""
    if settings.flow_style:
        end = settings.end_mark.index - 1
        return f"{text[:end].rstrip().rstrip(',')}, {flow}{text[end:]}"
    first, value = settings.value[0]
    begin = first.start_mark.index
    end = _end_of_line(text, begin + len(_without_tail(text[begin : value.end_mark.index])))
    return f"{text[:end]}\n{' ' * first.start_mark.column}{block}{text[end:]}"


def _end_of_line(text: str, at: int) -> int:
    """A comment behind a value stays with it."""
    return at + len(text[at:].partition("\n")[0].rstrip("\r"))


def _camera(document: yaml.Node | None, camera: str) -> yaml.MappingNode:
    node: yaml.Node | None = document
    for name in ("cameras", camera):
        pairs = node.value if isinstance(node, yaml.MappingNode) else ()
        node = next((value for key, value in pairs if key.value == name), None)
    if not isinstance(node, yaml.MappingNode) or not node.value:
        raise ValueError(f"the settings of camera '{camera}' are not found in the file")
    return node


def _block(key: str, shapes: Mapping[str, Points], column: int) -> str:
    if not shapes:
        return f"{key}: {{}}"
    inner = " " * (column + 2)
    return "\n".join([f"{key}:", *(f"{inner}{_name(name)}: {_points(points)}" for name, points in shapes.items())])


def _listed(key: str, items: Sequence[str], settings: yaml.MappingNode) -> str:
    inner = " " * (settings.value[0][0].start_mark.column + 2)
    return "\n".join([f"{key}:", *(f"{inner}- {item}" for item in items)])


def _item(rule: Mapping[str, Any]) -> str:
    # What was typed is no variable: `${NAME}` would be filled in from the environment.
    plain = {key: value.replace("$", "$$") if isinstance(value, str) else value for key, value in rule.items()}
    return yaml.safe_dump(plain, default_flow_style=True, sort_keys=False, width=10_000).strip()


def _flow(shapes: Mapping[str, Points]) -> str:
    return "{" + ", ".join(f"{_name(name)}: {_points(points)}" for name, points in shapes.items()) + "}"


def _points(points: Points) -> str:
    return "[" + ", ".join(f"[{_number(x)}, {_number(y)}]" for x, y in points) + "]"


def _number(value: float) -> str:
    return f"{round(float(value), _DECIMALS) + 0.0:g}"


def _name(name: str) -> str:
    # A name is a name: 'on' and '12' are read as texts by us, and should be by everybody else.
    plain = yaml.safe_dump({name: 0}, default_flow_style=False)
    return plain[: plain.rindex(":")]


def _without_tail(block: str) -> str:
    """A block without the blank lines and comments behind its last value."""
    lines = block.splitlines(keepends=True)
    while lines and (not lines[-1].strip() or lines[-1].lstrip().startswith("#")):
        lines.pop()
    return "".join(lines).rstrip()
