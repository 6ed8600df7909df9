"""One list of objects out of several looks at one picture: whole boxes before those that a border cut.

The idea of slicing-aided inference (SAHI: Akyon, Altinuc and Temizel, ICIP 2022): looks overlap, so the same thing is
found twice, and a thing on a border is found as a part. A part is told from a second thing by the border that it ends
at, and by how much of it lies within a whole box.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamer.detect.regions.windows import Window, brought_back, cut_by_border
from streamer.types import Boxes, Detections, PictureFeatures


@dataclass(frozen=True, slots=True)
class MergeLimits:
    """When two boxes of a class are one thing.

    same_iou      overlap (IoU) above which the later box goes and leaves its score, if that is the higher one
    part_share    share of a cut box's own area within a whole one above which it is a part of it and goes
    max_objects   at most so many per frame
    """

    same_iou: float = 0.5
    part_share: float = 0.6
    max_objects: int = 300


def merge(
    looks: Sequence[tuple[Window, Detections]],
    picture_wh: tuple[int, int],
    labels: tuple[str, ...],
    limits: MergeLimits,
    features: PictureFeatures | None = None,
) -> Detections:
    """The objects of all looks, boxes of each in pixels of its window; rows by falling score, in picture pixels."""
    boxes = [brought_back(found.boxes_xyxy, window) for window, found in looks]
    cut = [cut_by_border(each, window, picture_wh) for each, (window, _) in zip(boxes, looks, strict=True)]
    return merge_boxes(
        Detections(
            np.concatenate([np.zeros((0, 4), np.float32), *boxes]),
            np.concatenate([np.zeros(0, np.float32), *(found.scores for _, found in looks)]),
            np.concatenate([np.zeros(0, np.int64), *(found.class_ids for _, found in looks)]),
            labels,
            features,
        ),
        np.concatenate([np.zeros(0, np.bool_), *cut]),
        limits,
    )


def merge_boxes(found: Detections, cut: NDArray[np.bool_], limits: MergeLimits) -> Detections:
    """The same for boxes in picture pixels; cut bool (N,): which of them a border cut."""
    boxes, class_ids, scores = found.boxes_xyxy, found.class_ids, found.scores.copy()
    waiting = np.lexsort((-scores, cut))  # whole ones first, each kind by falling score, stable
    kept: list[int] = []
    while len(waiting):
        row, waiting = int(waiting[0]), waiting[1:]
        kept.append(row)
        shared = _shared(boxes[row], boxes[waiting])
        areas = _areas(boxes[waiting])
        alike = class_ids[waiting] == class_ids[row]
        same = alike & (shared > limits.same_iou * (_areas(boxes[row]) + areas - shared))
        part = alike & cut[waiting] & (shared > limits.part_share * areas)
        scores[row] = max(scores[row], scores[waiting[same]].max(initial=0.0))
        waiting = waiting[~(same | part)]
    rows = np.array(kept, np.intp)
    rows = rows[np.argsort(-scores[rows], kind="stable")][: limits.max_objects]
    return Detections(boxes[rows], scores[rows], class_ids[rows], found.labels, found.features)


def _shared(box: NDArray[np.float32], boxes_xyxy: Boxes) -> NDArray[np.float32]:
    low, high = np.maximum(box[:2], boxes_xyxy[:, :2]), np.minimum(box[2:], boxes_xyxy[:, 2:])
    sides = np.maximum(high - low, 0.0)
    shared: NDArray[np.float32] = sides[:, 0] * sides[:, 1]
    return shared


def _areas(boxes_xyxy: Boxes) -> NDArray[np.float32]:
    areas: NDArray[np.float32] = (boxes_xyxy[..., 2] - boxes_xyxy[..., 0]) * (boxes_xyxy[..., 3] - boxes_xyxy[..., 1])
    return areas
