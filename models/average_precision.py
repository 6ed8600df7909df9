"""How good detections are: average precision per class, and precision and recall at one score.

Boxes are matched as in COCO: by falling score, each to the free true box that it overlaps most, at least by min_iou.
Boxes that lie on an ignored object or crowd, by at least that share of their own area, count neither for nor against.
The area under the curve is exact (every recall step, precision made monotone), as in PASCAL VOC since 2010; COCO's own
evaluator reads it at 101 points, which differs by a fraction of a point.
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
    def f1(self) -> NDArray[np.float64]:
        """Harmonic mean of precision and recall of the best 1, 2, … n found boxes."""
        return 2 * np.cumsum(self.hits) / (np.arange(1, len(self.hits) + 1) + self.true_count)

    @property
    def ends_of_ties(self) -> NDArray[np.bool_]:
        """True for the last box of every score: only there can a threshold part the boxes."""
        return np.append(self.scores[1:] != self.scores[:-1], True)[: len(self.scores)]

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
        reachable = np.where(self.ends_of_ties, self.f1, -1.0)
        best = int(np.argmax(reachable))
        return float(reachable[best]), float(self.scores[best])


def judge(pictures: Sequence[Picture], min_iou: float = 0.5) -> Curve:
    """Every found box of one class, judged."""
    [curve] = judge_at(pictures, (min_iou,))
    return curve


def judge_at(pictures: Sequence[Picture], min_ious: Sequence[float]) -> tuple[Curve, ...]:
    """Every found box of one class, judged once for each overlap that is asked for."""
    limits = np.array(min_ious, np.float32)
    scores: list[NDArray[np.float32]] = [np.zeros(0, np.float32)]
    hits: list[NDArray[np.bool_]] = [np.zeros((0, len(limits)), np.bool_)]
    counts: list[NDArray[np.bool_]] = [np.zeros((0, len(limits)), np.bool_)]
    for picture in pictures:
        rows = np.argsort(-picture.found_scores, kind="stable")
        found = picture.found_boxes[rows]
        hit = _hits(iou(found, picture.true_boxes), limits)
        excused = covered(found, picture.ignored_boxes).max(axis=1, initial=0.0)
        scores.append(picture.found_scores[rows])
        hits.append(hit)
        counts.append(hit | (excused[:, None] < limits))
    all_scores, all_hits, all_count = np.concatenate(scores), np.concatenate(hits), np.concatenate(counts)
    order = np.argsort(-all_scores, kind="stable")
    true_count = sum(len(picture.true_boxes) for picture in pictures)
    curves = []
    for limit in range(len(limits)):
        kept = order[all_count[order, limit]]
        curves.append(Curve(all_scores[kept].astype(np.float32), all_hits[kept, limit], true_count))
    return tuple(curves)


def _hits(overlap: NDArray[np.float32], limits: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which rows hit, per limit: overlap (N, M) of found boxes by falling score with true ones → bool (N, T)."""
    n, m = overlap.shape
    hits = np.zeros((n, len(limits)), np.bool_)
    free = np.ones((len(limits), m), np.bool_)
    every = np.arange(len(limits))
    # Most found boxes are weak and overlap nothing: only the others have to be gone through one by one.
    for row in np.flatnonzero(overlap.max(axis=1, initial=-1.0) >= limits.min()).tolist():
        candidates = np.where(free, overlap[row], np.float32(-1))
        best = candidates.argmax(axis=1)
        hits[row] = candidates[every, best] >= limits
        free[every[hits[row]], best[hits[row]]] = False
    return hits


def iou(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """Overlap of every box in a with every box in b: float32 (N, 4), (M, 4) xyxy → float32 (N, M); no area: 0."""
    shared = _shared(a, b)
    both = (a[:, 2:] - a[:, :2]).prod(-1)[:, None] + (b[:, 2:] - b[:, :2]).prod(-1)[None] - shared
    overlap: NDArray[np.float32] = (shared / np.maximum(both, 1e-9)).astype(np.float32)
    return overlap


def covered(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """Share of every box in a (N, 4) that lies within each box in b (M, 4): float32 (N, M)."""
    own = (a[:, 2:] - a[:, :2]).prod(-1)[:, None]
    share: NDArray[np.float32] = (_shared(a, b) / np.maximum(own, 1e-9)).astype(np.float32)
    return share


def _shared(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared: NDArray[np.float32] = np.clip(high - low, 0, None).prod(-1)
    return shared
