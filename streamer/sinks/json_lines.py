"""Alert changes as lines of a file, each once even across kill -9, rotated by size.

A line is the wire message with "type":"alert" in front, as replay writes it, and `outbox` behind: the line and row of
the outbox that it came from. The file is its own memory: the last whole line says how far it came, and half a line at
the end, left by a crash, is cut off. Every batch is one write and one fsync.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from streamer.errors import SinkUnavailable
from streamer.sinks.outbox import StoredChange
from streamer.sinks.receivers import Memory
from streamer.wire import HANDLING_TYPES

_TAIL_BYTES = 1 << 20


class JsonLines:
    """The receiver that stands for one file. `old_files` rotated ones stay beside it as FILE.1 (newest), FILE.2 …"""

    def __init__(self, path: Path, *, max_bytes: int = 64 * 2**20, old_files: int = 5, name: str = "jsonl") -> None:
        self._path, self._name = Path(path), name
        self._max_bytes, self._old_files = max_bytes, old_files
        self._file: int | None = None

    @property
    def name(self) -> str:
        """'jsonl', or what it was given."""
        return self._name

    @property
    def longest_wait_s(self) -> float:
        """A full disk is looked at every few seconds."""
        return 5.0

    def remembers(self, line: str) -> Memory | None:
        """What the last line says; None where somebody took the file away, or it came from elsewhere."""
        with self._translated():
            self._open()
            for path in (self._path, _rotated(self._path, 1)):
                if last := _last_line(path):
                    return _memory(last, line)
        return None

    def deliver(self, line: str, after_row: int, rows: Sequence[StoredChange]) -> int:
        """Append rows in one write, synced to disk."""
        text = b"".join(_line(line, row) for row in rows if row.row > after_row)
        with self._translated():
            file = self._open()
            before = os.fstat(file).st_size
            try:
                _write_all(file, text)
                os.fsync(file)
            except OSError:
                # A full disk: take half a batch back, so that the next try does not repeat it. Where even this fails,
                # remembers() reads how far it really came.
                with contextlib.suppress(OSError):
                    os.ftruncate(file, before)
                raise
            if before + len(text) >= self._max_bytes:
                self._rotate()
        return len(rows)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _open(self) -> int:
        # Somebody's logrotate may have moved the file from under us: look before every batch.
        if self._file is not None:
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.stat(self._path), os.fstat(self._file)):
                    return self._file
            self.close()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        _cut_half_line(self._file)
        _sync_folder(self._path.parent)
        return self._file

    def _rotate(self) -> None:
        self.close()
        for number in range(self._old_files, 0, -1):
            older = _rotated(self._path, number)
            newer = _rotated(self._path, number - 1) if number > 1 else self._path
            if newer.exists():
                newer.replace(older)
        if self._old_files == 0:
            self._path.unlink()
        _sync_folder(self._path.parent)

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.close()
            raise SinkUnavailable(f"{self._path} cannot be written: {error.strerror or error}") from error


def _line(line: str, row: StoredChange) -> bytes:
    origin = json.dumps({"line": line, "row": row.row, "name": row.name}, separators=(",", ":"))
    what = "handling" if row.type in HANDLING_TYPES else "alert"
    return f'{{"type":"{what}",{row.body[1:-1]},"outbox":{origin}}}\n'.encode()


def _memory(last: bytes, line: str) -> Memory | None:
    try:
        origin = json.loads(last)["outbox"]
        return Memory(int(origin["row"]), str(origin["name"])) if origin["line"] == line else None
    except (ValueError, KeyError, TypeError):
        return None


def _last_line(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL_BYTES))
            lines = file.read().splitlines()
    except FileNotFoundError:
        return None
    return lines[-1] if lines else None


def _cut_half_line(file: int) -> None:
    size = os.fstat(file).st_size
    begin = max(0, size - _TAIL_BYTES)
    tail = os.pread(file, size - begin, begin)
    if tail and not tail.endswith(b"\n"):
        os.ftruncate(file, begin + tail.rfind(b"\n") + 1)


def _write_all(file: int, text: bytes) -> None:
    while text:
        text = text[os.write(file, text) :]


def _rotated(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
