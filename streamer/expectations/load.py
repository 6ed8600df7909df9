"""From a file of expectations to checked values, or to every problem at once: file, line, key, what would be right."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from streamer.config.lines import Document, dotted, read_document
from streamer.config.lines import Path as KeyPath
from streamer.config.messages import describe, path_in_file
from streamer.errors import ConfigError
from streamer.expectations.model import Expectations, VideoExpectations, Which

_MOST_BYTES = 4_000_000


@dataclass(frozen=True, slots=True)
class Written:
    """A file of expectations, and on which lines its parts stand."""

    path: Path
    expectations: Expectations
    document: Document

    def line_of(self, *path: str | int) -> int:
        """The line of ('videos', 0, 'alerts', 2), from 1."""
        return self.document.line_of(path)

    def there(self, path: Path) -> Path:
        """A path in the file, which is taken from the file's own folder."""
        return self.path.parent / path


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What a camera's alerts may be called."""

    rules: Collection[str]
    kinds: Collection[str]
    places: Collection[str]


def load_expectations(path: Path) -> Written:
    """The expectations in a file. Raises ConfigError with every problem in it."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror or error}"]) from error
    if len(raw) > _MOST_BYTES:
        raise ConfigError([f"{path}: is {len(raw)} bytes; expectations have at most {_MOST_BYTES}"])
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: is not UTF-8 text at byte {error.start}"]) from error
    return parse_expectations(text, path)


def parse_expectations(text: str, path: Path) -> Written:
    """The expectations in a text that stands, or will stand, in this file. Raises ConfigError with every problem."""
    document = read_document(text)
    problems = list(document.problems)
    if not isinstance(document.value, dict) and not problems:
        problems.append((1, "holds no expectations; it needs at least 'videos:' with one video"))
    if not problems:
        try:
            return Written(path, Expectations.model_validate(document.value), document)
        except ValidationError as error:
            problems += _schema_problems(error, document)
    raise ConfigError([f"{path}:{line}: {sentence}" for line, sentence in sorted(set(problems))])


def _schema_problems(error: ValidationError, document: Document) -> Iterator[tuple[int, str]]:
    for detail in error.errors():
        key, sentence = describe(detail, path_in_file(detail["loc"], document.value), Expectations)
        yield document.line_of(key), sentence


def unknown_names(written: Written, number: int, known: Vocabulary) -> list[str]:
    """What the number-th video of a file asks for that its camera's rules cannot tell: one sentence each.

    Else a slip of the pen in a `never` would be kept for ever.
    """
    video = written.expectations.videos[number]
    return [
        f"{written.path}:{written.line_of(*path, key)}: {dotted((*path, key))}: {sentence}"
        for path, which in _entries(video, number)
        for key, sentence in _strangers(which, known)
    ]


def _entries(video: VideoExpectations, number: int) -> Iterator[tuple[KeyPath, Which]]:
    for shelf in ("alerts", "never", "at_most"):
        for i, which in enumerate(getattr(video, shelf)):
            yield ("videos", number, shelf, i), which


def _strangers(which: Which, known: Vocabulary) -> Iterator[tuple[str, str]]:
    for key, name, names in (
        ("rule", which.rule, known.rules),
        ("kind", which.kind, known.kinds),
        ("place", which.place, known.places),
    ):
        if name is not None and name not in names:
            close = difflib.get_close_matches(name, names, n=1)
            have = ", ".join(sorted(names)) or "none"
            hint = f"did you mean '{close[0]}'?" if close else f"this camera has {have}"
            noun = {"rule": "rule", "kind": "kind of alert", "place": "zone or line"}[key]
            yield key, f"there is no {noun} '{name}'; {hint}"
