"""Average precision against an independent, slow and obvious computation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.average_precision import Curve, Picture, iou, judge

NONE = np.zeros((0, 4), np.float32)


def boxes(*rows: tuple[float, float, float, float]) -> np.ndarray:
    return np.array(rows, np.float32).reshape(-1, 4)


def area_under(scores: list[float], hits: list[bool], true_count: int) -> float:
    """Mean over true objects of the best precision at any recall that reaches them: the definition, literally."""
    ranked = [hit for _, hit in sorted(zip(scores, hits, strict=True), key=lambda pair: -pair[0])]
    precisions = [sum(ranked[: k + 1]) / (k + 1) for k in range(len(ranked))]
    recalls = [sum(ranked[: k + 1]) for k in range(len(ranked))]
    reached = [
        max((p for p, r in zip(precisions, recalls, strict=True) if r >= nth), default=0.0)
        for nth in range(1, true_count + 1)
    ]
    return sum(reached) / true_count


@settings(deadline=None, max_examples=100)
@given(st.lists(st.booleans(), min_size=0, max_size=30), st.integers(0, 10))
def test_the_area_is_the_definitions(hits: list[bool], missed: int) -> None:
    true_count = sum(hits) + missed
    if true_count == 0:
        return
    scores = [1.0 - i / 100 for i in range(len(hits))]
    curve = Curve(np.array(scores, np.float32), np.array(hits, bool), true_count)
    assert curve.average_precision == pytest.approx(area_under(scores, hits, true_count))


def test_a_second_box_on_the_same_object_is_a_miss() -> None:
    truth = boxes((0, 0, 10, 10))
    curve = judge([Picture(boxes((0, 0, 10, 10), (1, 0, 11, 10)), np.array([0.9, 0.8], np.float32), truth, NONE)])
    assert curve.hits.tolist() == [True, False]
    assert curve.at(0.5) == (0.5, 1.0)


def test_a_box_on_an_ignored_object_counts_neither_way() -> None:
    found = Picture(boxes((0, 0, 10, 10)), np.array([0.9], np.float32), NONE, boxes((0, 0, 10, 10)))
    curve = judge([found])
    assert len(curve.scores) == 0
    assert curve.true_count == 0


def test_the_stronger_box_takes_the_object() -> None:
    truth = boxes((0, 0, 10, 10))
    weak_but_exact = Picture(boxes((0, 0, 10, 10), (0, 0, 10, 14)), np.array([0.3, 0.9], np.float32), truth, NONE)
    curve = judge([weak_but_exact])
    assert curve.scores.tolist() == pytest.approx([0.9, 0.3])
    assert curve.hits.tolist() == [True, False]


def test_boxes_without_area_overlap_nothing() -> None:
    assert iou(boxes((5, 5, 5, 5)), boxes((0, 0, 10, 10), (5, 5, 5, 5))).tolist() == [[0.0, 0.0]]
