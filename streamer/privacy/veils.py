"""What of a video must not be seen at any moment, also between the frames in which somebody was looked for."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import deque

from streamer.privacy.veil import NO_VEIL, Veil

LONGEST_STEP_S = 1.2
"""Whoever came and went while nobody looked is in no veil: after a longer time all between is hidden as a whole."""


_JITTER_S = 0.5


class Veils:
    """The veils of one camera or recording by time, in seconds on whichever clock they were added; from any thread.

    keep_s: so far back they are remembered; None: all of them.
    """

    def __init__(self, keep_s: float | None = None) -> None:
        self._keep_s = keep_s
        self._lock = threading.Lock()
        self._times: deque[float] = deque()
        self._veils: deque[Veil] = deque()

    def add(self, at_s: float, veil: Veil) -> None:
        """What is hidden of the frame of this time; times rise: where they jump back, all before is forgotten."""
        with self._lock:
            if self._times and at_s <= self._times[-1]:
                if self._times[-1] - at_s < _JITTER_S:  # the estimate of when it was has settled a little
                    self._veils[-1] = self._veils[-1].until(veil)
                    return
                self._times.clear()
                self._veils.clear()
            self._times.append(at_s)
            self._veils.append(veil)
            while self._keep_s is not None and at_s - self._times[0] > self._keep_s:
                self._times.popleft()
                self._veils.popleft()

    @property
    def known_until_s(self) -> float:
        """The time of the newest frame that somebody looked at."""
        with self._lock:
            return self._times[-1] if self._times else float("-inf")

    def at(self, at_s: float) -> Veil:
        """For a frame of this time: what is hidden of those looked at before and after it, and on the way between.

        A frame far from every other that was looked at is hidden as a whole, where anything is hidden at all.
        """
        with self._lock:
            number = bisect_right(self._times, at_s + 1e-6)
            before = self._veils[number - 1] if number else None
            after = self._veils[number] if number < len(self._veils) else None
            before_s = self._times[number - 1] if before is not None else at_s
            after_s = self._times[number] if after is not None else at_s
        known = before if before is not None else after
        if known is None:
            return NO_VEIL.everywhere
        if before is not None and at_s - before_s <= 1e-6:
            return before
        if before is None or after is None or after_s - before_s > LONGEST_STEP_S:
            return known.unknowing
        return before.until(after)


class VeilBook:
    """The veils of those cameras whose footage needs them; from any thread."""

    def __init__(self, keep_s: float) -> None:
        self._keep_s = keep_s
        self._cameras: dict[str, Veils] = {}

    def of(self, camera: str) -> Veils:
        """Of one camera, remembered from now on."""
        return self._cameras.setdefault(camera, Veils(self._keep_s))

    def add(self, camera: str, at: float, veil: Veil) -> None:
        """What is hidden of a frame of this epoch time; nothing happens where nobody asked for the camera's."""
        if (known := self._cameras.get(camera)) is not None:
            known.add(at, veil)
