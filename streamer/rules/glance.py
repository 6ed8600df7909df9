"""A small grey look at the scene, about once per second of media time: all that the camera's trouble is judged on.

Share one Glance among a camera's trouble rules and each look is made once.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.types import Frame

WIDTH_PX = 160


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """One look: when it was taken, and how bright it is.

    grey: uint8 (h, WIDTH_PX), noise mostly averaged out; fine: uint8, the same at the frame's own size, noise and all.
    noise: what is left of the sensor's noise in `grey`, as a standard deviation in grey levels, estimated against the
    look before; what moved between the two does not disturb it.
    """

    grey: NDArray[np.uint8]
    fine: NDArray[np.uint8]
    media_s: float
    mean: float
    contrast: float
    noise: float


class Glance:
    """Takes looks at one camera, every_s apart."""

    def __init__(self, *, every_s: float = 1.0) -> None:
        if every_s <= 0:
            raise ValueError(f"every_s must be positive; got {every_s:g}")
        self.every_s = every_s
        self._frame: Frame | None = None
        self._fresh: Look | None = None
        self._last: Look | None = None

    def at(self, frame: Frame) -> Look | None:
        """A look at this frame, or None where it is not time for one; the same for every rule that asks."""
        if frame is not self._frame:
            self._frame = frame
            due = self._last is None or frame.media_s - self._last.media_s >= self.every_s - 1e-3
            self._fresh = self._look(frame) if due else None
            self._last = self._fresh or self._last
        return self._fresh

    def reset(self) -> None:
        """A new session begins; harmless when several rules that share this glance say so."""
        self._frame = self._fresh = self._last = None

    def _look(self, frame: Frame) -> Look:
        height, width = frame.image.shape[:2]
        size = (WIDTH_PX, max(8, round(height * WIDTH_PX / width)))
        fine: NDArray[np.uint8] = cv2.cvtColor(frame.image, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)
        grey: NDArray[np.uint8] = cv2.resize(fine, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
        (mean,), (contrast,) = (part.ravel().tolist() for part in cv2.meanStdDev(grey))
        return Look(grey, fine, frame.media_s, mean, contrast, self._noise(grey))

    def _noise(self, grey: NDArray[np.uint8]) -> float:
        if self._last is None or self._last.grey.shape != grey.shape:
            return 0.0
        # The median change is the background's: walkers cover less than half of any picture worth watching.
        # Whole grey levels are too coarse for a median, so it is read off the histogram by interpolation.
        changes = np.bincount(cv2.absdiff(grey, self._last.grey).ravel(), minlength=256).cumsum()
        half = changes[-1] / 2
        level = int(np.searchsorted(changes, half))
        below = changes[level - 1] if level else 0
        median = level - 0.5 + (half - below) / (changes[level] - below) if level else 0.5 * half / changes[0]
        return float(median / (0.6745 * np.sqrt(2.0)))
