"""Every configuration that was in force, as it was written, in numbered files: what a rollback goes back to.

`000012.yaml` is the text as it was given (references are not filled in), `000012.json` says when, who and why; it is
written last, and without it there is no entry. The files may hold passwords that stand in the configuration itself, so
only their owner may read them. The oldest are removed where there are more than `keep`.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

KEPT = 100


@dataclass(frozen=True, slots=True)
class Entry:
    """One configuration of the past. at: epoch seconds; sha256: of its text, in hex."""

    number: int
    at: float
    who: str
    why: str
    sha256: str


class History:
    """A folder of configurations; one process writes to it at a time."""

    def __init__(self, folder: Path, *, keep: int = KEPT) -> None:
        self._folder, self._keep = folder, keep

    def put(self, text: str, at: float, who: str, why: str) -> Entry:
        """Keep a text under the next number, or the newest entry where it says just this. Raises OSError."""
        newest = next(self._newest_first(), None)
        sha256 = digest(text)
        if newest is not None and newest.sha256 == sha256:
            return newest
        # A number is never given twice, even where an entry lost its second file.
        entry = Entry(max(self._numbers(), default=0) + 1, at, who, why, sha256)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(self._file(entry.number, "yaml"), text, mode=0o600)
        replace_file(self._file(entry.number, "json"), json.dumps(asdict(entry)) + "\n", mode=0o600)
        for number in sorted(self._numbers())[: -self._keep]:
            for suffix in ("json", "yaml"):
                self._file(number, suffix).unlink(missing_ok=True)
        return entry

    def entries(self) -> list[Entry]:
        """All that are kept, the newest first."""
        return list(self._newest_first())

    def text(self, number: int) -> str:
        """What stood in it. Raises LookupError with a sentence."""
        entry = self._entry(number)
        try:
            text = self._file(number, "yaml").read_bytes().decode() if entry else None
        except (OSError, UnicodeDecodeError):
            text = None
        if entry is None or text is None:
            raise LookupError(f"there is no configuration {number} in the history, or it is not kept any more")
        if digest(text) != entry.sha256:
            raise LookupError(f"configuration {number} of the history was changed since: it is not to be trusted")
        return text

    def _newest_first(self) -> Iterator[Entry]:
        for number in sorted(self._numbers(), reverse=True):
            if entry := self._entry(number):
                yield entry

    def _entry(self, number: int) -> Entry | None:
        try:
            return Entry(**json.loads(self._file(number, "json").read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def _numbers(self) -> set[int]:
        return {int(file.stem) for file in self._folder.glob("[0-9]*.*") if file.stem.isdigit()}

    def _file(self, number: int, suffix: str) -> Path:
        return self._folder / f"{number:06d}.{suffix}"


def digest(text: str) -> str:
    """The name of a text that tells it from every other."""
    return hashlib.sha256(text.encode()).hexdigest()


def replace_file(path: Path, text: str, *, mode: int | None = None) -> None:
    """The whole file or none of it, with the rights that it had, or `mode`. Raises OSError."""
    prepared = Prepared(path, text, mode=mode)
    prepared.put()


class Prepared:
    """A file's next text, on the disk beside it already: to be put in its place, or thrown away. Raises OSError."""

    def __init__(self, path: Path, text: str, *, mode: int | None = None) -> None:
        self._path = path.resolve()  # of a link, what it leads to
        wanted = self._path.stat().st_mode & 0o777 if mode is None else mode
        descriptor, name = tempfile.mkstemp(prefix=f".{self._path.name}.", dir=self._path.parent)
        self._beside = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(text.encode())
                file.flush()
                os.fsync(file.fileno())
            self._beside.chmod(wanted)
        except BaseException:
            self.discard()
            raise

    def put(self) -> None:
        """In its place from now on."""
        try:
            self._beside.replace(self._path)
        except OSError:
            self.discard()
            raise

    def discard(self) -> None:
        """Never; once more is harmless."""
        self._beside.unlink(missing_ok=True)
