"""How a camera sleeps: for how long, what woke it, how fast, and what its decoding costs. One book per camera.

Written by the camera's capture thread, read by telemetry and the board at any time.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class WakeCause(StrEnum):
    """What ended a camera's sleep."""

    PACKETS = "packets"  # larger than this camera's quiet ones
    PICTURE = "picture"  # a look at a key frame showed that something moved
    REQUEST = "request"  # somebody asked
    UNSAFE = "unsafe"  # its stream cannot be slept on any longer


@dataclass(frozen=True, slots=True)
class SleepReading:
    """One reading of the book. `why_not`: the sentence that says why this camera is never let asleep."""

    asleep: bool
    asleep_s: float
    wakes: Mapping[str, int]
    decode_s: float
    ring_bytes: int
    why_not: str | None


class SleepBook:
    """observe_wake is told seconds from the packet that woke the camera to its first frame on the way to the model."""

    def __init__(self, camera: str, observe_wake: Callable[[float], None] = lambda _: None) -> None:
        self.camera = camera
        self._lock = threading.Lock()
        self._observe_wake = observe_wake
        self._since_s: float | None = None
        self._asleep_s = 0.0
        self._wakes: Counter[str] = Counter()
        self._decode_s = 0.0
        self._ring_bytes = 0
        self._why_not: str | None = None

    def fell_asleep(self, now_s: float) -> None:
        """From now on only some pictures are decoded."""
        with self._lock:
            if self._since_s is None:
                self._since_s = now_s

    def woke(self, now_s: float, cause: WakeCause | None = None) -> None:
        """From now on every picture is decoded. Without a cause: the connection ended."""
        with self._lock:
            if self._since_s is not None:
                self._asleep_s += max(0.0, now_s - self._since_s)
                self._since_s = None
            if cause is not None:
                self._wakes[cause.value] += 1

    def first_offered(self, seconds: float) -> None:
        """So long after the packet that woke the camera its first frame went on to the model."""
        self._observe_wake(seconds)

    def decoded(self, seconds: float) -> None:
        """CPU seconds that went into the decoder."""
        self._decode_s += seconds  # one writer

    def holds(self, ring_bytes: int) -> None:
        """What is kept undecoded, to begin from when the camera wakes."""
        self._ring_bytes = ring_bytes

    def never(self, why: str | None) -> None:
        """Why this camera cannot be let asleep; None where it can."""
        self._why_not = why

    def add(self, more: SleepReading, now_s: float) -> None:
        """What another book of the same camera has more than when it was last added; whether it sleeps, as of now_s."""
        with self._lock:
            self._asleep_s += more.asleep_s
            self._since_s = now_s if more.asleep else None
            self._wakes.update(more.wakes)
            self._decode_s += more.decode_s
            self._ring_bytes, self._why_not = more.ring_bytes, more.why_not

    def reading(self, now_s: float) -> SleepReading:
        """At monotonic time now_s."""
        with self._lock:
            running_s = 0.0 if self._since_s is None else max(0.0, now_s - self._since_s)
            return SleepReading(
                self._since_s is not None,
                self._asleep_s + running_s,
                dict(self._wakes),
                self._decode_s,
                self._ring_bytes,
                self._why_not,
            )
