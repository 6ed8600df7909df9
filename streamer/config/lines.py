"""YAML with a memory of lines: plain values, and for every key the line on which it stands."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from streamer.config.references import Unresolved, filled_in

Path = tuple[str | int, ...]
_LEAST_SECRET = 4
"""Shorter values from outside the file are numbers and switches: hiding '5' in every sentence would help nobody."""

_MOST_VALUES = 200_000
_TOO_DEEP = "is nested too deeply, or an alias holds itself"


class NotYaml(ValueError):
    """A text that is no YAML, or more of it than is read; the message goes behind the file's name and `line`."""

    def __init__(self, sentence: str, line: int = 1) -> None:
        super().__init__(sentence)
        self.line = line


@dataclass(slots=True)
class Document:
    """A parsed file: `value` as plain Python, `lines` path → line from 1, `problems` as (line, sentence).

    from_outside: what references were replaced by.
    """

    value: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    problems: list[tuple[int, str]] = field(default_factory=list)
    from_outside: set[str] = field(default_factory=set, repr=False)

    def line_of(self, path: Path) -> int:
        """The line of a key, or of the nearest thing around it that stands in the file."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def without_secrets(self, sentence: str) -> str:
        """A sentence about this file that shows nothing of what came from the environment or from files."""
        for value in sorted(self.from_outside, key=len, reverse=True):
            sentence = sentence.replace(value, "***")
        return sentence


def read_document(text: str, environment: Mapping[str, str] | None = None, *, as_written: bool = False) -> Document:
    """Parse one YAML document; never raises for bad content, but fills `problems`.

    References in texts (references.py) are replaced from the environment and from files, unless it is read as_written.
    """
    document = Document()
    try:
        node = composed(text)
        if node is not None:
            reader = _Reader(document, None if as_written else os.environ if environment is None else environment)
            document.value = reader.plain(node, ())
    except NotYaml as error:
        document.problems.append((error.line, str(error)))
    except RecursionError:
        document.problems.append((1, _TOO_DEEP))
    return document


def composed(text: str) -> yaml.Node | None:
    """The nodes of the one document in a text, None where it is empty. Raises NotYaml."""
    try:
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise NotYaml(f"is not YAML here: {error.problem}", mark.line + 1 if mark else 1) from error
    except yaml.YAMLError as error:
        raise NotYaml(f"is not YAML: {error}") from error
    except RecursionError as error:
        raise NotYaml(_TOO_DEEP) from error


class _Reader:
    def __init__(self, document: Document, environment: Mapping[str, str] | None) -> None:
        self._document, self._environment = document, environment
        self._scalars = yaml.constructor.SafeConstructor()
        self._values = 0

    def plain(self, node: yaml.Node, path: Path) -> Any:
        self._values += 1
        if self._values > _MOST_VALUES:  # a few aliases of aliases stand for more than any memory holds
            raise NotYaml(f"holds more than {_MOST_VALUES} values, aliases written out", node.start_mark.line + 1)
        self._document.lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.plain(item, (*path, i)) for i, item in enumerate(node.value)]
        try:
            value = self._scalars.construct_object(node)
        except (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError) as error:
            # A tag that does not fit its text (`!!bool maybe`) comes out of PyYAML as whatever it trips over.
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
        if self._environment is None:
            return text
        try:
            filled, used = filled_in(text, self._environment)
        except Unresolved as error:
            self._document.problems.append((node.start_mark.line + 1, str(error)))
            return text
        self._document.from_outside.update(value for value in used if len(value) >= _LEAST_SECRET)
        return filled


def dotted(path: Path) -> str:
    """`cameras.gate.rules[1].zone`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else (f".{part}" if text else str(part))
    return text
