"""Zones and lines changed in the text of a configuration file: everything else stays as a person wrote it.

Only the values of `zones:` and `lines:` of one camera are replaced, in the file's own indentation; comments outside of
them, variables and the order of keys stay. Whether the result says what was meant is for the caller to check.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import yaml

Points = Sequence[tuple[float, float]]
_DECIMALS = 4


def with_places(text: str, camera: str, zones: Mapping[str, Points], lines: Mapping[str, Points]) -> str:
    """The text with these zones and lines of a camera. Raises ValueError where the camera's settings are not found."""
    for key, shapes in (("zones", zones), ("lines", lines)):
        text = _with(text, camera, key, shapes)
    return text


def _with(text: str, camera: str, key: str, shapes: Mapping[str, Points]) -> str:
    settings = _camera(yaml.compose(text, Loader=yaml.SafeLoader), camera)
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
    if settings.flow_style:
        end = settings.end_mark.index - 1
        comma = ", " if settings.value else ""
        return f"{text[:end].rstrip().rstrip(',')}{comma}{key}: {_flow(shapes)}{text[end:]}"
    first, value = settings.value[0]
    end = value.end_mark.index
    end = first.start_mark.index + len(_without_tail(text[first.start_mark.index : end]))
    rest_of_line = text[end:].partition("\n")[0]  # a comment behind the first value stays with it
    end += len(rest_of_line)
    column = first.start_mark.column
    return f"{text[:end]}\n{' ' * column}{_block(key, shapes, column)}{text[end:]}"


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
