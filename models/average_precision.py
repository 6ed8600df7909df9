"""How good detections are: average precision per class, and precision and recall at one score.

Boxes are matched as in COCO: by falling score, each to the free true box that it overlaps most, at least by min_iou.
Boxes that lie on an ignored object count neither for nor against. The area under the curve is exact (every recall step,
precision made monotone), as in PASCAL VOC since 2010.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Picture:
    """Found and true boxes of one class in one picture, xyxy in the same pixels."""

    found_boxes: NDArray[np.float32]
    found_scores: NDArray[np.float32]
    true_boxes: NDArray[np.float32]
    ignored_boxes: NDArray[np.float32]


@dataclass(frozen=True)
class Curve:
    """Verdicts over all pictures, by falling score: hit or miss, and how many there were to find."""

    scores: NDArray[np.float32]
    hits: NDArray[np.bool_]
    true_count: int

    @property
    def recall(self) -> NDArray[np.float64]:
        """Share of the true boxes that the best 1, 2, … n found boxes hit."""
        return np.cumsum(self.hits) / max(1, self.true_count)

    @property
    def precision(self) -> NDArray[np.float64]:
        """Share of hits among the best 1, 2, … n found boxes."""
        return np.cumsum(self.hits) / np.arange(1, len(self.hits) + 1)

    @property
    def average_precision(self) -> float:
        """Area under the precision-recall curve; NaN where there was nothing to find."""
        if not self.true_count:
            return float("nan")
        highest_from_here = np.maximum.accumulate(self.precision[::-1])[::-1]
        return float(np.sum(np.diff(self.recall, prepend=0.0) * highest_from_here))

    def at(self, score: float) -> tuple[float, float]:
        """Precision and recall of what scores at least this."""
        shown = self.scores >= score
        hits = int(self.hits[shown].sum())
        return hits / max(1, int(shown.sum())), hits / max(1, self.true_count)

    def best_f1(self) -> tuple[float, float]:
        """(F1, score) where precision and recall are best together; (0, 0.5) where nothing was found."""
        if not len(self.scores) or not self.true_count:
            return 0.0, 0.5
        f1 = 2 * np.cumsum(self.hits) / (np.arange(1, len(self.hits) + 1) + self.true_count)
        best = int(np.argmax(f1))
        return float(f1[best]), float(self.scores[best])


def judge(pictures: Sequence[Picture], min_iou: float = 0.5) -> Curve:
    """Every found box of one class, judged."""
    scores: list[float] = []
    hits: list[bool] = []
    for picture in pictures:
        overlap = iou(picture.found_boxes, picture.true_boxes)
        excused = iou(picture.found_boxes, picture.ignored_boxes)
        free = np.ones(len(picture.true_boxes), np.bool_)
        for row in np.argsort(-picture.found_scores, kind="stable"):
            candidates = np.where(free, overlap[row], -1.0)
            best = int(np.argmax(candidates)) if len(candidates) else -1
            hit = best >= 0 and candidates[best] >= min_iou
            if hit:
                free[best] = False
            elif excused.shape[1] and excused[row].max() >= min_iou:
                continue
            scores.append(float(picture.found_scores[row]))
            hits.append(bool(hit))
    order = np.argsort(-np.array(scores, np.float64), kind="stable")
    return Curve(
        np.array(scores, np.float32)[order],
        np.array(hits, np.bool_)[order],
        sum(len(picture.true_boxes) for picture in pictures),
    )


def iou(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """Overlap of every box in a (N, 4) with every box in b (M, 4): float32 (N, M)."""
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(-1)
    both = (a[:, 2:] - a[:, :2]).prod(-1)[:, None] + (b[:, 2:] - b[:, :2]).prod(-1)[None] - shared
    return (shared / np.maximum(both, 1e-9)).astype(np.float32)
