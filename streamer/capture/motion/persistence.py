"""What lasts from look to look, as things do, and what is there once and gone: rain, snow, insects at the lens."""

from __future__ import annotations

from math import exp, log

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.capture.motion.regions import Mask, Regions

Looks = NDArray[np.float64]

DENSE_S = 0.6
"""Looks closer together than this show whether a thing lasts; farther apart everything may have moved on."""
LARGEST_SPECK = 40
"""Cells; larger things are no weather, at any rate of coming and going."""
_CHANCE = 1e-4
_MOST_LOOKS = 15.0
_CLUTTER_S, _CLUTTER_RISE_S = 30.0, 2.0
_REACH = np.ones((7, 7), np.uint8)


class Persistence:
    """How many looks each region has been there, allowing for its moving, and how large what does not last is."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._looks = np.zeros(shape, np.float32)
        self._last: tuple[Regions, Mask] | None = None
        self.speck = 0.0

    def known(self, regions: Regions) -> Mask:
        """bool (n,): regions that share a cell with one of the last look."""
        return regions.counts(self._looks > 0) > 0

    def judge(self, regions: Regions, unmasked: int) -> tuple[Looks, Looks]:
        """In how many looks before this one each region was there, within three cells of it; and how many it takes.

        float64 (n,) both; unmasked: how many cells count. In rain, p of the picture is within reach of some streak: a
        streak has one before it with probability p, and n in a row with about pⁿ, which is to be one in ten thousand.
        """
        near = cv2.dilate(self._looks, _REACH).astype(np.float32, copy=False)
        its_own = np.square(np.sqrt(regions.areas) + len(_REACH) - 1)
        crowded = np.clip((np.count_nonzero(near) - its_own) / unmasked, _CHANCE**2, 0.9)
        return regions.means(near), np.clip(log(_CHANCE) / np.log(crowded), 0.5, _MOST_LOOKS)

    def learn(self, regions: Regions | None, looks: Looks, dt_s: float) -> None:
        """One look more, in how many before it each region was. What was new in the last one and is gone: a speck."""
        if dt_s <= DENSE_S:
            lost = self._largest_lost(regions)
            slow_s = _CLUTTER_RISE_S if lost > self.speck else _CLUTTER_S
            self.speck += (1 - exp(-dt_s / slow_s)) * (lost - self.speck)
        if regions is None:
            self._last = None
            self._looks[:] = 0
            return
        self._last = regions, regions.kept & (looks < 0.5)
        self._looks = regions.drawn(np.where(regions.kept, looks + 1, 0).astype(np.float32))

    def _largest_lost(self, regions: Regions | None) -> float:
        if self._last is None:
            return 0.0
        last, new = self._last
        if regions is not None:
            near = cv2.dilate(regions.cells.view(np.uint8), _REACH).view(np.bool_)
            new = new & (last.counts(near) < 0.25 * last.areas)
        return min(float(last.areas[new].max(initial=0)), float(LARGEST_SPECK))
