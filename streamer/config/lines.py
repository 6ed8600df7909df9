"""YAML with a memory of lines: plain values, and for every key the line on which it stands."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

Path = tuple[str | int, ...]
_VARIABLE = re.compile(r"\$(?:\$|\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\})")


@dataclass(slots=True)
class Document:
    """A parsed file: `value` as plain Python, `lines` path → line from 1, `problems` as (line, sentence)."""

    value: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    problems: list[tuple[int, str]] = field(default_factory=list)

    def line_of(self, path: Path) -> int:
        """The line of a key, or of the nearest thing around it that stands in the file."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def read_document(text: str, environment: Mapping[str, str] | None = None) -> Document:
    """Parse one YAML document; never raises for bad content, but fills `problems`.

    `${NAME}` and `${NAME:-default}` in texts are replaced from the environment, `$$` is a dollar sign.
    """
    document = Document()
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        document.problems.append((mark.line + 1 if mark else 1, f"is not YAML here: {error.problem}"))
        return document
    except yaml.YAMLError as error:
        document.problems.append((1, f"is not YAML: {error}"))
        return document
    if node is not None:
        reader = _Reader(document, os.environ if environment is None else environment)
        try:
            document.value = reader.plain(node, ())
        except RecursionError:
            document.problems.append((1, "is nested too deeply, or an alias holds itself"))
    return document


class _Reader:
    def __init__(self, document: Document, environment: Mapping[str, str]) -> None:
        self._document, self._environment = document, environment
        self._scalars = yaml.constructor.SafeConstructor()

    def plain(self, node: yaml.Node, path: Path) -> Any:
        self._document.lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.plain(item, (*path, i)) for i, item in enumerate(node.value)]
        try:
            value = self._scalars.construct_object(node)
        except (yaml.YAMLError, ValueError) as error:
            self._document.problems.append((node.start_mark.line + 1, f"cannot be read: {error}"))
            return None
        return self._expand(value, node) if isinstance(value, str) else value

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            # Keys are names here, always: 'on', 'yes' and 12 are fine names for a zone.
            key = str(key_node.value)
            if key in found:
                first = self._document.lines[(*path, key)]
                self._document.problems.append((line, f"{dotted((*path, key))}: stands twice; first on line {first}"))
                continue
            self._document.lines[(*path, key)] = line
            found[key] = self.plain(value_node, (*path, key))
        return found

    def _expand(self, text: str, node: yaml.Node) -> str:
        def value_of(match: re.Match[str]) -> str:
            if match.group(0) == "$$":
                return "$"
            name, default = match.group(1), match.group(2)
            if name in self._environment:
                return self._environment[name]
            if default is not None:
                return default
            line = node.start_mark.line + 1
            self._document.problems.append(
                (line, f"the environment variable {name} is not set; set it, or write ${{{name}:-default}}")
            )
            return ""

        return _VARIABLE.sub(value_of, text)


def dotted(path: Path) -> str:
    """`cameras.gate.rules[1].zone`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else (f".{part}" if text else str(part))
    return text
