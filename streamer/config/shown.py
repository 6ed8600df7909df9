"""The text of a configuration as it may be shown, without secrets; and a shown text with its secrets put back.

Hidden are passwords in addresses, whatever stands under `secret`, `signing_key`, `token` and `password`, and options of
cameras that sound like such; references (`${NAME}`) are no secrets and stay. Who sends a shown text back has not
changed what is hidden in it: that stays what it was, as long as it goes where it went before.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import yaml

from streamer.config.lines import Path, dotted
from streamer.errors import ConfigError, redact

HIDDEN = "***"
_SECRET_KEYS = frozenset({"secret", "signing_key", "token", "password"})
_SOUNDS_SECRET = re.compile(r"(?i)pass|pwd|token|secret|key|auth|user|cookie|header")
_BARE_REFERENCE = re.compile(r"\$\{(?:file:[^}]*|[A-Za-z_][A-Za-z0-9_]*)\}")  # with a default it holds a value
_REFERRED_PASSWORD = re.compile(r"(?<=://)[^\s:@/]*:(?:\x00\d+\x00)+@(?!\S*@)")
_MARKS = re.compile(r"(?:[&!]\S*\s+)*")


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value of the file: where it stands, what it says, and how that may be shown."""

    path: Path
    begin: int
    end: int
    line: int
    value: str
    shown: str


def shown(text: str, origin: str = "the configuration") -> str:
    """The text without secrets; comments too lose passwords in addresses. Raises ConfigError where it is no YAML."""
    found = list(scalars(text, origin))
    between = _between(text, found)
    parts = [_without_passwords(next(between))]
    for scalar in found:
        source = text[scalar.begin : scalar.end]
        parts += [
            source if scalar.shown == scalar.value else _written(source, scalar),
            _without_passwords(next(between)),
        ]
    return "".join(parts)


def restored(text: str, before: str, origin: str) -> str:
    """A shown text that somebody has edited, with the secrets of the text before it.

    Raises ConfigError where something hidden goes elsewhere than it did, or was not there at all.
    """
    old = list(scalars(before, origin))
    known = {each.path: each for each in old}
    comments = {
        redact(line): line for part in _between(before, old) for line in part.splitlines() if redact(line) != line
    }
    new = list(scalars(text, origin))
    told = {each.path: each.value for each in new}
    between = _between(text, new)
    problems, parts = [], [_with_passwords(next(between), comments)]
    for scalar in new:
        source = text[scalar.begin : scalar.end]
        if HIDDEN in scalar.value:
            meant = _meant(scalar, known, old, told)
            if meant is None:
                problems.append(
                    f"{origin}:{scalar.line}: {dotted(scalar.path)}: {HIDDEN} stands for a secret that is not known for"
                    " this value; write it out, or a reference such as ${NAME}"
                )
            else:
                source = _as_before(source, before[meant.begin : meant.end], meant)
        parts += [source, _with_passwords(next(between), comments)]
    if problems:
        raise ConfigError(problems)
    return "".join(parts)


def shown_value(value: str, path: Path) -> str:
    """One value as it may be shown; its path from the top of the file decides what it is."""
    key = path[-1] if path else ""
    if key in _SECRET_KEYS or (len(path) == 4 and path[2] == "options" and _SOUNDS_SECRET.search(str(key))):
        return value if not _BARE_REFERENCE.sub("", value) else HIDDEN
    references: list[str] = []

    def kept(match: re.Match[str]) -> str:
        references.append(match[0])
        return f"\x00{len(references) - 1}\x00"

    masked = _BARE_REFERENCE.sub(kept, value)
    if (referred := _REFERRED_PASSWORD.search(masked)) is not None:
        begin, end = referred.span()
        masked = redact(masked[:begin]) + referred[0] + redact(masked[end:])
    else:
        masked = redact(masked)
    return re.sub(r"\x00(\d+)\x00", lambda match: references[int(match[1])], masked)


def _meant(new: Scalar, known: dict[Path, Scalar], old: list[Scalar], told: dict[Path, str]) -> Scalar | None:
    """Which value of the old text the hidden one stands for."""
    there = known.get(new.path)
    if there is not None and there.shown == new.value:
        address = (*new.path[:2], "url")
        if new.path[2:3] != ("options",) or (address in known and known[address].shown == told.get(address)):
            return there
        return None
    if "://" not in new.value:
        return None
    alike = {each.value: each for each in old if each.shown == new.value != each.value}
    return next(iter(alike.values())) if len(alike) == 1 else None


def scalars(text: str, origin: str = "the configuration") -> Iterator[Scalar]:
    """Every value, in the order in which they stand; what an alias names stands once. Raises ConfigError."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "cannot be read"
        raise ConfigError([f"{origin}:{mark.line + 1 if mark else 1}: is not YAML here: {problem}"]) from error
    found: dict[int, Scalar] = {}

    def walk(node: yaml.Node | None, path: Path) -> None:
        if node is None or id(node) in seen:
            return
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                walk(value, (*path, str(key.value)))
        elif isinstance(node, yaml.SequenceNode):
            for i, item in enumerate(node.value):
                walk(item, (*path, i))
        elif node.start_mark.index < node.end_mark.index:
            begin = node.start_mark.index
            value = str(node.value)
            shown = shown_value(value, path)
            found[begin] = Scalar(path, begin, node.end_mark.index, node.start_mark.line + 1, value, shown)

    seen: set[int] = set()
    walk(root, ())
    yield from sorted(found.values(), key=lambda scalar: scalar.begin)


def _written(source: str, scalar: Scalar) -> str:
    """The shown value in the quotes of the real one; source is what stands in the file."""
    marks = _MARKS.match(source)
    before = marks[0] if marks else ""
    body = source[len(before) :]
    quote = body[:1] if body[:1] in "'\"" and body[:1] else ""
    if body == f"{quote}{scalar.value}{quote}" and "\n" not in body and (quote or scalar.shown[0] != "*"):
        return f"{before}{quote}{scalar.shown}{quote}"
    return before + json.dumps(scalar.shown, ensure_ascii=False) + ("\n" if body.endswith("\n") else "")


def _as_before(source: str, old_source: str, old: Scalar) -> str:
    marks, old_marks = _MARKS.match(source), _MARKS.match(old_source)
    body = old_source[len(old_marks[0]) if old_marks else 0 :]
    one_line = body if "\n" not in body else json.dumps(old.value, ensure_ascii=False)
    return (marks[0] if marks else "") + one_line


def _between(text: str, found: list[Scalar]) -> Iterator[str]:
    """What stands before, between and behind values: keys, signs and comments."""
    at = 0
    for scalar in found:
        yield text[at : scalar.begin]
        at = scalar.end
    yield text[at:]


def _without_passwords(between: str) -> str:
    return "".join(redact(line) for line in between.splitlines(keepends=True))


def _with_passwords(between: str, comments: Mapping[str, str]) -> str:
    """A comment that was left as it was shown is as it was."""
    if HIDDEN not in between:
        return between
    lines = ((line.rstrip("\r\n"), line[len(line.rstrip("\r\n")) :]) for line in between.splitlines(keepends=True))
    return "".join(comments.get(line, line) + end for line, end in lines)
