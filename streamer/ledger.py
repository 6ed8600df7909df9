"""The books of one camera: where every frame went, and how the camera is.

The invariant of the house, held by a property test: received = analysed + skipped{reason} + dropped{reason} + waiting.
Once a camera's work is wound down nothing waits. The ledger knows nothing of Prometheus; telemetry reads it at scrape.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any


class Skip(StrEnum):
    """Why a frame was left out by design."""

    RATE = "rate"  # analyse_fps asks for fewer
    ASLEEP = "asleep"  # not decoded: the camera's gate let it go
    WARMING = "warming"  # before the camera came to this node of a cluster: its owner analysed it


class Drop(StrEnum):
    """Why a frame was lost."""

    FULL = "full"  # the camera's place in the inbox was taken by newer ones
    STALE = "stale"  # older than the latency promise
    OVERLOAD = "overload"  # would have become so before the model had time for it
    UNANSWERED = "unanswered"  # the model is on other nodes, and none of them answered
    CORRUPT = "corrupt"  # could not be decoded
    REPEATED = "repeated"  # the same packet came twice
    TIMESTAMP = "timestamp"  # decoded, but its time could not be repaired
    SHUTDOWN = "shutdown"  # still waiting when the service stopped, or its camera was removed
    CRASHED = "crashed"  # in the hands of a capture process that died


@dataclass(frozen=True, slots=True)
class FrameCounts:
    """One consistent reading of a ledger."""

    received: int = 0
    analysed: int = 0
    skipped: Mapping[str, int] = field(default_factory=dict)
    dropped: Mapping[str, int] = field(default_factory=dict)

    @property
    def waiting(self) -> int:
        """Frames received and not yet decided about; 0 once the camera is wound down."""
        return self.received - self.analysed - sum(self.skipped.values()) - sum(self.dropped.values())

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {
            "received": self.received,
            "analysed": self.analysed,
            "skipped": dict(self.skipped),
            "dropped": dict(self.dropped),
            "waiting": self.waiting,
        }


class FrameLedger:
    """Counts the frames of one camera; every method may be called from any thread."""

    def __init__(self, camera: str) -> None:
        self.camera = camera
        self._lock = threading.Lock()
        self._received = 0
        self._analysed = 0
        self._skipped: Counter[str] = Counter()
        self._dropped: Counter[str] = Counter()

    def received(self, n: int = 1) -> None:
        """Frames came from the camera."""
        with self._lock:
            self._received += n

    def analysed(self, n: int = 1) -> None:
        """Frames went all the way to the rules."""
        with self._lock:
            self._analysed += n

    def skipped(self, reason: Skip, n: int = 1) -> None:
        """Frames were left out by design."""
        with self._lock:
            self._skipped[reason.value] += n

    def dropped(self, reason: Drop, n: int = 1) -> None:
        """Frames were lost."""
        if n:
            with self._lock:
                self._dropped[reason.value] += n

    def settle(self, reason: Drop) -> None:
        """Nothing is on its way any more: what has not come to an end by now was lost."""
        with self._lock:
            lost = self._received - self._analysed - self._skipped.total() - self._dropped.total()
            if lost:
                self._dropped[reason.value] += lost

    def counts(self) -> FrameCounts:
        """A consistent reading."""
        with self._lock:
            return FrameCounts(
                self._received,
                self._analysed,
                MappingProxyType(dict(self._skipped)),
                MappingProxyType(dict(self._dropped)),
            )


class Link(StrEnum):
    """How the connection to a camera is."""

    CONNECTING = "connecting"
    ONLINE = "online"
    OFFLINE = "offline"
    ENDED = "ended"  # a recording was read to its end


@dataclass(frozen=True, slots=True)
class CameraState:
    """One reading of a camera's connection; `trouble` is a redacted sentence, `since_s` monotonic.

    decoder: the codec, and in brackets where it is decoded; why not where it was asked for.
    skew_s: by how many seconds the camera's clock is ahead of ours, where the camera sends its time.
    """

    link: Link
    since_s: float
    trouble: str | None = None
    last_frame_s: float | None = None
    sessions: int = 0
    source_wh: tuple[int, int] | None = None
    codec: str | None = None
    decoder: str | None = None
    skew_s: float | None = None


class CameraStatus:
    """The connection of one camera: written by its capture thread, read by the watchdog, telemetry and the API."""

    def __init__(self, camera: str, at_s: float) -> None:
        self.camera = camera
        self._lock = threading.Lock()
        self._state = CameraState(Link.CONNECTING, at_s)
        # Apart from the rest: these two change with every frame, and nobody reads them as often.
        self._last_frame_s: float | None = None
        self._skew_s: float | None = None

    def online(self, at_s: float, source_wh: tuple[int, int], codec: str, decoder: str | None = None) -> None:
        """A session delivers frames."""
        self.frame(at_s)
        about = {"sessions": self._state.sessions + 1, "source_wh": source_wh, "codec": codec, "decoder": decoder}
        self._become(link=Link.ONLINE, since_s=at_s, trouble=None, **about)

    def frame(self, at_s: float, skew_s: float | None = None) -> None:
        """A frame came."""
        with self._lock:
            self._last_frame_s, self._skew_s = at_s, skew_s

    def offline(self, at_s: float, trouble: str) -> None:
        """The session is over, or none could be opened; keeps the time of the first failure in a row."""
        since_s = self._state.since_s if self._state.link is Link.OFFLINE else at_s
        self._become(link=Link.OFFLINE, since_s=since_s, trouble=trouble)

    def ended(self, at_s: float) -> None:
        """A recording was read to its end."""
        self._become(link=Link.ENDED, since_s=at_s, trouble=None)

    def _become(self, **changes: Any) -> None:
        with self._lock:
            self._state = replace(self._state, **changes)

    def state(self) -> CameraState:
        """A consistent reading."""
        with self._lock:
            return replace(self._state, last_frame_s=self._last_frame_s, skew_s=self._skew_s)
