"""Names of sessions: track and alert ids are unique within one, and are computed from its name."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Protocol


class SessionNames(Protocol):
    """Names the sessions of one camera, one after the other."""

    def next(self) -> str:
        """The name of the session that begins now; never the same twice."""
        ...


class RecordingNames:
    """A recording is called after its file, the same at every replay and wherever it lies: clip.mp4, clip.mp4#2, …"""

    def __init__(self, path: str) -> None:
        self._file = PurePath(path).name or path
        self._count = 0

    def next(self) -> str:
        """The file's name, counted from the second session on."""
        self._count += 1
        return self._file if self._count == 1 else f"{self._file}#{self._count}"


class LiveNames:
    """A live session is called after the moment at which it began: 20260131T235959.123456Z. Names rise."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._last_us = -1

    def next(self) -> str:
        """The wall clock in UTC; a microsecond after the last name where the clock did not move on."""
        self._last_us = max(round(self._now() * 1e6), self._last_us + 1)
        whole_s, micro = divmod(self._last_us, 1_000_000)
        return f"{datetime.fromtimestamp(whole_s, UTC):%Y%m%dT%H%M%S}.{micro:06d}Z"
