"""How well scores tell positives from the rest, whatever the threshold: the ROC curve and the area under it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def roc(scores: NDArray[np.floating], positive: NDArray[np.bool_]) -> NDArray[np.float64]:
    """float64 (N, 2): share of the others, share of the positives that score so much or more, from (0, 0) to (1, 1)."""
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
    hits, false = np.cumsum(positive[order])[ends], np.cumsum(~positive[order])[ends]
    points = np.column_stack([false / max(int((~positive).sum()), 1), hits / max(int(positive.sum()), 1)])
    return np.concatenate([[[0.0, 0.0]], points])


def area_under_roc(scores: NDArray[np.floating], positive: NDArray[np.bool_]) -> float:
    """Probability that a positive scores above a negative, ties half (Mann and Whitney 1947); NaN without both."""
    n, p = int((~positive).sum()), int(positive.sum())
    if not n or not p:
        return float("nan")
    values, places = np.unique(scores, return_inverse=True)
    counts = np.bincount(places, minlength=len(values))
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[places]
    return float((ranks[positive].sum() - p * (p + 1) / 2) / (n * p))
