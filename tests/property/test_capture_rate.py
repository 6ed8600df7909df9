"""analyse_fps chooses evenly, always the same, and does not flinch at a jitter of a millisecond."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.capture.rate import RateSelector


def chosen(times, fps):
    selector = RateSelector(fps)
    return [i for i, t in enumerate(times) if selector.choose(t)]


@pytest.mark.parametrize(
    ("camera_fps", "fps", "steps"),
    [
        (25, 5, {5}),
        (10, 5, {2}),
        (30, 4, {7, 8}),
        (12.5, 5, {2, 3}),
        (30, 5, {6}),
        (10, 10, {1}),
        (5, 10, {1}),
        (30, 7.5, {4}),
    ],
)
def test_frames_are_chosen_evenly(camera_fps, fps, steps):
    picks = chosen([n / camera_fps for n in range(600)], fps)
    assert picks[0] == 0
    assert {b - a for a, b in pairwise(picks)} == steps


@settings(max_examples=200, deadline=None)
@given(data=st.data(), rates=st.sampled_from([(25, 5), (10, 5), (30, 4), (12.5, 5), (30, 10), (20, 4)]))
def test_a_jitter_of_a_millisecond_changes_nothing(data, rates):
    camera_fps, fps = rates
    even = [n / camera_fps for n in range(100)]
    jitter = data.draw(st.lists(st.floats(-0.001, 0.001), min_size=99, max_size=99))
    shaken = [0.0] + [t + j for t, j in zip(even[1:], jitter, strict=True)]
    assert chosen(shaken, fps) == chosen(even, fps)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(0.001, 0.7), min_size=1, max_size=80), st.sampled_from([1, 4, 5, 7.5, 25]))
def test_never_more_than_asked_and_no_slot_left_empty_that_had_a_frame(distances, fps):
    times = [0.0]
    for d in distances:
        times.append(times[-1] + d)
    picks = chosen(times, fps)
    assert picks[0] == 0
    assert len(picks) <= math.floor(times[-1] * fps) + 2
    # Brute force: in every slot that holds a frame somebody is chosen for it, at the latest its own first frame.
    for slot in {math.floor(t * fps) for t in times}:
        inside = [i for i, t in enumerate(times) if math.floor(t * fps) == slot]
        before = [i for i, t in enumerate(times) if (slot - 0.5) <= t * fps < slot]
        assert set(picks) & set(inside + before)


def test_none_means_every_frame():
    assert chosen([0.0, 0.01, 0.02, 5.0], None) == [0, 1, 2, 3]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([None, 1.0, 4.0, 7.5, 25.0]), st.integers(1, 60)), min_size=1, max_size=6),
    st.sampled_from([10.0, 12.5, 30.0]),
)
def test_another_rate_takes_effect_at_once_and_is_kept_from_then_on(rates, camera_fps):
    selector, n, picks = RateSelector(5.0), 0, []
    for fps, frames in rates:
        selector.become(fps)
        now = []
        for _ in range(frames):
            if selector.choose(n / camera_fps):
                now.append(n)
            n += 1
        most = frames if fps is None else math.ceil(frames / camera_fps * fps) + 1
        least = frames if fps is None else math.floor(frames / camera_fps * min(fps, camera_fps)) - 1
        assert least <= len(now) <= most
        picks += now
    assert picks == sorted(set(picks))
