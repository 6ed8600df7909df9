"""What has come of a file so far: it outlives a broken connection and a stopped process, and belongs to one of them."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from streamer.catalogue.errors import PlaceUnusable
from streamer.model_folder import sha256_of


class Partial:
    """with Partial(path) as partial: this process alone writes it, others are refused.

    Beside it lies PATH.source: where the bytes came from and the server's mark of that file (ETag or date), so that a
    later run notices that another file lies there now. What is empty at the end is taken away again.

    Raises PlaceUnusable where it cannot be written or another process holds it; every method does on a full disk.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._source_path = path.with_name(path.name + ".source")
        self._file = _locked(path)
        self._size = os.fstat(self._file).st_size

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if not self._size:
            self.delete()
        os.close(self._file)

    @property
    def size(self) -> int:
        """Bytes so far."""
        return self._size

    def append(self, chunk: bytes) -> None:
        """Write on. What of it did not fit on the disk is not counted."""
        rest = memoryview(chunk)
        try:
            while rest:
                written = os.write(self._file, rest)
                self._size += written
                rest = rest[written:]
        except OSError as error:
            raise _unwritable(self.path, error) from error

    def start_over(self) -> None:
        """Forget every byte."""
        try:
            os.ftruncate(self._file, 0)
        except OSError as error:
            raise _unwritable(self.path, error) from error
        self._size = 0

    def mark_from(self, address: str) -> str | None:
        """The server's mark of the file that the bytes came from, where they came from this address."""
        try:
            source = json.loads(self._source_path.read_text(encoding="utf-8"))
            mark = source["mark"] if source["address"] == address else None
        except (OSError, ValueError, KeyError, TypeError):  # never written, or damaged: the hash decides in the end
            return None
        return mark if isinstance(mark, str) else None

    def remember(self, address: str, mark: str | None) -> None:
        """From now on the bytes come from there."""
        try:
            self._source_path.write_text(json.dumps({"address": address, "mark": mark}), encoding="utf-8")
        except OSError as error:
            raise _unwritable(self._source_path, error) from error

    def sha256(self) -> str:
        """Hex SHA-256 of all bytes so far, read back from the disk."""
        return sha256_of(self.path)

    def delete(self) -> None:
        """Take it away, and what lies beside it; the lock is held until the end."""
        self.path.unlink(missing_ok=True)
        self._source_path.unlink(missing_ok=True)
        self._size = 0


def _unwritable(path: Path, error: OSError) -> PlaceUnusable:
    return PlaceUnusable(
        f"{path}: cannot be written: {error.strerror or error}; what came so far is kept: make room and pull again, or "
        "choose another folder with --to"
    )


def _locked(path: Path) -> int:
    """A descriptor that appends to the file and holds its lock."""
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise PlaceUnusable(
                f"{path.parent}: cannot be written: {error.strerror or error}; choose another folder with --to"
            ) from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever held it may have finished and taken it away between our opening and locking it.
            if os.path.samestat(os.fstat(file), os.stat(path)):
                return file
        except FileNotFoundError:
            pass
        except OSError as error:
            os.close(file)
            if not isinstance(error, BlockingIOError):
                raise PlaceUnusable(f"{path}: cannot be locked: {error.strerror or error}") from error
            raise PlaceUnusable(
                f"{path.parent}: another process is pulling the same model into this folder; "
                "wait for it, or stop it and pull again"
            ) from error
        os.close(file)
