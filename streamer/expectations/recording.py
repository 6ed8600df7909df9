"""What was seen, written down as what is expected from now on: YAML for people to read, correct and commit.

A file that is there already keeps every other video's part to the letter, comments included.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import yaml

from streamer.errors import ConfigError
from streamer.expectations.load import Written, load_expectations, parse_expectations
from streamer.expectations.moments import shown
from streamer.expectations.seen import SeenAlert

_HEAD = """\
# What these videos' alerts should be; `streamer replay --expect {name}` says whether they are.
"""
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./ -]*(?<! )")
_NOT_TEXT = ("yes", "no", "on", "off", "true", "false", "null", "y", "n")


def section(video: str, camera: str, alerts: Sequence[SeenAlert], wrong: Collection[int], tolerance_s: float) -> str:
    """One item of `videos:`, indented by two: every alert as it was seen, numbered from 1; those in `wrong` as `never`.

    Of an alert that was open when the video ended, its end is not expected.
    """
    lines = [f"  - video: {_scalar(video)}", f"    camera: {_scalar(camera)}"]
    right = [each for number, each in enumerate(alerts, 1) if number not in wrong]
    refused = [each for number, each in enumerate(alerts, 1) if number in wrong]
    lines.append("    alerts:" if right else "    alerts: []")
    for each in right:
        lines += _entry(_expected(each), each)
    if refused:
        lines.append("    never:  # judged wrong")
        for each in refused:
            lines += _entry(_never(each, tolerance_s), each)
    return "\n".join(lines) + "\n"


def new_file(path: Path, config: Path, tolerance_s: float, item: str) -> str:
    """A file with one video; the configuration's path is written from the file's folder."""
    head = _HEAD.format(name=path.name)
    return f"{head}config: {_scalar(relative(config, path))}\ntolerance_s: {tolerance_s:g}\nvideos:\n{item}"


def recorded(path: Path, config: Path, tolerance_s: float, video: Path, camera: str, item: str) -> tuple[str, bool]:
    """The whole text of the file with this item in it, and whether it took the place of an older one.

    Raises ConfigError where the file is there and is none of expectations, or cannot be added to.
    """
    if not path.exists():
        return new_file(path, config, tolerance_s, item), False
    written = load_expectations(path)
    text = path.read_text(encoding="utf-8")
    number = find(written, video, camera)
    begin, end, indent = _place(text, path, number)
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    lines[begin:end] = [indent + line[2:] for line in item.splitlines(keepends=True)]
    joined = "".join(lines)
    parse_expectations(joined, path)
    return joined, number is not None


def find(written: Written, video: Path, camera: str | None) -> int | None:
    """Which item of the file is about this video and camera; an item without a camera is about any."""
    for number, each in enumerate(written.expectations.videos):
        if is_same_file(written.there(each.video), video) and (camera is None or each.camera in (None, camera)):
            return number
    return None


def is_same_file(a: Path, b: Path) -> bool:
    """Whether two paths lead to the same place, whatever lies there."""
    return os.path.realpath(a) == os.path.realpath(b)


def relative(target: Path, file: Path) -> str:
    """The way to a target from the folder of a file, with forward slashes."""
    return Path(os.path.relpath(target.resolve(), file.resolve().parent)).as_posix()


def _expected(alert: SeenAlert) -> Iterator[tuple[str, str]]:
    yield "rule", _scalar(alert.rule)
    yield "kind", _scalar(alert.kind)
    yield "opens", shown(alert.opened_s)
    if alert.closed_s is not None and not alert.cut and alert.closed_s > alert.opened_s:
        yield "closes", shown(alert.closed_s)
    if alert.place is not None:
        yield "place", _scalar(alert.place)
    if alert.label is not None:
        yield "label", _scalar(alert.label)
    if alert.box is not None and alert.box[0] < alert.box[2] and alert.box[1] < alert.box[3]:
        yield "box", f"[{', '.join(f'{edge:.3f}' for edge in alert.box)}]"


def _never(alert: SeenAlert, tolerance_s: float) -> Iterator[tuple[str, str]]:
    yield "rule", _scalar(alert.rule)
    if alert.place is not None:
        yield "place", _scalar(alert.place)
    yield "from", shown(max(0.0, alert.opened_s - tolerance_s))
    yield "to", shown(alert.opened_s + tolerance_s)


def _entry(keys: Iterator[tuple[str, str]], alert: SeenAlert) -> Iterator[str]:
    said = " ".join(alert.text.split())
    for i, (key, value) in enumerate(keys):
        comment = f"  # {said}" if i == 0 and said.isprintable() and said else ""
        yield f"      {'- ' if i == 0 else '  '}{key}: {value}{comment}"


def _scalar(text: str) -> str:
    """A text as YAML: plain where it can be nothing else, else in double quotes. A dollar sign is doubled."""
    text = text.replace("$", "$$")
    plain = _PLAIN.fullmatch(text) and text.lower() not in _NOT_TEXT
    if plain:
        return text
    quoted: str = yaml.safe_dump(text, default_style='"', allow_unicode=True, width=math.inf)
    return quoted.rstrip("\n")


def _place(text: str, path: Path, number: int | None) -> tuple[int, int, str]:
    """First line of an item and one past its last, from 0, both the list's end for none; and how items are indented."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    assert isinstance(root, yaml.MappingNode)  # it was read as expectations before
    [videos] = [value for key, value in root.value if key.value == "videos"]
    if not isinstance(videos, yaml.SequenceNode) or videos.flow_style or any(each.flow_style for each in videos.value):
        raise ConfigError([f"{path}: its videos are written in brackets; write them as a list, or record a new file"])
    indent = " " * videos.start_mark.column
    if number is None:
        end = _end_line(videos)
        return end, end, indent
    begin, lines = videos.value[number].start_mark.line, text.splitlines()
    while not lines[begin].startswith(f"{indent}-"):  # the dash may stand alone on a line above
        begin -= 1
    return begin, _end_line(videos.value[number]), indent


def _end_line(node: yaml.Node) -> int:
    """One past the last line on which something of a node stands; comments that follow are not its own."""
    if isinstance(node, yaml.CollectionNode) and node.value and not node.flow_style:
        last = node.value[-1]
        return _end_line(last[1] if isinstance(last, tuple) else last)
    return node.end_mark.line + (1 if node.end_mark.column > 0 or node.end_mark.line == node.start_mark.line else 0)
