"""Where two pictures of a camera differ, in cells of a few pixels: cheap enough to ask before every run of a net."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

CELL_PX = 4
"""Side of a cell in pixels of the model's input: its mean has a quarter of a pixel's noise."""
LEVELS = 6
"""Grey levels of 255 by which a cell's mean has to differ; noise and codecs stay below 3 on the footage we have."""
LEAST_CELLS = 8
"""A region of fewer cells is smaller than anything that a net of this input finds: noise, a reflection, a leaf."""

Gray = NDArray[np.uint8]
Cells = NDArray[np.uint8]
Mask = NDArray[np.bool_]


def gray_of(image: NDArray[np.uint8]) -> Gray:
    """uint8 (h, w, 3) RGB → uint8 (h, w)."""
    return cast(Gray, cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))


def cells_of(gray: Gray) -> Cells:
    """uint8 (h, w) → uint8 (h/4, w/4), the mean of every cell; their number is rounded up."""
    h, w = gray.shape
    wh = (-(-w // CELL_PX), -(-h // CELL_PX))
    return cast(Cells, cv2.resize(gray, wh, interpolation=cv2.INTER_AREA))


def changed(now: Cells, before: Cells, least_cells: int = LEAST_CELLS, levels: int = LEVELS) -> Mask:
    """Bool (h, w): cells that differ, in connected regions of at least least_cells."""
    _, differs = cv2.threshold(cv2.absdiff(now, before), levels, 1, cv2.THRESH_BINARY)
    count, numbers, stats, _ = cv2.connectedComponentsWithStats(differs, connectivity=8)
    large = np.asarray(stats)[:, cv2.CC_STAT_AREA] >= least_cells
    large[0] = False  # what does not differ
    mask: Mask = np.take(large, np.asarray(numbers)) if count > 1 else np.zeros(now.shape, np.bool_)
    return mask


def painted(boxes_xyxy: NDArray[np.float32], shape: tuple[int, int], grown_cells: int = 0) -> Mask:
    """Bool shape: cells that a box touches; boxes float32 (N, 4) in pixels of the model-sized picture."""
    mask = np.zeros(shape, np.bool_)
    for x1, y1, x2, y2 in (boxes_xyxy / CELL_PX).tolist():
        left, top = max(0, int(x1) - grown_cells), max(0, int(y1) - grown_cells)
        mask[top : int(np.ceil(y2)) + grown_cells, left : int(np.ceil(x2)) + grown_cells] = True
    return mask
