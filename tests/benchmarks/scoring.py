"""Truth files of others, and detections by frame, in the form that models.average_precision judges."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.average_precision import Curve, Picture, judge

Floats = NDArray[np.float64]
_NOTHING = np.zeros((0, 4), np.float32)


def curve_of(
    truth: Mapping[int, Floats], found: Mapping[int, tuple[Floats, Floats]], iou_at_least: float = 0.5
) -> Curve:
    """The curve of one class. truth: frame → (N, 4) xyxy; found: frame → ((M, 4) xyxy, (M,) scores).

    Only frames in truth count: a frame without people must be there with an empty array.
    """
    pictures = []
    for frame, true_boxes in truth.items():
        boxes, scores = found.get(frame, (_NOTHING, np.zeros(0)))
        pictures.append(Picture(_boxes(boxes), np.asarray(scores, np.float32), _boxes(true_boxes), _NOTHING))
    return judge(pictures, iou_at_least)


def read_mot(path: Path, scale: float = 1.0) -> dict[int, Floats]:
    """Boxes of a MOT file (frame, id, left, top, width, height, …), frames from 1, as frame → (N, 4) xyxy × scale."""
    rows = np.loadtxt(path, delimiter=",", usecols=range(6), ndmin=2)
    boxes = np.concatenate([rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]], axis=1) * scale
    return {int(frame): boxes[rows[:, 0] == frame] for frame in np.unique(rows[:, 0])}


def _boxes(given: Floats) -> NDArray[np.float32]:
    return np.asarray(given, np.float32).reshape(-1, 4)
