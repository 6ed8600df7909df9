"""What holds for features of any tracks: frame rate, resolution and mirror do not matter, and nonsense stays out."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from streamer.behaviour.features import (
    EMBEDDING_WIDTH,
    FEATURES,
    LONGEST_GAP_S,
    STEP_S,
    Round,
    TrackFeatures,
)
from streamer.behaviour.motion import MOTION
from streamer.behaviour.surprise import surprise, unlikeness

World = Callable[[float], NDArray[np.float64]]
few = settings(max_examples=20, deadline=None)


def world(seed: int, people: int) -> World:
    """Boxes of people at any time, float64 (people, 4) xyxy: corners at multiples of 0.2 s, straight lines between."""
    random = np.random.default_rng(seed)
    knots = 60
    middles = random.uniform(100, 900, (people, 1, 2)) + np.cumsum(random.normal(0, 6, (people, knots, 2)), axis=1)
    sizes = random.uniform(40, 80, (people, 1, 2)) * np.exp(
        np.cumsum(random.normal(0, 0.02, (people, knots, 2)), axis=1)
    )

    def at(at_s: float) -> NDArray[np.float64]:
        place = min(at_s / STEP_S, knots - 1.001)
        left = int(place + 1e-9)
        share = place - left
        blend = [(1 - share) * each[:, left] + share * each[:, left + 1] for each in (middles, sizes)]
        return np.concatenate([blend[0] - blend[1] / 2, blend[0] + blend[1] / 2], axis=1)

    return at


def watch(
    boxes_at: World, per_s: float, for_s: float = 6.0, change: Callable[[NDArray], NDArray] = lambda boxes: boxes
) -> dict[tuple[int, int], NDArray[np.float32]]:
    """(grid step, id) → features, of a camera that looks so often."""
    memory = TrackFeatures()
    told: dict[tuple[int, int], NDArray[np.float32]] = {}
    for frame in range(int(for_s * per_s) + 1):
        boxes = change(boxes_at(frame / per_s))
        for each in memory.update(frame / per_s, np.arange(1, len(boxes) + 1), boxes, None):
            told |= as_steps(each)
    assert memory.refused == 0
    return told


def as_steps(each: Round) -> dict[tuple[int, int], NDArray[np.float32]]:
    step = round(each.at_s / STEP_S)
    assert math.isclose(step * STEP_S, each.at_s, abs_tol=1e-9)
    return {(step, int(track_id)): row for track_id, row in zip(each.ids, each.features, strict=True)}


def assert_same(a: dict, b: dict, within: float = 2e-3) -> None:
    assert a.keys() == b.keys()
    for key, row in a.items():
        off = np.abs(row - b[key])
        assert off.max() <= within, (key, FEATURES[int(off.argmax())], float(off.max()))


worlds = st.builds(world, st.integers(0, 10**6), st.integers(1, 5))


@few
@given(worlds, st.sampled_from([10, 15, 20, 25, 30, 60]))
def test_the_frame_rate_does_not_matter(boxes_at: World, per_s: int) -> None:
    assert_same(watch(boxes_at, 5), watch(boxes_at, per_s))


@few
@given(worlds, st.floats(0.2, 8))
def test_the_resolution_does_not_matter(boxes_at: World, scale: float) -> None:
    assert_same(watch(boxes_at, 12), watch(boxes_at, 12, change=lambda boxes: boxes * scale))


@few
@given(worlds, st.integers(500, 2000))
def test_a_mirror_does_not_matter(boxes_at: World, width: int) -> None:
    def mirror(boxes: NDArray) -> NDArray:
        return np.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], axis=1)

    assert_same(watch(boxes_at, 12), watch(boxes_at, 12, change=mirror))


@few
@given(worlds, st.floats(-3000, 3000), st.floats(-3000, 3000))
def test_the_place_in_the_picture_does_not_matter(boxes_at: World, x: float, y: float) -> None:
    assert_same(watch(boxes_at, 12), watch(boxes_at, 12, change=lambda boxes: boxes + np.array([x, y, x, y])))


@few
@given(worlds, st.permutations(range(5)))
def test_the_order_of_the_tracks_does_not_matter(boxes_at: World, order: list[int]) -> None:
    straight, mixed = TrackFeatures(), TrackFeatures()
    for frame in range(40):
        boxes = boxes_at(frame / 12)
        rows = np.array([row for row in order if row < len(boxes)])
        a = [as_steps(each) for each in straight.update(frame / 12, np.arange(len(boxes)), boxes, None)]
        b = [as_steps(each) for each in mixed.update(frame / 12, rows, boxes[rows], None)]
        for left, right in zip(a, b, strict=True):
            assert_same(left, right, within=1e-5)


@few
@given(worlds, st.integers(1, 25))
def test_only_the_past_counts(boxes_at: World, known: int) -> None:
    whole = watch(boxes_at, 10, for_s=5.0)
    beginning = watch(boxes_at, 10, for_s=known * STEP_S)
    assert_same(beginning, {key: row for key, row in whole.items() if key[0] <= known}, within=0.0)


nonsense = st.sampled_from(
    [
        (math.nan, 0, 10, 10),
        (0, 0, math.inf, 10),
        (-math.inf, 0, 10, 10),
        (5, 5, 5, 50),
        (5, 50, 50, 5),
        (0, 0, 1e300, 1e300),
        (90000, 90000, 90060, 90060),
        (0, 0, 60000, 60000),
    ]
)


@few
@given(worlds, st.lists(st.tuples(st.integers(1, 50), nonsense), max_size=12))
def test_nonsense_is_skipped_and_counted_and_leaves_no_trace(boxes_at: World, bad: list) -> None:
    """A frame whose box of track 1 is nonsense says as much about it as a frame in which it was not seen."""
    given_nonsense, not_seen = TrackFeatures(), TrackFeatures()
    spoilt = dict(bad)
    for frame in range(60):
        boxes = boxes_at(frame / 12)
        ids = np.arange(1, len(boxes) + 1)
        shown, kept = boxes.copy(), np.ones(len(boxes), bool)
        if frame in spoilt:
            shown[0], kept[0] = spoilt[frame], False
        a = [as_steps(each) for each in given_nonsense.update(frame / 12, ids, shown, None)]
        b = [as_steps(each) for each in not_seen.update(frame / 12, ids[kept], boxes[kept], None)]
        for left, right in zip(a, b, strict=True):
            assert_same(left, right, within=0.0)
    assert given_nonsense.refused == len(spoilt)
    assert not_seen.refused == 0


box_sides = st.one_of(st.floats(-1e7, 1e7), st.floats(allow_nan=True, allow_infinity=True))


@few
@given(
    st.lists(
        st.tuples(
            st.one_of(st.floats(-1, 60), st.just(math.nan)),
            st.lists(st.tuples(st.integers(1, 4), *[box_sides] * 4), max_size=4, unique_by=lambda each: each[0]),
        ),
        max_size=30,
    ),
    st.booleans(),
)
def test_whatever_comes_in_features_are_finite_and_bounded(frames: list, embedded: bool) -> None:
    memory = TrackFeatures()
    random = np.random.default_rng(0)
    for at_s, sightings in frames:
        ids = np.array([each[0] for each in sightings], np.int64)
        boxes = np.array([each[1:] for each in sightings], np.float64).reshape(-1, 4)
        looks = random.choice([0.0, 1.0, np.nan, np.inf], (len(ids), EMBEDDING_WIDTH)) if embedded else None
        for each in memory.update(at_s, ids, boxes, looks):
            assert each.features.shape == (len(each.ids), len(FEATURES))
            assert each.features.dtype == np.float32
            assert np.isfinite(each.features).all()
            assert np.abs(each.features[:, : len(MOTION)]).max() <= 10.0


@few
@given(worlds)
def test_an_id_used_again_has_no_past(boxes_at: World) -> None:
    fresh, used = TrackFeatures(), TrackFeatures()
    for frame in range(30):
        boxes = boxes_at(11.0)
        used.update(frame / 10, np.arange(len(boxes)), boxes, None)
    used.reset()
    for frame in range(30):
        boxes = boxes_at(frame / 10)
        ids = np.arange(len(boxes))
        for a, b in zip(
            fresh.update(frame / 10, ids, boxes, None), used.update(frame / 10, ids, boxes, None), strict=True
        ):
            assert_same(as_steps(a), as_steps(b), within=0.0)
            assert a.fresh.tolist() == b.fresh.tolist()


@few
@given(worlds, st.booleans())
def test_an_ended_track_or_one_away_for_long_begins_anew(boxes_at: World, is_told: bool) -> None:
    memory = TrackFeatures()
    for frame in range(20):
        memory.update(frame / 10, np.array([7]), boxes_at(frame / 10)[:1], None)
    began_s = 2.0 if is_told else 2.0 + LONGEST_GAP_S + 0.2
    memory.update(2.0, np.zeros(0, np.int64), np.zeros((0, 4)), None, ended=(7,) if is_told else ())
    [again] = memory.update(began_s + 0.2, np.array([7]), boxes_at(5.0)[:1] + 5000, None)
    [alone] = TrackFeatures().update(0.0, np.array([7]), boxes_at(5.0)[:1], None)
    assert again.fresh.tolist() == [True]
    assert_same({(0, 7): again.features[0]}, {(0, 7): alone.features[0]}, within=1e-5)
    assert memory.refused == 0


@few
@given(worlds, st.floats(0.21, 0.99))
def test_a_track_missed_for_a_moment_tells_its_steps_late_and_on_the_line(boxes_at: World, gap_s: float) -> None:
    memory = TrackFeatures()
    start, end = boxes_at(0.0)[:1], boxes_at(0.0)[:1] + np.array([3, 4, 3, 4])
    [first] = memory.update(0.0, np.array([1]), start, None)
    rounds = memory.update(gap_s, np.array([1]), end, None)
    assert [round(each.at_s / STEP_S) for each in rounds] == list(range(1, int(gap_s / STEP_S + 1e-9) + 1))
    body = float(np.sqrt(np.prod(start[0, 2:] - start[0, :2])))
    for each in rounds:
        assert not each.fresh.any()
        assert each.features[0, FEATURES.index("speed_1")] == pytest.approx(5 / gap_s / body, rel=1e-3)
    assert first.fresh.all()


def test_speed_is_told_in_bodies_per_second() -> None:
    memory = TrackFeatures()
    rounds = []
    for frame in range(76):
        x = 2.0 * 50 * frame / 25
        rounds += memory.update(frame / 25, np.array([1]), np.array([[x, 0, x + 25, 100]]), None)
    last = dict(zip(FEATURES, rounds[-1].features[0], strict=True))
    for name in ("speed_04", "speed_1", "speed_3", "pace_3", "peak_speed_3", "sideways_1"):
        assert last[name] == pytest.approx(2.0, rel=1e-4), name
    assert last["down_1"] == pytest.approx(0.0, abs=1e-6)
    assert last["moving_s"] == pytest.approx(math.log1p(3.0), rel=0.08)
    assert last["company"] == 0
    assert last["embedded"] == 0


def test_two_who_walk_up_to_each_other_approach() -> None:
    memory = TrackFeatures()
    rounds = []
    for frame in range(26):
        x = 50 * frame / 25
        boxes = np.array([[x, 0, x + 25, 100], [200 - x, 0, 225 - x, 100]])
        rounds += memory.update(frame / 25, np.array([1, 2]), boxes, None)
    a, b = (dict(zip(FEATURES, row, strict=True)) for row in rounds[-1].features)
    assert a["approach"] == pytest.approx(b["approach"], rel=1e-4)
    assert a["approach"] == pytest.approx(2.0 * a["company"], rel=1e-3)  # each makes one body per second


@few
@given(worlds)
def test_what_the_detector_saw_goes_along_where_it_did(boxes_at: World) -> None:
    memory = TrackFeatures()
    looks = np.full((1, EMBEDDING_WIDTH), 0.5, np.float32)
    [seen] = memory.update(0.0, np.array([1]), boxes_at(0.0)[:1], looks)
    [masked] = memory.update(0.2, np.array([1]), boxes_at(0.2)[:1], looks * np.nan)
    assert (seen.features[0, len(MOTION) :] == [1.0] + [0.5] * EMBEDDING_WIDTH).all()
    assert (masked.features[0, len(MOTION) :] == 0).all()


@few
@given(st.integers(0, 10**6))
def test_surprise_is_a_density(seed: int) -> None:
    """exp(-unlikeness) integrates to 1 over the feature; the foreseen value is least strange."""
    random = np.random.default_rng(seed)
    mean, spread = random.normal(0, 2, (1, 1)).astype(np.float32), random.uniform(-2, 1, (1, 1)).astype(np.float32)
    # Evenly dense in the logarithm of the distance: the tails are heavy.
    xs = np.sinh(np.linspace(-9.0, 9.0, 20001)).astype(np.float32)[:, None] * np.exp(spread) + mean
    density = np.exp(-unlikeness(xs, np.broadcast_to(mean, xs.shape), np.broadcast_to(spread, xs.shape)))[:, 0]
    assert np.trapezoid(density, xs[:, 0]) == pytest.approx(1.0, abs=5e-3)
    assume(density.max() > 0)
    assert xs[density.argmax(), 0] == pytest.approx(float(mean[0, 0]), abs=2e-2)
    assert surprise(xs, np.broadcast_to(mean, xs.shape), np.broadcast_to(spread, xs.shape)).shape == (20001,)
