"""Affinities and assignments against plain loops and every permutation."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from streamer.track.association import affinity, assign, covered, kinds_of
from streamer.track.kalman import BoxFilter, BoxMotion
from streamer.track.settings import TrackerSettings


def plain_iou(a: np.ndarray, b: np.ndarray) -> float:
    """Of two boxes (centre x, centre y, width, height)."""
    side = [
        max(0.0, min(a[i] + a[i + 2] / 2, b[i] + b[i + 2] / 2) - max(a[i] - a[i + 2] / 2, b[i] - b[i + 2] / 2))
        for i in (0, 1)
    ]
    shared = side[0] * side[1]
    return shared / (a[2] * a[3] + b[2] * b[3] - shared)


def some_boxes(random: np.random.Generator, n: int) -> np.ndarray:
    return random.uniform([0, 0, 20, 40], [150, 150, 60, 110], (n, 4))


def test_affinity_is_what_its_formula_says() -> None:
    random = np.random.default_rng(2)
    settings, motion = TrackerSettings(), BoxMotion()
    tracks = BoxFilter(motion)
    tracks.add(some_boxes(random, 5), random.uniform(0.3, 1, 5))
    tracks.predict(0.3)
    boxes, scores, known = some_boxes(random, 7), random.uniform(0.1, 1, 7), random.uniform(0.1, 1, 5)
    told = affinity(tracks, known, boxes, scores, settings)
    for m in range(5):
        mean, spread = tracks.mean[0, m], tracks.cov[0, m]
        doubt = np.repeat(motion.seen_noise, 2) ** 2 * mean[2] * mean[3] * 2
        for n in range(7):
            surprise = float(((boxes[n] - mean) ** 2 / (spread + doubt)).sum())
            room = np.minimum(np.sqrt(spread[:2]), 2 * np.sqrt(mean[2] * mean[3]))
            grown = np.array([0, 0, *room])
            expected = plain_iou(mean + grown, boxes[n] + grown)
            expected -= settings.surprise_cost * surprise / settings.surprise_limit
            expected -= settings.score_cost * abs(known[m] - scores[n])
            assert told[m, n] == pytest.approx(-1.0 if surprise > settings.surprise_limit else expected)
    assert (told == -1).any()
    assert (told > 0).any(), "boxes on both sides of the limit, or the test shows little"


def test_assignment_is_the_best_of_all_permutations() -> None:
    random = np.random.default_rng(3)
    for _ in range(60):
        m, n = random.integers(1, 6, 2)
        fit = random.uniform(-0.4, 1, (m, n))
        rows, columns = assign(fit, 0.1)
        wide = fit if m <= n else fit.T
        worth = np.where(wide < 0.1, 0, wide)
        best = max(
            sum(worth[i, j] for i, j in enumerate(order)) for order in permutations(range(wide.shape[1]), len(wide))
        )
        assert fit[rows, columns].sum() == pytest.approx(best)
        assert (fit[rows, columns] >= 0.1).all()
        assert len(set(rows)) == len(rows)
        assert len(set(columns)) == len(columns)


def test_covered_is_the_intersection_as_a_share_of_the_smaller() -> None:
    random = np.random.default_rng(4)
    a, b = some_boxes(random, 6), some_boxes(random, 5)
    told = covered(a, b)
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            iou, areas = plain_iou(x, y), (x[2] * x[3], y[2] * y[3])
            assert told[i, j] == pytest.approx(iou / (1 + iou) * sum(areas) / min(areas))


def test_labels_that_detectors_confuse_are_one_kind_and_all_others_are_not() -> None:
    labels = ("person", "car", "bus", "truck", "bicycle", "motorcycle", "dog")
    kinds = kinds_of(labels, TrackerSettings().alike)
    assert kinds[1] == kinds[2] == kinds[3]
    assert kinds[4] == kinds[5]
    assert len(set(kinds.tolist())) == 4
