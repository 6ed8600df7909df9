"""What looks at small pictures for motion: ours, and OpenCV's two background subtractors."""

from __future__ import annotations

from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.capture.motion.pixel_motion import PixelMotion

FEWEST_CELLS = 3
Luma = NDArray[np.uint8]
Cells = NDArray[np.bool_]


class Looker(Protocol):
    """Something that looks at small pictures in turn."""

    def look(self, luma: Luma, at_s: float) -> tuple[bool, Cells]:
        """Whether anything moved, and bool (h, w) where."""


class Ours:
    """The detector of this house."""

    def __init__(self) -> None:
        self._motion = PixelMotion()

    def look(self, luma: Luma, at_s: float) -> tuple[bool, Cells]:
        """See Looker."""
        motion = self._motion.look(luma, at_s)
        return motion.moved, np.zeros(luma.shape, np.bool_) if motion.cells is None else motion.cells


class Subtractor:
    """One of OpenCV's; anything moved where a region of so many cells is foreground. Its first second only learns."""

    def __init__(self, model: cv2.BackgroundSubtractor, median: bool = False, fewest_cells: int = FEWEST_CELLS) -> None:
        self._model, self._median, self._fewest_cells = model, median, fewest_cells

    def look(self, luma: Luma, at_s: float) -> tuple[bool, Cells]:
        """See Looker."""
        mask = (self._model.apply(luma) == 255).astype(np.uint8)
        if self._median:
            mask = cv2.medianBlur(mask, 3)
        _, _, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
        return at_s > 1 and bool((stats[1:, cv2.CC_STAT_AREA] >= self._fewest_cells).any()), mask > 0


def mog2(threshold: float = 16, shadows: bool = True, history: int = 500, median: bool = False) -> Looker:
    """Zivkovic's adaptive mixture (2004); OpenCV's defaults."""
    return Subtractor(cv2.createBackgroundSubtractorMOG2(history, threshold, shadows), median)


def knn(threshold: float = 400, shadows: bool = True, history: int = 500, median: bool = False) -> Looker:
    """Zivkovic and van der Heijden's nearest neighbours (2006); OpenCV's defaults."""
    return Subtractor(cv2.createBackgroundSubtractorKNN(history, threshold, shadows), median)
