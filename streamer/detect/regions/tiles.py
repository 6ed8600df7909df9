"""Tiles: the whole picture, and overlapping parts of it at a larger scale, so that what is small is seen.

After SAHI (Akyon, Altinuc and Temizel, "Slicing aided hyper inference and fine-tuning for small object detection",
ICIP 2022). The price is plain: R × C + 1 pictures instead of one, and the conversion of the full-size picture.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from streamer.detect.regions.asking import Plan
from streamer.detect.regions.merging import MergeLimits, merge
from streamer.detect.regions.windows import Window, cut_out
from streamer.fit import InputFit
from streamer.types import Detections, Frame

LARGEST_SHARE = 0.25
"""√area of a box over √area of its tile, above which the tile is not asked."""


class Tiles:
    """A Look of rows × columns tiles and the whole picture; remembers nothing of its camera."""

    def __init__(
        self, labels: tuple[str, ...], input_fit: InputFit, rows: int, columns: int, overlap: float, limits: MergeLimits
    ) -> None:
        if rows < 1 or columns < 1 or not 0 <= overlap < 1:
            raise ValueError(f"tiles need a row, a column and an overlap in [0, 1); got {rows}, {columns}, {overlap:g}")
        self._labels, self._input_fit, self._limits = labels, input_fit, limits
        self._rows, self._columns, self._overlap = rows, columns, overlap

    def plan(self, frame: Frame) -> Plan:
        """The whole picture as it came, then each tile at the scale that fills the model's input."""
        width, height = frame.source_wh
        windows = grid(frame.source_wh, self._rows, self._columns, self._overlap)
        full = frame.picture.rgb()
        pictures = [frame, *(cut_out(frame, full, window, self._input_fit) for window in windows)]

        def merged(found: list[Detections]) -> Detections:
            whole, *parts = found
            looks = [(Window(0, 0, width, height), whole)]
            looks += [(window, _small(part, window)) for window, part in zip(windows, parts, strict=True)]
            return merge(looks, frame.source_wh, self._labels, self._limits, whole.features)

        return Plan(tuple(pictures), merged)


def _small(found: Detections, window: Window) -> Detections:
    """What is small in its tile: of anything larger the whole picture shows enough, and the tile tells of its parts.

    As in multi-scale testing, where each scale speaks for its sizes (SNIP: Singh and Davis, CVPR 2018).
    """
    sides = np.maximum(found.boxes_xyxy[:, 2:] - found.boxes_xyxy[:, :2], 0.0)
    return found.keep(sides.prod(axis=1) <= LARGEST_SHARE**2 * window.width * window.height)


@lru_cache(maxsize=64)
def grid(picture_wh: tuple[int, int], rows: int, columns: int, overlap: float) -> tuple[Window, ...]:
    """Windows of one size, row by row, that cover the picture; neighbours share at least overlap of their side."""
    across, down = _spans(picture_wh[0], columns, overlap), _spans(picture_wh[1], rows, overlap)
    return tuple(Window(x, y, w, h) for y, h in down for x, w in across)


def _spans(length: int, count: int, overlap: float) -> list[tuple[int, int]]:
    """(start, length) of equally long spans, the first at 0, the last ending with the picture."""
    # count spans, of which all but one lose `overlap` of themselves: span × (count − (count − 1) × overlap) = length.
    span = min(length, -int(-length // (count - (count - 1) * overlap)))
    return [(round(i * (length - span) / max(1, count - 1)), span) for i in range(count)]
