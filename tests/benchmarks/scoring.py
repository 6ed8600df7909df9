"""How good detections are: average precision of one class at one overlap, all points interpolated.

As COCO matches and PASCAL VOC (from 2010) integrates: detections of all frames by falling score; each takes, in its
frame, the truth box that it overlaps most among those not taken yet, if by the asked IoU, else it is false; precision
is made non-increasing from the right and integrated over recall without sampling.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Precision and recall of the best 1, 2, … n detections, and the score of the last of them; ap in [0, 1]."""

    ap: float
    precision: Floats
    recall: Floats
    scores: Floats

    def best_f1(self) -> tuple[float, float]:
        """(F1, score): the operating point at which precision and recall are best together."""
        if not len(self.scores):
            return 0.0, 1.0
        f1 = 2 * self.precision * self.recall / np.maximum(self.precision + self.recall, 1e-12)
        best = int(f1.argmax())
        return float(f1[best]), float(self.scores[best])


def average_precision(
    truth: Mapping[int, Floats], found: Mapping[int, tuple[Floats, Floats]], iou_at_least: float = 0.5
) -> Curve:
    """The curve of one class. truth: frame → (N, 4) xyxy; found: frame → ((M, 4) xyxy, (M,) scores).

    Only frames in truth count: a frame without people must be there with an empty array.
    """
    hits: list[tuple[float, bool]] = []
    for frame, boxes in truth.items():
        if frame in found:
            hits += _judged(np.asarray(boxes, float).reshape(-1, 4), *found[frame], iou_at_least)
    n_truth = sum(len(boxes) for boxes in truth.values())
    hits.sort(key=lambda hit: -hit[0])  # stable: equal scores stay in frame order
    true = np.cumsum([hit for _, hit in hits], dtype=float)
    recall = true / max(n_truth, 1)
    precision = true / np.arange(1, len(hits) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1] if len(hits) else precision
    ap = float(np.sum(np.diff(recall, prepend=0.0) * envelope))
    return Curve(ap, precision, recall, np.array([score for score, _ in hits]))


def iou(box: Floats, others: Floats) -> Floats:
    """Overlap of one xyxy box with (N, 4) others → (N,) in [0, 1]."""
    width = np.minimum(box[2], others[:, 2]) - np.maximum(box[0], others[:, 0])
    height = np.minimum(box[3], others[:, 3]) - np.maximum(box[1], others[:, 1])
    common = np.maximum(width, 0) * np.maximum(height, 0)
    area = (box[2] - box[0]) * (box[3] - box[1])
    areas = (others[:, 2] - others[:, 0]) * (others[:, 3] - others[:, 1])
    return np.asarray(common / np.maximum(area + areas - common, 1e-12))


def read_mot(path: Path, scale: float = 1.0) -> dict[int, Floats]:
    """Boxes of a MOT file (frame, id, left, top, width, height, …), frames from 1, as frame → (N, 4) xyxy × scale."""
    rows = np.loadtxt(path, delimiter=",", usecols=range(6), ndmin=2)
    boxes = np.concatenate([rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]], axis=1) * scale
    return {int(frame): boxes[rows[:, 0] == frame] for frame in np.unique(rows[:, 0])}


def _judged(truth: Floats, boxes: Floats, scores: Floats, iou_at_least: float) -> list[tuple[float, bool]]:
    free = np.ones(len(truth), bool)
    judged = []
    for row in np.argsort(-np.asarray(scores), kind="stable"):
        hit = False
        if free.any():
            overlap = np.where(free, iou(np.asarray(boxes[row], float), truth), -1.0)
            best = int(overlap.argmax())
            if overlap[best] >= iou_at_least:
                free[best], hit = False, True
        judged.append((float(scores[row]), hit))
    return judged
