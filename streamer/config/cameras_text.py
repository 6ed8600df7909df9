"""One camera added to the text of a configuration file, changed in it, or taken out: all else stays as it was written.

Only keys that change are written anew; comments, references and the order of keys stay. What cannot be changed so (YAML
aliases, odd layouts) is refused: whatever is returned says what was meant and nothing else.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import yaml

from streamer.config.lines import composed, read_document

Settings = Mapping[str, Any]


def settings_of(text: str, camera: str) -> dict[str, Any]:
    """A camera's settings as they are written, references included. Raises LookupError."""
    found = _cameras(text).get(camera)
    if not isinstance(found, dict):
        raise LookupError(f"there is no camera '{camera[:80]}' in the file")
    return found


def with_camera(text: str, camera: str, settings: Settings) -> str:
    """The text with these settings of a camera, which may be new. Raises ValueError with a sentence."""
    try:
        return _with_camera(text, camera, settings)
    except RecursionError as error:
        raise ValueError(f"the settings of camera '{camera[:80]}' are nested too deeply") from error


def _with_camera(text: str, camera: str, settings: Settings) -> str:
    there = _cameras(text)
    if camera not in there:
        changed = _with_pair(text, ("cameras",), camera, settings)
    else:
        changed = text
        was = there[camera] if isinstance(there[camera], dict) else {}
        for key in [key for key in settings if key not in was or was[key] != settings[key]]:
            changed = _with_pair(changed, ("cameras", camera), key, settings[key])
        for key in [key for key in was if key not in settings]:
            changed = _without_key(changed, ("cameras", camera), key)
    return _checked(text, changed, {**there, camera: copy.deepcopy(dict(settings))})


def without_camera(text: str, camera: str) -> str:
    """The text without a camera. Raises LookupError where there is none, ValueError where it cannot be taken out."""
    settings_of(text, camera)
    there = _cameras(text)
    return _checked(text, _without_key(text, ("cameras",), camera), {k: v for k, v in there.items() if k != camera})


def _cameras(text: str) -> dict[str, Any]:
    value = _plain(text)
    cameras = value.get("cameras") if isinstance(value, dict) else None
    return cameras if isinstance(cameras, dict) else {}


def _plain(text: str) -> Any:
    document = read_document(text, as_written=True)
    if document.problems:
        line, sentence = document.problems[0]
        raise ValueError(f"line {line}: {sentence}")
    return document.value


def _checked(before: str, after: str, cameras: Mapping[str, Any]) -> str:
    try:
        says_it = _plain(after) == {**_plain(before), "cameras": dict(cameras)}
    except ValueError:
        says_it = False
    if not says_it:
        raise ValueError("the file is written in a way that only a person can change: edit it there")
    return after


def _with_pair(text: str, path: tuple[str, ...], key: str, value: Any) -> str:
    """A key with its value, in the place of the one that is there, or behind the last."""
    group = _group(text, path)
    column = group.value[0][0].start_mark.column if group.value else 0
    line_end = "\r\n" if "\r\n" in text else "\n"
    flow = f"{_flow(key)}: {_flow(value)}"
    pair = flow if group.flow_style else _block(key, value, column).replace("\n", line_end)
    for key_node, value_node in group.value:
        if str(key_node.value) == key:
            begin, end = key_node.start_mark.index, _end(text, value_node)
            return text[:begin] + pair + text[end:]
    if group.flow_style or not group.value:
        end = group.end_mark.index - 1
        if not group.flow_style or text[end : end + 1] != "}":
            raise ValueError("the file is written in a way that only a person can change: edit it there")
        kept = text[:end].rstrip().rstrip(",")
        return f"{kept}{', ' if group.value else ''}{flow}{text[end:]}"
    end = _end_of_line(text, _end(text, group.value[-1][1]))
    return f"{text[:end]}{line_end}{' ' * column}{pair}{text[end:]}"


def _without_key(text: str, path: tuple[str, ...], key: str) -> str:
    group = _group(text, path)
    pairs = group.value
    at = next(i for i, (key_node, _) in enumerate(pairs) if str(key_node.value) == key)
    begin, end = pairs[at][0].start_mark.index, _end(text, pairs[at][1])
    if group.flow_style:
        if at + 1 < len(pairs):
            return text[:begin] + text[pairs[at + 1][0].start_mark.index :]
        return text[: _end(text, pairs[at - 1][1]) if at else begin] + text[end:].lstrip(" ,")
    begin = text.rfind("\n", 0, begin) + 1
    end = _end_of_line(text, end)
    end += 2 if text[end : end + 2] == "\r\n" else text[end : end + 1] == "\n"
    return text[:begin] + text[end:]


def _group(text: str, path: tuple[str, ...]) -> yaml.MappingNode:
    node: yaml.Node | None = composed(text)
    for name in path:
        pairs = node.value if isinstance(node, yaml.MappingNode) else ()
        node = next((value for key, value in pairs if str(key.value) == name), None)
    if not isinstance(node, yaml.MappingNode):
        raise ValueError(f"'{'.'.join(path)}' is not found in the file")
    return node


def _end(text: str, node: yaml.Node) -> int:
    """Where a value ends: comments and blank lines behind a block belong to what follows."""
    begin, end = node.start_mark.index, node.end_mark.index
    flow = getattr(node, "flow_style", None)
    if flow or (isinstance(node, yaml.ScalarNode) and node.style not in ("|", ">")):
        return int(end)
    lines = text[begin:end].splitlines(keepends=True)
    while lines and (not lines[-1].strip() or lines[-1].lstrip().startswith("#")):
        lines.pop()
    return int(begin + len("".join(lines).rstrip()))


def _end_of_line(text: str, at: int) -> int:
    """A comment behind a value stays with it."""
    return at + len(text[at:].partition("\n")[0].rstrip("\r"))


def _flow(value: Any) -> str:
    plain = value if not isinstance(value, Mapping) else dict(value)
    dumped = yaml.safe_dump([plain], default_flow_style=True, sort_keys=False, width=1_000_000, allow_unicode=True)
    return dumped.strip()[1:-1]


def _block(key: str, value: Any, column: int) -> str:
    """The pair as a person would write it: what is short in braces, else one key to a line."""
    flow = f"{_flow(key)}: {_flow(value)}"
    if not isinstance(value, Mapping | list) or not value or (not isinstance(value, Mapping) and len(flow) <= 100):
        return flow
    inner = " " * (column + 2)
    if isinstance(value, Mapping):
        return "\n".join([f"{_flow(key)}:", *(inner + _block(str(k), v, column + 2) for k, v in value.items())])
    return "\n".join([f"{_flow(key)}:", *(f"{inner}- {_flow(item)}" for item in value)])
