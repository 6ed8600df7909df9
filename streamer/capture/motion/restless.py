"""Parts of the picture that are never still and never change: leaves in the wind, water, a flag."""

from __future__ import annotations

from math import exp

import cv2
import numpy as np
from numpy.typing import NDArray

Cells = NDArray[np.float32]
Mask = NDArray[np.bool_]

MOST_HABIT = 30.0
"""Grey levels that a restless cell may get used to; others less."""
_LEARN_S = 60.0
_ON, _OFF, _FRINGE = 0.15, 0.07, 0.04
_OWN_LEVELS = 8.0
_MOST_FOREIGN = 0.5
_NEAR = np.ones((5, 5), np.uint8)
_ADJACENT = np.ones((3, 3), np.uint8)


class RestlessZone:
    """Where something flickered for about half of the last minute, with brightnesses that belong there.

    What sways shows, in a cell, what the cells around it show when it is still: the idea by which ViBe lets background
    spread (Barnich and Van Droogenbroeck 2011). People and cars, however many and lasting, bring brightnesses of their
    own. So a cell is restless only where what differs is seldom out of its neighbours' range (drawn trees 0-15 % of
    the time, drawn streets and crowds 30-90 %), and in a restless cell only what is out of it differs.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.cells: Mask = np.zeros(shape, np.bool_)
        self.any = False
        self._share = np.zeros(shape, np.float32)
        self._was_off = np.zeros(shape, np.bool_)
        self._own = np.zeros(shape, np.float32)
        self._foreign = np.zeros(shape, np.float32)
        self._any_share = False

    def away(self, now: Cells, level: Cells) -> Cells:
        """float32 (h, w): how far each cell is from what belongs there, in grey levels."""
        away: Cells = cv2.absdiff(now, level).astype(np.float32, copy=False)
        if self.any:
            np.copyto(away, np.maximum(_outside(now, level), 0), where=self.cells)
        return away

    def learn(self, now: Cells, before: Cells, level: Cells, least: float, any_region: bool, dt_s: float) -> None:
        """One look more; `before` is the picture of the last look, `least` the grey levels that may mean something."""
        if not (any_region or self._any_share):
            return
        keep = exp(-dt_s / _LEARN_S)
        for average in (self._share, self._own, self._foreign):
            average *= np.float32(keep)
        if any_region or self.any:
            off = cv2.absdiff(now, level) > np.float32(least)
            foreign = off & (_outside(now, level) >= _OWN_LEVELS)
            own = off & ~foreign & (cv2.absdiff(now, before) > np.float32(least / 2))
            self._share += np.float32(1 - keep) * cv2.dilate((own & ~self._was_off).view(np.uint8), _NEAR)
            self._was_off = off
            self._own += np.float32(1 - keep) * _around(own)
            self._foreign += np.float32(1 - keep) * _around(foreign)
        most = float(self._share.max())
        self._any_share = most > 0.01
        if self.any or most > _ON:
            core = (self._share > _ON) | (self.cells & (self._share > _OFF))
            core &= self._foreign < _MOST_FOREIGN * self._own
            self.cells = cv2.dilate(core.view(np.uint8), _ADJACENT).view(np.bool_) & (self._share > _FRINGE)
            self.any = bool(self.cells.any())


def _around(cells: Mask) -> Cells:
    counts = cv2.boxFilter(cells.view(np.uint8), cv2.CV_32F, (5, 5), normalize=False)
    return counts.astype(np.float32, copy=False)


def _outside(now: Cells, level: Cells) -> Cells:
    lowest, highest = cv2.erode(level, _NEAR), cv2.dilate(level, _NEAR)
    outside: Cells = np.maximum(lowest - now, now - highest)
    return outside
