"""NMS against its own definition, written as loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from streamer.detect.nms import nms


def iou_by_hand(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    ax1, ay1, ax2, ay2 = map(float, a)
    bx1, by1, bx2, by2 = map(float, b)
    common = max(0.0, min(ax2, bx2) - max(ax1, bx1)) * max(0.0, min(ay2, by2) - max(ay1, by1))
    union = max(0.0, ax2 - ax1) * max(0.0, ay2 - ay1) + max(0.0, bx2 - bx1) * max(0.0, by2 - by1) - common
    return common / union if union > 0 else 0.0


def nms_by_hand(boxes, scores, classes, iou_above: float, at_most: int) -> list[int]:
    stays: list[int] = []
    with_area = [i for i, (x1, y1, x2, y2) in enumerate(boxes) if x2 > x1 and y2 > y1]
    for row in sorted(with_area, key=lambda i: (-scores[i], i)):
        if all(classes[k] != classes[row] or iou_by_hand(boxes[k], boxes[row]) <= iou_above for k in stays):
            stays.append(row)
    return stays[:at_most]


@st.composite
def scenes(draw, most: int = 40):
    """Boxes on a coarse grid, so that ties, equal boxes and boxes without area are common; few distinct scores."""
    n = draw(st.integers(0, most))
    corner = st.integers(0, 12)
    rows = draw(st.lists(st.tuples(corner, corner, st.integers(0, 8), st.integers(0, 8)), min_size=n, max_size=n))
    boxes = np.array([(x, y, x + w, y + h) for x, y, w, h in rows], np.float32).reshape(-1, 4)
    scores = np.array(draw(st.lists(st.sampled_from([0.1, 0.25, 0.5, 0.9]), min_size=n, max_size=n)), np.float32)
    classes = np.array(draw(st.lists(st.integers(0, 2), min_size=n, max_size=n)), np.int64)
    return boxes, scores, classes


# Thresholds that no ratio of small whole numbers meets but for rounding, and one that many meet exactly: 0.5.
@settings(max_examples=200, deadline=None)
@given(scenes(), st.sampled_from([0.31415, 0.5, 0.7071]), st.integers(1, 50))
def test_what_stays_is_what_the_definition_says(scene, iou_above, at_most):
    boxes, scores, classes = scene
    expected = nms_by_hand(boxes, scores, classes, iou_above, at_most)
    assert nms(boxes, scores, classes, iou_above, at_most).tolist() == expected


@pytest.mark.parametrize("n", [1, 128, 700])
def test_a_scene_of_many_boxes_gives_the_same_as_the_definition(n):
    rng = np.random.default_rng(n)
    corners = rng.uniform(0, 60, (n, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(5, 25, (n, 2))], axis=1).astype(np.float32)
    scores = rng.choice(np.linspace(0.1, 1, 20), n).astype(np.float32)
    classes = rng.integers(0, 3, n)
    for at_most in (7, n):
        expected = nms_by_hand(boxes, scores, classes, 0.45, at_most)
        assert nms(boxes, scores, classes, 0.45, at_most).tolist() == expected


def test_boxes_without_area_neither_stay_nor_suppress():
    point = np.array([[5, 5, 5, 5], [5, 5, 5, 5], [0, 5, 10, 5], [4, 4, 6, 6]], np.float32)
    kept = nms(point, np.array([0.9, 0.8, 0.7, 0.6], np.float32), np.zeros(4, np.int64), 0.1, 10)
    assert kept.tolist() == [3]
    assert nms(point[:3], np.array([0.9, 0.8, 0.7], np.float32), np.zeros(3, np.int64), 0.1, 10).tolist() == []


def test_of_noise_the_best_thousand_are_looked_at():
    n = 1500
    corners = np.stack([np.arange(n) * 10.0, np.zeros(n)], axis=1)
    boxes = np.concatenate([corners, corners + 5], axis=1).astype(np.float32)
    scores = np.linspace(0.1, 0.9, n).astype(np.float32)
    assert nms(boxes, scores, np.zeros(n, np.int64), 0.5, n).tolist() == list(range(n - 1, n - 1001, -1))


def test_a_box_may_stand_on_another_class():
    same = np.array([[0, 0, 10, 10]] * 3, np.float32)
    kept = nms(same, np.array([0.5, 0.9, 0.8], np.float32), np.array([0, 1, 1]), 0.5, 10)
    assert kept.tolist() == [1, 0]
