"""From which score on a detection counts: chosen per class on a validation set, for the manifest's thresholds.

The score of best F1, with F1 first smoothed over scores (Gaussian, σ 0.05): the raw maximum follows the luck of single
boxes. In simulated sets of 20 to 300 objects the smoothed choice loses, on new pictures, about half as much F1 as the
raw one (tests/unit/test_operating_point.py); with σ 0.1 it is worse than raw where scores are sharp. A class with few
true boxes takes the score that all classes together would choose. A limit on false detections in empty pictures only
ever raises a score.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from models.average_precision import Curve
from models.scores import ClassCurves

FEWEST_TRUE_BOXES = 20
_SMOOTHING = 0.05
_STEP = 0.01


@dataclass(frozen=True)
class OperatingPoints:
    """For Thresholds: shared is its track_score, by_label its track_score_by_label; why: a sentence per class.

    by_label leaves out classes that take the shared score.
    """

    shared: float
    by_label: dict[str, float]
    why: dict[str, str]


def operating_points(
    curves: Mapping[str, ClassCurves],
    at_least: float,
    at_most_false_per_picture: float | None = None,
    fewest_true_boxes: int = FEWEST_TRUE_BOXES,
) -> OperatingPoints:
    """The operating point of every class that the model has, none below at_least (the manifest's min_score).

    at_most_false_per_picture: how many boxes of a class a picture without that class may show on average. Raises
    ValueError where no class has a single true box: then there is nothing to choose by.
    """
    ours = {name: each for name, each in curves.items() if each.in_model}
    shared = best_f1_score(pooled(each.at50 for each in ours.values()), at_least)
    by_label: dict[str, float] = {}
    why: dict[str, str] = {}
    for name, each in ours.items():
        n = each.at50.true_count
        if n >= max(1, fewest_true_boxes):
            by_label[name] = best_f1_score(each.at50, at_least)
            why[name] = f"best F1 on {n} true boxes"
        else:
            why[name] = f"all classes' score: {n} true boxes are too few to choose by"
        if at_most_false_per_picture is not None:
            chosen, limit = by_label.get(name, shared), f"{at_most_false_per_picture:g} false per empty picture"
            if not each.empty_pictures:
                why[name] += f"; no empty picture to hold it to {limit}"
            elif (floor := least_score(each, at_most_false_per_picture)) > chosen:
                by_label[name] = floor
                why[name] += f", raised from {chosen:g} for at most {limit} ({each.empty_pictures} pictures)"
    return OperatingPoints(shared, by_label, why)


def best_f1_score(curve: Curve, at_least: float = 0.0) -> float:
    """The score, in steps of 0.01, where smoothed F1 is best; in the middle of what is equally good.

    Raises ValueError where there is no true box. Where nothing was found: 0.5, or at_least if that is more.
    """
    if not curve.true_count:
        raise ValueError("an operating point needs true boxes to choose by; the set holds none")
    if not curve.hits.any():
        return max(0.5, at_least)
    scores = np.arange(math.ceil(round(at_least / _STEP, 6)), round(1 / _STEP) + 1) * _STEP
    shown = np.searchsorted(-curve.scores.astype(np.float64), -scores, side="right")
    f1 = np.concatenate([[0.0], curve.f1])[shown]
    weights = np.exp(-0.5 * ((scores[:, None] - scores) / _SMOOTHING) ** 2)
    smooth = weights @ f1 / weights.sum(axis=1)
    best = np.flatnonzero(smooth >= smooth.max() - 1e-6)
    # Equal maxima apart from each other are chance: the first run of them counts.
    run = best[: int(np.argmax(np.append(np.diff(best), 2) > 1)) + 1]
    return max(at_least, round(float(scores[run[len(run) // 2]]), 2))


def least_score(curves: ClassCurves, at_most_false_per_picture: float) -> float:
    """The least score, in steps of 0.001, above which empty pictures show no more boxes than that on average."""
    if not curves.empty_pictures:
        raise ValueError("false detections per empty picture need empty pictures; the set has none")
    allowed = math.floor(at_most_false_per_picture * curves.empty_pictures + 1e-9)
    if len(curves.false_scores) <= allowed:
        return 0.0
    score = math.floor(1000 * float(curves.false_scores[allowed])) / 1000
    while score < 1 and int((curves.false_scores >= score).sum()) > allowed:
        score = round(score + 0.001, 3)
    return score


def pooled(curves: Iterable[Curve]) -> Curve:
    """One curve over the boxes of all of them."""
    each = list(curves)
    scores = np.concatenate([np.zeros(0, np.float32), *(curve.scores for curve in each)])
    hits = np.concatenate([np.zeros(0, np.bool_), *(curve.hits for curve in each)])
    order = np.argsort(-scores, kind="stable")
    return Curve(scores[order], hits[order], sum(curve.true_count for curve in each))
