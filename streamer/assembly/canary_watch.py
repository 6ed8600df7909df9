"""Has every known event come back in time? Decided from moments alone; the threads are in canary.py."""

from __future__ import annotations

import threading
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CanaryReading:
    """ok: the newest probe that is due came back; seconds: how long the last one took that did; trouble: a sentence."""

    ok: bool
    seconds: float | None
    trouble: str | None


class CanaryWatch:
    """Keeps which probes were sent and which came back. From any thread; times are monotonic seconds."""

    def __init__(self, within_s: float) -> None:
        self._within_s = within_s
        self._lock = threading.Lock()
        self._out: dict[str, float] = {}  # in the order in which they were sent
        self._seconds: float | None = None
        self._late_since_s: float | None = None

    def sent(self, probe: str, now_s: float) -> None:
        """A probe begins its way."""
        with self._lock:
            self._out[probe] = now_s

    def came_back(self, probe: str, now_s: float) -> None:
        """It was read from the stream of alerts. What was sent before it will not be waited for any more."""
        with self._lock:
            sent_s = self._out.pop(probe, None)
            if sent_s is None:
                return
            self._seconds = now_s - sent_s
            for other in [each for each, at_s in self._out.items() if at_s <= sent_s]:
                del self._out[other]
            if self._seconds <= self._within_s:
                self._late_since_s = None

    def reading(self, now_s: float) -> CanaryReading:
        """How it stands now. One that is late stays so until another comes back in time."""
        with self._lock:
            late = [at_s for at_s in self._out.values() if now_s - at_s > self._within_s]
            if late:
                self._late_since_s = late[0] if self._late_since_s is None else min(self._late_since_s, late[0])
                for probe in [each for each, at_s in self._out.items() if now_s - at_s > 100 * self._within_s]:
                    del self._out[probe]
            if self._late_since_s is None:
                return CanaryReading(True, self._seconds, None)
            return CanaryReading(
                False,
                self._seconds,
                f"the canary's known event has not come back from the Redis stream of alerts within "
                f"{self._within_s:g} s (sent {now_s - self._late_since_s:.0f} s ago): alerts may reach nobody",
            )
