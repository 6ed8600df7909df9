"""Connected regions of cells that differ from the background."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

Cells = NDArray[np.float32]
Mask = NDArray[np.bool_]
Box = tuple[float, float, float, float]
Value = TypeVar("Value", bound=np.generic)

_WEAK = 0.6
_HALF = 0.4
_ADJACENT = np.ones((3, 3), np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class Regions:
    """Numbered regions of one look. Row 0, and every row that is not `kept`, is no region.

    where: int64 (m,), flat indices of the cells that belong to any; labels: int32 (m,), the region of each. areas:
    int64 (n,), cells. edges_ltwh: int32 (n, 4), in cells. kept: bool (n,). cells: bool (h, w), where any region is.

    Regions are a small part of the picture: what is asked about them is asked of their cells alone.
    """

    where: NDArray[np.int64]
    labels: NDArray[np.int32]
    areas: NDArray[np.int64]
    edges_ltwh: NDArray[np.int32]
    kept: Mask
    cells: Mask

    def peaks(self, values: Cells) -> Cells:
        """float32 (n,): the greatest of each region's values, and at least 0; float32 (h, w) → (n,)."""
        peaks = np.zeros(len(self.kept), np.float32)
        np.maximum.at(peaks, self.labels, values.take(self.where))
        return peaks

    def means(self, values: Cells) -> NDArray[np.float64]:
        """float64 (n,): the mean of each region's values; float32 (h, w) → (n,)."""
        sums = np.bincount(self.labels, weights=values.take(self.where), minlength=len(self.kept))
        return sums / np.maximum(self.areas, 1)

    def counts(self, where: Mask) -> NDArray[np.int64]:
        """int64 (n,): how many of each region's cells are in `where`, bool (h, w)."""
        return np.bincount(self.labels[where.take(self.where)], minlength=len(self.kept))

    def cells_of(self, chosen: Mask) -> Mask:
        """bool (h, w): where the chosen of the kept regions, bool (n,), are."""
        return self.drawn(chosen)

    def drawn(self, values: NDArray[Value]) -> NDArray[Value]:
        """(h, w): in the cells of each region its value, else 0; values: (n,)."""
        picture = np.zeros(self.cells.shape, values.dtype)
        picture.ravel()[self.where] = values.take(self.labels)
        return picture

    def without(self, dropped: Mask) -> Regions:
        """The same numbers, fewer kept; dropped is bool (n,)."""
        kept = self.kept & ~dropped
        stays = kept.take(self.labels)
        return Regions(self.where[stays], self.labels[stays], self.areas, self.edges_ltwh, kept, self.drawn(kept))

    def boxes(self, chosen: Mask) -> tuple[Box, ...]:
        """Of the chosen regions, bool (n,), largest first: x1, y1, x2, y2 as shares of the picture."""
        height, width = self.cells.shape
        order = np.flatnonzero(chosen)
        order = order[np.argsort(-self.areas[order], kind="stable")]
        return tuple(
            (left / width, top / height, (left + wide) / width, (top + high) / height)
            for left, top, wide, high in self.edges_ltwh[order].tolist()
        )


def find_regions(away: Cells, tolerance: Cells, unmasked: Mask) -> Regions | None:
    """Regions whose every cell is clearly off, and some cell beyond tolerance; None where there is none.

    away: float32 (h, w), how far each cell is from the background; tolerance: float32 (h, w). Two thresholds, as in
    Canny's hysteresis (1986): the low one, 0.6 of the tolerance, finds the whole of a thing, the high one tells it from
    noise. A cell that a thing covers by less than about half differs by less than half of what its neighbour does,
    and is left out. Gaps of one cell are closed.
    """
    strong = away > tolerance
    strong &= unmasked
    if not strong.any():
        return None
    weak = away > _WEAK * tolerance
    weak &= away > _HALF * cv2.dilate(away, _ADJACENT)
    weak &= unmasked
    closed = cv2.morphologyEx(weak.view(np.uint8), cv2.MORPH_CLOSE, _ADJACENT) & unmasked.view(np.uint8)
    count, numbers, stats, _ = cv2.connectedComponentsWithStats(closed, connectivity=8, ltype=cv2.CV_32S)
    labels, table = np.asarray(numbers, np.int32), np.asarray(stats, np.int32)
    kept = np.zeros(count, np.bool_)
    kept[labels[strong]] = True
    kept[0] = False
    areas = table[:, cv2.CC_STAT_AREA].astype(np.int64)
    where = np.flatnonzero(closed.view(np.bool_))
    numbers_there = labels.take(where)
    stays = kept.take(numbers_there)
    where = where[stays]
    cells = np.zeros(labels.shape, np.bool_)
    cells.ravel()[where] = True
    return Regions(where, numbers_there[stays], areas, table[:, : cv2.CC_STAT_AREA], kept, cells)
