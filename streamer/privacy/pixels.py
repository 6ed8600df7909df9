"""Pixels that are made unrecognisable, in place; pure.

A blur can be undone: it is a linear filter, and what is left of every frequency can be raised again (deconvolution).
A fine mosaic can be read: nets tell faces apart by 8 × 8 cells (McPherson, Shokri, Shmatikov 2016, "Defeating image
obfuscation with deep learning"). So a place is shrunk to a few cells, each the mean of its pixels, the means are cut
to 16 levels, and the cells are drawn large and soft again. What is left of a face is at most 5 × 5 cells × 12 bits,
however large it was in the picture; there is nothing else to restore it from.

Boxes jitter from frame to frame. Cells that moved along with them would be a new sample of the same face each time,
and hundreds of those add up to a picture (super-resolution). Cells therefore lie on a lattice that is fixed in the
picture, and their size is a power of two: whoever sits still is sampled the same way in every frame.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.privacy.policy import Strength
from streamer.shapes import Points
from streamer.types import Boxes

Rgb = NDArray[np.uint8]

CELLS: dict[Strength, int] = {"mild": 8, "strong": 4, "solid": 1}
"""Along the longer side of a place; the lattice makes it one more at most."""

_KEPT_BITS, _MIDDLE = np.uint8(0xF0), np.uint8(0x08)
_MASK_MARGIN_PX = 2  # colours are stored at half size, and pictures are made smaller by filters: edges bleed


def black_out(rgb: Rgb, masks: Iterable[Points]) -> None:
    """Black where the masks are and two pixels around: uint8 (H, W, 3), contiguous."""
    _fill(rgb, masks, (0, 0, 0))


def fill_with_mean(rgb: Rgb, masks: Sequence[Points]) -> None:
    """The mean colour of the rest where the masks are: it tells a model nothing, and looks like no dark camera."""
    covered = np.zeros(rgb.shape[:2], np.uint8)
    _fill(covered, masks, (255, 255, 255))
    mean = cv2.mean(rgb, cv2.bitwise_not(covered))[:3]
    rgb[covered > 0] = np.round(mean).astype(np.uint8)


def pixelate(rgb: Rgb, boxes: Boxes, strength: Strength) -> None:
    """Few soft cells where the boxes are: uint8 (H, W, 3); boxes float32 (N, 4), normalised xyxy, cut at the edges."""
    height, width = rgb.shape[:2]
    for box in boxes.tolist():
        x0, x1, x_px = _on_lattice(box[0] * width, box[2] * width, width, box, rgb.shape, strength)
        y0, y1, y_px = _on_lattice(box[1] * height, box[3] * height, height, box, rgb.shape, strength)
        if x1 <= x0 or y1 <= y0:
            continue
        part = rgb[y0:y1, x0:x1]
        size = max(1, math.ceil((x1 - x0) / x_px)), max(1, math.ceil((y1 - y0) / y_px))
        cells = np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), np.uint8)
        cells = (cells & _KEPT_BITS) | _MIDDLE
        rgb[y0:y1, x0:x1] = cv2.resize(cells, (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR)


def _on_lattice(
    low: float, high: float, most: int, box: Sequence[float], shape: tuple[int, ...], strength: Strength
) -> tuple[int, int, int]:
    """Pixels from, to (outward to the lattice, inside the picture), and the size of a cell."""
    longer = max((box[2] - box[0]) * shape[1], (box[3] - box[1]) * shape[0], 1.0)
    cell = 2 ** max(1, math.ceil(math.log2(longer / CELLS[strength])))
    first, last = math.floor(low / cell) * cell, math.ceil(high / cell) * cell
    return max(0, first), min(most, last), cell


def _fill(image: NDArray[np.uint8], masks: Iterable[Points], colour: tuple[int, int, int]) -> None:
    size = np.array([image.shape[1], image.shape[0]], np.float64)
    for mask in masks:
        corners = np.round(np.array(mask, np.float64) * size).astype(np.int32)
        cv2.fillPoly(image, [corners], colour)
        cv2.polylines(image, [corners], True, colour, 2 * _MASK_MARGIN_PX + 1)
