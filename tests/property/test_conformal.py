"""What the anomaly score promises, on drawn worlds: p-values, budgets, blocks of the day, and the watch for drift."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.behaviour.conformal import (
    NormalScores,
    Yardstick,
    block_width,
    p_values,
    share_of,
    spoken,
    too_little,
)
from streamer.behaviour.drift import DriftWatch, alarm_every
from tests.benchmarks.behaviour_budget import simulate_days

scores = st.lists(st.floats(-5, 5), min_size=1, max_size=40)


@given(scores, scores)
def test_a_p_value_is_what_the_definition_says(normal, new):
    found = p_values(np.sort(np.array(normal)), np.array(new))
    truth = [(1 + sum(each >= s for each in normal)) / (len(normal) + 1) for s in new]
    np.testing.assert_allclose(found, truth)


def test_not_a_number_has_no_p_value():
    assert np.isnan(p_values(np.array([1.0, 2.0]), np.array([math.nan])))[0]


@given(st.lists(st.floats(-3, 3, allow_subnormal=False), min_size=2, max_size=8), st.floats(0.01, 1))
def test_of_exchangeable_tracks_no_more_than_the_share_is_rare(values, share):
    """Exactly, by leaving each one out in turn: the mean over all who could have been the new one."""
    tracks = np.array(values)
    rare = [p_values(np.sort(np.delete(tracks, new)), tracks[[new]])[0] <= share + 1e-12 for new in range(len(tracks))]
    assert np.mean(rare) <= share + 1e-9


@given(st.lists(scores, min_size=1, max_size=20), st.floats(0.01, 0.5))
def test_a_life_asked_at_every_step_is_rare_exactly_when_its_peak_is(lives, share):
    normal = np.sort([max(life) for life in lives])
    for life in lives:
        at_some_step = (p_values(normal, np.array(life)) <= share).any()
        assert at_some_step == (p_values(normal, np.array([max(life)]))[0] <= share)


def test_the_mean_of_false_alerts_keeps_the_budget_and_is_not_far_below():
    """1,500 cameras, each calibrated on its own three days of 300 tracks, each watched for ten."""
    rng = np.random.default_rng(5)
    per_day, days, budget = 300, 3, 6.0
    told = []
    for _ in range(1500):
        normal = NormalScores(days * 86_400.0, {None: rng.gumbel(size=per_day * days)})
        yardstick = Yardstick(normal, budget)
        share = share_of(budget, yardstick.tracks_per_day)
        p = yardstick.p_values(rng.gumbel(size=per_day * 10), np.full(per_day * 10, -1))
        told.append((p <= share).sum() / 10)
    assert budget * 0.9 < np.mean(told) <= budget * 1.02
    assert np.mean([budget / 2 <= each <= budget * 2 for each in told]) > 0.95


def test_hours_with_other_habits_keep_the_budget_each_on_their_own():
    """At night people run; against the whole day every one of them would be strange, and no walker ever."""
    rng = np.random.default_rng(6)
    days, per_hour, budget = 40, 30, 24.0
    habits = {hour: (3.0 if hour < 6 else 0.0) for hour in range(24)}
    draw = {hour: (lambda n, h=hour: rng.normal(habits[h], 1.0, n)) for hour in habits}
    normal = NormalScores(days * 86_400.0, {hour: draw[hour](days * per_hour) for hour in habits})
    yardstick = Yardstick(normal, budget)
    assert yardstick.block_h is not None
    share = share_of(budget, yardstick.tracks_per_day)
    for hours in (range(6), range(6, 24)):
        n = 20_000
        p = np.concatenate([yardstick.p_values(draw[h](n), np.full(n, h)) for h in hours])
        assert share / 1.5 < (p <= share).mean() < share * 1.5
    whole = Yardstick(NormalScores(normal.seconds, {None: normal.all}), budget)
    assert (whole.p_values(draw[12](20_000), np.full(20_000, -1)) <= share).mean() < share / 20


def test_an_hour_that_was_never_calibrated_is_held_against_the_whole_day():
    normal = NormalScores(86_400.0, {h: np.arange(100.0) + 100 * h for h in range(12)})
    yardstick = Yardstick(normal, 600.0)
    assert yardstick.block_h == 1
    found = yardstick.p_values(np.array([150.0, 150.0, 150.0]), np.array([1, 20, -1]))
    np.testing.assert_allclose(found, [(1 + 50) / 101, (1 + 1050) / 1201, (1 + 1050) / 1201])


@given(st.dictionaries(st.integers(0, 23), st.integers(0, 50)), st.integers(1, 100))
def test_the_day_is_divided_as_finely_as_every_part_has_enough(counts, least):
    width = block_width(counts, least)

    def parts(w):
        totals = [sum(n for hour, n in counts.items() if hour // w == block) for block in range(24 // w)]
        return [total for total in totals if total]

    good = [w for w in (1, 2, 3, 4, 6, 8, 12) if len(parts(w)) > 1 and min(parts(w)) >= least]
    assert width == (min(good) if good else None)


def test_footage_too_short_for_its_budget_says_how_much_is_missing():
    said = "1 h of footage can hold 24 or more false alerts a day; for 2 a day 12 h are needed: 11 h are missing"
    assert too_little(3600.0, 2.0) == said
    assert too_little(12 * 3600.0, 2.0) is None
    assert "10 min are missing" in str(too_little(50 * 60.0, 24.0))
    assert "can hold nothing" in str(too_little(0.0, 2.0))


@given(st.integers(1, 400), st.floats(60, 1e7), st.floats(0.01, 1000))
def test_long_enough_footage_can_always_tell_something(count, seconds, budget):
    """The smallest p-value there is lies within the share: else nothing could ever be told."""
    if too_little(seconds, budget) is None:
        normal = NormalScores(seconds, {None: np.arange(float(count))})
        assert 1 / (count + 1) <= share_of(budget, normal.per_day)


def test_seconds_are_said_as_people_say_them():
    assert [spoken(s) for s in (40, 600, 5400, 86_400)] == ["40 s", "10 min", "1.5 h", "24 h"]


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_scores_that_are_no_numbers_are_refused(bad):
    with pytest.raises(ValueError, match="finite"):
        NormalScores(10.0, {None: np.array([1.0, bad])})
    with pytest.raises(ValueError, match="length"):
        NormalScores(0.0, {})


# --- drift


def run_length(watch: DriftWatch, draw, most: int) -> int:
    for _ in range(most):
        watch.add(float(draw()))
        if watch.drifted:
            break
    return watch.tracks


@pytest.mark.parametrize("calibrated", [20, 400])
def test_without_a_change_a_false_alarm_takes_as_long_as_promised(calibrated):
    """The mean run length of 80 watches against the promised one; runs are cut at four times that, which lowers it."""
    lengths = []
    for seed in range(80):
        rng = np.random.default_rng(seed)
        watch = DriftWatch({None: rng.exponential(size=calibrated)}, every=250, seed=seed)
        lengths.append(run_length(watch, rng.exponential, 1000))
    assert np.mean(lengths) > 250


def test_of_forty_quiet_cameras_few_cry_wolf_in_ten_days():
    """One false alarm in a hundred days is promised: four are to be expected of all of them."""
    alarms = 0
    for camera in range(40):
        rng = np.random.default_rng(camera)
        watch = DriftWatch({None: rng.normal(size=150)}, every=alarm_every(100), seed=camera)
        run_length(watch, rng.normal, 10 * 100)
        alarms += watch.drifted
        assert (watch.text is None) != watch.drifted
    assert alarms <= 8


@pytest.mark.parametrize(
    ("change", "within"),
    [
        (lambda x: x + 1, 80),
        (lambda x: x - 1, 80),
        (lambda x: x + 0.5, 300),
        (lambda x: 2 * x, 120),
        (lambda x: x / 2, 120),
    ],
    ids=["stranger", "calmer", "a little stranger", "wider", "narrower"],
)
@pytest.mark.parametrize("quiet", [0, 2000])
def test_a_change_is_noticed_soon_however_long_it_was_quiet_before(change, within, quiet):
    rng = np.random.default_rng(2)
    watch = DriftWatch({None: rng.normal(size=300)}, every=alarm_every(500))
    run_length(watch, rng.normal, quiet)
    assert not watch.drifted
    assert run_length(watch, lambda: change(rng.normal()), 3000) - quiet <= within
    assert watch.level == 1.0
    assert re.search("no longer what was calibrated.*run `streamer calibrate` again", str(watch.text))


def test_the_habits_of_the_hour_are_no_drift():
    """Day after day the same change at nightfall: with its own part of the day it is none."""
    rng = np.random.default_rng(3)
    normal = {0: rng.normal(3, 1, 300), 1: rng.normal(0, 1, 300)}
    apart = DriftWatch(normal, every=10_000)
    together = DriftWatch({None: np.concatenate([*normal.values()])}, every=10_000)
    for _ in range(10):
        for part, habit in ((0, 3.0), (1, 0.0)):
            for _ in range(50):
                score = rng.normal(habit, 1)
                apart.add(score, part)
                together.add(score)
    assert not apart.drifted
    assert together.drifted


def test_after_an_alarm_it_stays_told():
    watch = DriftWatch({None: np.zeros(50) + np.arange(50)}, every=100)
    run_length(watch, lambda: 1000.0, 1000)
    assert watch.drifted
    tracks = watch.tracks
    for _ in range(100):
        watch.add(25.0)
    assert watch.drifted
    assert watch.tracks == tracks


@settings(deadline=None)
@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=60))
def test_whatever_comes_the_level_stays_between_nothing_and_told(values):
    watch = DriftWatch({None: np.zeros(3)}, every=50)
    for value in values:
        watch.add(value)
        assert 0.0 <= watch.level <= 1.0
        assert (watch.level == 1.0) == watch.drifted or watch.level < 1.0


# --- the simulation that the benchmark reports from


@pytest.mark.parametrize("budget", [2.0, 10.0, 20.0])
def test_simulated_days_of_the_same_world_keep_the_budget(budget):
    rng = np.random.default_rng(4)
    told = simulate_days(rng.normal(size=2000), rng.normal(size=2000), budget=budget, rng=rng, worlds=50)
    assert budget / 1.6 < told.mean() < budget * 1.6


def test_simulated_days_of_a_stranger_world_do_not():
    rng = np.random.default_rng(4)
    told = simulate_days(rng.normal(size=500), rng.normal(1, 1, size=500), budget=5.0, rng=rng, worlds=20)
    assert told.mean() > 10
