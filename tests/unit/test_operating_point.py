"""The score from which a detection counts: best on new pictures, robust on few, and quiet where nothing is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.average_precision import Curve
from models.detector.operating_point import best_f1_score, least_score, operating_points, pooled
from models.scores import ClassCurves


def curve(*verdicts: tuple[float, bool], missed: int = 0) -> Curve:
    ranked = sorted(verdicts, key=lambda pair: -pair[0])
    scores, hits = [s for s, _ in ranked], [hit for _, hit in ranked]
    return Curve(np.array(scores, np.float32), np.array(hits, np.bool_), sum(hits) + missed)


def of_class(given: Curve, false: tuple[float, ...] = (), empty: int = 0, in_model: bool = True) -> ClassCurves:
    return ClassCurves((given,), -np.sort(-np.array(false, np.float32)), empty, in_model)


def simulated(rng: np.random.Generator, objects: int) -> Curve:
    """Hits and misses as a fair detector scores them: 80 % found, three false boxes per object."""
    hits = rng.beta(4, 2, rng.binomial(objects, 0.8))
    misses = rng.beta(1.2, 4, rng.poisson(3 * objects))
    verdicts = [(s, True) for s in hits] + [(s, False) for s in misses]
    return curve(*verdicts, missed=objects - len(hits))


def f1_at(given: Curve, score: float) -> float:
    precision, recall = given.at(score)
    return 2 * precision * recall / max(1e-9, precision + recall)


def test_between_good_and_bad_the_middle_is_taken():
    parted = curve(*[(0.9, True)] * 20, *[(0.3, False)] * 20)
    assert best_f1_score(parted) == pytest.approx(0.6, abs=0.01)


def test_on_new_pictures_it_loses_no_more_than_two_thirds_of_what_the_raw_maximum_loses():
    rng = np.random.default_rng(5)
    world = simulated(rng, 20_000)
    best, _ = world.best_f1()
    lost = {"raw": 0.0, "smoothed": 0.0}
    for _ in range(60):
        seen = simulated(rng, 40)
        lost["raw"] += best - f1_at(world, seen.best_f1()[1])
        lost["smoothed"] += best - f1_at(world, best_f1_score(seen))
    assert lost["smoothed"] < 0.66 * lost["raw"]


def test_scores_in_few_steps_as_int8_gives_them_are_no_trouble():
    steps = curve(*[(0.75, True)] * 30, *[(0.5, True)] * 10, *[(0.5, False)] * 5, *[(0.25, False)] * 40)
    assert 0.25 < best_f1_score(steps) <= 0.5


def test_without_hits_it_is_one_half_and_without_truth_an_error():
    assert best_f1_score(curve((0.9, False), missed=3)) == 0.5
    assert best_f1_score(curve(missed=3), at_least=0.6) == 0.6
    with pytest.raises(ValueError, match="needs true boxes"):
        best_f1_score(curve((0.9, False)))


verdicts = st.lists(st.tuples(st.floats(0, 1, width=32), st.booleans()), max_size=40)


@settings(deadline=None, max_examples=100)
@given(verdicts, st.integers(1, 9), st.floats(0, 1))
def test_it_lies_between_the_floor_and_one(given_verdicts, missed, at_least):
    score = best_f1_score(curve(*given_verdicts, missed=missed), at_least)
    assert at_least <= score <= 1


@settings(deadline=None, max_examples=200)
@given(st.lists(st.floats(0, 0.875, width=32), max_size=30), st.integers(1, 40), st.sampled_from([0.0, 0.05, 0.3, 1.0]))
def test_the_least_score_keeps_the_limit_and_a_lower_one_would_not(false, empty, limit):
    curves = of_class(curve(), tuple(false), empty)

    def shown(score: float) -> float:
        return int((curves.false_scores >= score).sum()) / empty

    score = least_score(curves, limit)
    assert shown(score) <= limit + 1e-9
    assert score == 0 or shown(score - 0.002) > limit


def test_a_class_with_few_true_boxes_takes_the_score_of_all():
    person = curve(*[(0.8, True)] * 40, *[(0.4, False)] * 40)
    bus = curve(*[(0.3, True)] * 5, *[(0.1, False)] * 5)
    points = operating_points({"person": of_class(person), "bus": of_class(bus)}, at_least=0.05)
    assert set(points.by_label) == {"person"}
    assert points.shared == best_f1_score(pooled([person, bus]), 0.05)
    assert "5 true boxes are too few" in points.why["bus"]
    assert "40 true boxes" in points.why["person"]


def test_a_limit_on_false_boxes_raises_a_score_and_never_lowers_one():
    person = curve(*[(0.8, True)] * 40, *[(0.4, False)] * 40)
    noisy = of_class(person, false=(0.95, 0.9, 0.85), empty=20)
    quiet = of_class(person, false=(0.2,), empty=20)
    points = operating_points({"person": noisy, "car": quiet, "dog": of_class(person)}, 0.05, 0.05)
    assert points.by_label["person"] == pytest.approx(0.9, abs=0.002)
    assert int((noisy.false_scores >= points.by_label["person"]).sum()) <= 1
    assert points.by_label["car"] == points.by_label["dog"] == best_f1_score(person)
    assert "raised from 0.6 for at most 0.05 false per empty picture (20 pictures)" in points.why["person"]
    assert "no empty picture" in points.why["dog"]


def test_a_limit_holds_for_a_class_with_few_true_boxes_too():
    person = curve(*[(0.8, True)] * 40, *[(0.4, False)] * 40)
    bus = of_class(curve((0.9, True)), false=(0.97,) * 3, empty=30)
    points = operating_points({"person": of_class(person), "bus": bus}, 0.05, 0.05)
    assert points.by_label["bus"] == pytest.approx(0.971, abs=0.001)


def test_classes_that_the_model_lacks_have_no_operating_point():
    person = curve(*[(0.8, True)] * 40, missed=5)
    points = operating_points({"person": of_class(person), "dog": of_class(person, in_model=False)}, 0.05)
    assert set(points.by_label) == set(points.why) == {"person"}


def test_what_comes_out_is_what_a_manifest_takes():
    from streamer.artifacts import Thresholds

    person = curve(*[(0.8, True)] * 40, *[(0.4, False)] * 40)
    points = operating_points({"person": of_class(person)}, at_least=0.08)
    Thresholds(min_score=0.08, track_score=points.shared, nms_iou=0.6, track_score_by_label=points.by_label)
