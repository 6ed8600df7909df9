"""Motion crops: what moved since it was last looked at is cut out large and packed into one input; the rest is kept.

The scheme of Regionlets and of adaptive "RoI packing" for video (Zhang et al., "ELF", MobiCom 2021; Jiang et al.,
"Flexible high-resolution object detection on edge devices with tunable latency", MobiCom 2021): a net of a fixed input
costs the same whatever it is shown, so it is shown what is new, at a larger scale. A whole look every so often finds
what never moved. Crops of different cameras never share an input: what one camera shows must not change another's
answers, and batches depend on chance.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.detect.canvas import resize
from streamer.detect.regions.asking import Plan
from streamer.detect.regions.changes import CELL_PX, Cells, Mask, cells_of, changed, gray_of, painted
from streamer.detect.regions.merging import MergeLimits, merge_boxes
from streamer.detect.regions.packing import largest_scale, packed, scaled
from streamer.detect.regions.windows import Image, Part, Window, cut_by_border
from streamer.fit import Fit, InputFit
from streamer.types import Boxes, Detections, Frame

GAP_PX = 8
"""Padding between two crops, in input pixels: a box that reaches over it is no object."""
SCALES = (1.0, 0.85, 0.7, 0.6, 0.5, 0.42, 0.35, 0.3, 0.25, 0.2, 0.15)
"""Input pixels per source pixel that are tried. No crop is enlarged: on CAVIAR train, whose pictures are as large as
the input, crops at 1.5 took person AP50 from 0.80 to 0.65. A net sees worse without the surroundings, and there was no
detail to make up for it."""
LEAST_GAIN = 1.25
"""Crops must show so many times more than the whole look would, or the whole look is what is run."""
LEAST_CELLS = 3
"""A region of fewer changed cells is noise: large as a crop, even it would be smaller than what a net finds."""
MOST_REGIONS = 24
"""Where more regions moved than this, it rains or the light changed: the whole picture is looked at."""
_NEAR_ENOUGH_S = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class _Known:
    """What is known of a camera: boxes of all its picture, and each cell as it was when it was looked at last."""

    session: str
    source_wh: tuple[int, int]
    whole_s: float
    last_s: float
    cells: Cells
    found: Detections


@dataclass(frozen=True, slots=True)
class _Crop:
    """A window of the picture, and where it lies on the packed input at which size."""

    window: Window
    place: tuple[int, int]
    size: tuple[int, int]


class MotionCrops:
    """A Look that shows the model what moved; remembers one camera. Frames come in order, one at a time.

    whole_every_s: at least so often, in media time, the whole picture is looked at. Where nothing moved, nothing is
    run. margin: how much of a region's surroundings is cut out with it, as a share of its size, at least least_px input
    pixels of the whole look. sure_score: known boxes of this score are cut out whole, where one of them is touched.
    """

    def __init__(
        self,
        labels: tuple[str, ...],
        input_fit: InputFit,
        whole_every_s: float,
        limits: MergeLimits,
        margin: float = 0.3,
        least_px: int = 24,
        sure_score: float = 0.3,
    ) -> None:
        if not whole_every_s > 0:
            raise ValueError(f"whole_every_s must be above 0; got {whole_every_s:g}")
        self._labels, self._input_fit, self._limits = labels, input_fit, limits
        self._whole_every_s, self._margin, self._least_px = whole_every_s, margin, least_px
        self._sure_score = sure_score
        self._known: _Known | None = None

    def plan(self, frame: Frame) -> Plan:
        """The whole picture, one packed input, or nothing."""
        cells, known = cells_of(gray_of(frame.image)), self._known
        if known is None or not _continues(known, frame):
            return self._whole(frame, cells)
        if frame.media_s - known.whole_s > self._whole_every_s - _NEAR_ENOUGH_S:
            return self._whole(frame, cells)
        differs = changed(cells, known.cells, LEAST_CELLS)
        if not differs.any():
            return Plan((), lambda _: self._learned(replace(known, last_s=frame.media_s)))
        fit = self._input_fit.of(frame.source_wh)
        regions = _regions(differs)
        windows = self._windows(regions, known.found, fit) if len(regions) <= MOST_REGIONS else []
        crops = self._packed(windows, fit)
        if crops is None:
            return self._whole(frame, cells)
        seen = painted(_corners(windows) * np.array(fit.scale_xy * 2, np.float32), cells.shape)
        now = replace(known, last_s=frame.media_s, cells=np.where(seen, cells, known.cells))
        canvas = self._canvas(frame.picture.rgb(), crops)
        picture = replace(
            frame, image=canvas, source_wh=self._input_fit.canvas_wh, picture=Part(canvas), on_device=None
        )
        return Plan((picture,), lambda found: self._learned(replace(now, found=self._merged(known, found[0], crops))))

    def _whole(self, frame: Frame, cells: Cells) -> Plan:
        def learned(found: list[Detections]) -> Detections:
            at_s = frame.media_s
            return self._learned(_Known(frame.session, frame.source_wh, at_s, at_s, cells, found[0]))

        return Plan((frame,), learned)

    def _learned(self, known: _Known) -> Detections:
        self._known = known
        return known.found

    def _windows(self, regions: Boxes, known: Detections, fit: Fit) -> list[Window]:
        """Windows around what moved, in source pixels, none overlapping another; known boxes are in them whole."""
        width, height = fit.source_wh
        per_px = np.array(fit.scale_xy * 2, np.float32)
        margin = np.maximum(self._margin * (regions[:, 2:] - regions[:, :2]), self._least_px)
        grown = np.concatenate([regions[:, :2] - margin, regions[:, 2:] + margin], axis=1)
        whole = known.boxes_xyxy[known.scores >= self._sure_score]
        boxes = _joined(grown, whole * per_px) / per_px
        boxes = np.clip(boxes, 0, np.array([width, height] * 2))
        low, high = np.floor(boxes[:, :2]).astype(int), np.ceil(boxes[:, 2:]).astype(int)
        return [
            Window(x, y, right - x, bottom - y)
            for (x, y), (right, bottom) in zip(low.tolist(), high.tolist(), strict=True)
        ]

    def _packed(self, windows: list[Window], fit: Fit) -> list[_Crop] | None:
        """Where the windows lie on one input; None where there are none, or the whole look shows nearly as much."""
        if not windows:
            return None
        sizes = [window.wh for window in windows]
        worth_it = [scale for scale in SCALES if scale >= LEAST_GAIN * max(fit.scale_xy)]
        scale = largest_scale(sizes, fit.canvas_wh, GAP_PX, worth_it)
        places = packed(scaled(sizes, scale), fit.canvas_wh, GAP_PX) if scale else None
        if scale is None or places is None:
            return None
        return [_Crop(*each) for each in zip(windows, places, scaled(sizes, scale), strict=True)]

    def _canvas(self, full: Image, crops: list[_Crop]) -> Image:
        width, height = self._input_fit.canvas_wh
        canvas = np.full((height, width, 3), self._input_fit.pad_value, np.uint8)
        for crop in crops:
            (x, y), (w, h) = crop.place, crop.size
            canvas[y : y + h, x : x + w] = resize(crop.window.of(full), crop.size)
        return canvas

    def _merged(self, known: _Known, found: Detections, crops: list[_Crop]) -> Detections:
        """What was found in the crops, and what is kept of before: all that lies outside of them."""
        outside = np.ones(len(known.found), np.bool_)
        parts, cut = [], []
        of_crop = _crop_rows(found.boxes_xyxy, crops)
        for number, crop in enumerate(crops):
            window = crop.window
            outside &= ~_centred_in(known.found.boxes_xyxy, window)
            mine = found.keep(of_crop == number)
            fit = Fit(window.wh, crop.size, self._input_fit.canvas_wh, crop.place)
            boxes = fit.to_source(mine.boxes_xyxy) + np.array([window.x, window.y] * 2, np.float32)
            parts.append(replace(mine, boxes_xyxy=boxes, features=None))
            cut.append(cut_by_border(boxes, window, known.source_wh))
        kept = known.found.keep(outside)
        return merge_boxes(
            Detections(
                np.concatenate([kept.boxes_xyxy, *(part.boxes_xyxy for part in parts)]),
                np.concatenate([kept.scores, *(part.scores for part in parts)]),
                np.concatenate([kept.class_ids, *(part.class_ids for part in parts)]),
                self._labels,
                known.found.features,
            ),
            np.concatenate([np.zeros(len(kept), np.bool_), *cut]),
            self._limits,
        )


def _continues(known: _Known, frame: Frame) -> bool:
    same = known.session == frame.session and known.source_wh == frame.source_wh
    return same and frame.media_s > known.last_s


def _regions(differs: Mask) -> Boxes:
    """float32 (N, 4), xyxy in pixels of the model-sized picture, of the connected cells."""
    _, _, stats, _ = cv2.connectedComponentsWithStats(differs.view(np.uint8), connectivity=8)
    ltwh = np.asarray(stats)[1:, :4].astype(np.float32) * CELL_PX
    return np.concatenate([ltwh[:, :2], ltwh[:, :2] + ltwh[:, 2:]], axis=1)


def _joined(regions: NDArray[np.float32], boxes: Boxes) -> NDArray[np.float32]:
    """Regions grown over the boxes that they touch, and joined where they touch each other, until none does."""
    regions = regions.copy()
    while True:
        before = regions.copy()
        for i in range(len(regions)):
            touched = boxes[_touches(boxes, regions[i])]
            together = np.concatenate([regions[i : i + 1], touched])
            regions[i] = (*together[:, :2].min(axis=0), *together[:, 2:].max(axis=0))
        kept: list[NDArray[np.float32]] = []
        for region in regions:
            for other in [each for each in kept if _touches(each[None], region)[0]]:
                region = np.concatenate([np.minimum(region[:2], other[:2]), np.maximum(region[2:], other[2:])])
                kept = [each for each in kept if each is not other]
            kept.append(region)
        regions = np.array(kept, np.float32).reshape(-1, 4)
        if regions.shape == before.shape and (regions == before).all():
            return regions


def _touches(boxes: Boxes, region: NDArray[np.float32]) -> NDArray[np.bool_]:
    return np.asarray(((boxes[:, :2] < region[2:]) & (boxes[:, 2:] > region[:2])).all(axis=1), np.bool_)


def _centred_in(boxes: Boxes, window: Window) -> NDArray[np.bool_]:
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    x1, y1, x2, y2 = window.xyxy
    return np.asarray(((middles >= (x1, y1)) & (middles <= (x2, y2))).all(axis=1), np.bool_)


def _crop_rows(boxes: Boxes, crops: list[_Crop]) -> NDArray[np.intp]:
    """For each box on the packed input the crop that its middle lies in; -1 for those that join two, or none.

    A box that reaches beyond its crop by more than the gap says that two crops were taken for one thing.
    """
    rows = np.full(len(boxes), -1, np.intp)
    for number, crop in enumerate(crops):
        on_sheet = Window(*crop.place, *crop.size)
        x1, y1, x2, y2 = on_sheet.xyxy
        within = (boxes[:, :2] >= (x1 - GAP_PX, y1 - GAP_PX)) & (boxes[:, 2:] <= (x2 + GAP_PX, y2 + GAP_PX))
        rows[_centred_in(boxes, on_sheet) & within.all(axis=1)] = number
    return rows


def _corners(windows: list[Window]) -> NDArray[np.float32]:
    return np.array([window.xyxy for window in windows], np.float32).reshape(-1, 4)
