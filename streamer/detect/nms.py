"""Which of many overlapping boxes stay: greedy non-maximum suppression per class."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.types import Boxes

_MOST = 1000
"""The best so many are compared, as torchvision's detectors do: of more than that a picture is noise, and comparing
them costs their number squared."""


def nms(
    boxes_xyxy: Boxes,
    scores: NDArray[np.float32],
    class_ids: NDArray[np.int64],
    iou_above: float,
    at_most: int,
) -> NDArray[np.int64]:
    """Rows that stay, by falling score; equal scores in the order of their rows.

    boxes_xyxy float32 (N, 4), scores float32 (N,), class_ids int64 (N,) → int64 (K,), K ≤ at_most. Of the best
    1,000, a row stays unless a row of its class that stays, and comes before it, overlaps it with an IoU greater than
    iou_above. Boxes without area do not stay. No NaN, please.
    """
    sides = boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]
    larger_than_0: NDArray[np.bool_] = sides > 0
    rows = (-scores).argsort(kind="stable")
    if not larger_than_0.all():
        rows = rows[(larger_than_0[:, 0] & larger_than_0[:, 1])[rows]]
    rows = rows[:_MOST]
    if not len(rows):
        return rows
    # OpenCV's stubs ask for lists; arrays spare the way through Python. Ranks for scores: it wants those above 0.
    xywh: Any = np.empty((len(rows), 4), np.float64)
    xywh[:, :2], xywh[:, 2:] = boxes_xyxy[rows, :2], sides[rows]
    ranks: Any = np.arange(len(rows), 0, -1, dtype=np.float32)
    classes: Any = class_ids[rows].astype(np.int32)
    kept: Any = cv2.dnn.NMSBoxesBatched(xywh, ranks, classes, 0.0, iou_above)
    stay: NDArray[np.int64] = rows[kept[:at_most]]
    return stay
