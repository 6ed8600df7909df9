"""Which frames go to the model: analyse_fps on the stream's own time, not on arrival."""

from __future__ import annotations

import math
from collections import deque
from statistics import median_low


class RateSelector:
    """Chooses frames so that they lie evenly on media time; knows nothing but the times that it was shown.

    Media time is cut into slots of 1/fps; the first frame of each slot is chosen. A frame counts for a slot that
    begins up to 0.4 of a frame interval after it, so that a jitter of a millisecond around a slot's edge changes
    nothing (10 → 5 would else choose at random between neighbours). The interval is measured here, as the median
    of the last distances: what containers declare differs between a file and the same file over RTSP.
    """

    TOLERANCE = 0.4

    def __init__(self, fps: float | None) -> None:
        self._fps = fps
        self._slot = -1
        self._tolerance_s = 0.0
        self._chosen_s: float | None = None
        self._last_s: float | None = None
        self._distances_s: deque[float] = deque(maxlen=15)

    def become(self, fps: float | None) -> None:
        """Another rate from the next frame on, at its distance from the last one that was chosen."""
        if fps != self._fps:
            self._slot = -1 if fps is None or self._chosen_s is None else math.floor(self._chosen_s * fps)
            self._fps = fps

    @property
    def next_from_s(self) -> float | None:
        """Media time from which on the next frame will be chosen; None where every one is."""
        return None if self._fps is None else (self._slot + 1) / self._fps - self._tolerance_s

    def choose(self, media_s: float) -> bool:
        """True where the frame at this time is to be analysed. The first one always is; times must rise."""
        if self._fps is None:
            self._chosen_s = media_s
            return True
        if self._last_s is not None:
            self._distances_s.append(media_s - self._last_s)
        self._last_s = media_s
        tolerance_s = self.TOLERANCE * median_low(self._distances_s) if self._distances_s else 0.0
        # Never reach further than half a slot: of a camera slower than analyse_fps every frame is chosen anyway.
        self._tolerance_s = min(tolerance_s, 0.5 / self._fps)
        slot = math.floor((media_s + self._tolerance_s) * self._fps)
        if slot <= self._slot:
            return False
        self._slot, self._chosen_s = slot, media_s + self._tolerance_s
        return True
