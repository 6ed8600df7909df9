"""When a frame was captured, how long to wait, and what sessions are called."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from streamer.capture.backoff import Backoff
from streamer.capture.names import LiveNames, RecordingNames
from streamer.capture.wallclock import CameraClock, RecordedClock


def test_a_camera_that_sends_its_time_is_believed():
    clock = CameraClock(lambda: 1000.0)
    assert clock.at(0.0, 5.0, 1005.4) == 1005.0
    assert clock.at(0.2, 5.2, 1006.9) == pytest.approx(1005.2)
    assert clock.skew_s(5.2, 1005.7) == pytest.approx(-0.5)


def test_a_camera_whose_clock_is_hours_off_is_not_believed_but_its_skew_is_told():
    clock = CameraClock(lambda: 0.0)
    assert clock.at(0.0, 0.0, 1_000_000.0) == 1_000_000.0
    assert clock.skew_s(0.0, 1_000_000.0) == -1_000_000.0


def test_without_a_camera_clock_the_least_delayed_frame_sets_the_time():
    clock = CameraClock(lambda: None)
    delays = [0.5, 0.3, 0.05, 0.4, 0.6] * 20
    captured = [clock.at(n / 10, n / 10, 1000.0 + n / 10 + delay) for n, delay in enumerate(delays)]
    assert captured[-1] == pytest.approx(1000.0 + 99 / 10 + 0.05)


def test_captured_at_always_rises_even_when_the_camera_clock_turns_up_late():
    reports = [None] * 20 + [998.0] * 80
    late = iter(reports)
    clock = CameraClock(lambda: next(late))
    captured = [clock.at(n / 10, n / 10, 1000.0 + n / 10) for n in range(100)]
    assert all(b > a for a, b in pairwise(captured))
    assert captured[-1] == pytest.approx(998.0 + 9.9)


def test_the_estimate_follows_a_camera_whose_clock_runs_slow():
    clock = CameraClock(lambda: None)
    # One second of the camera lasts 1.01 of ours: after 200 s it is 2 s behind.
    for n in range(2001):
        captured = clock.at(n / 10, n / 10, 1000.0 + 1.01 * n / 10)
    assert captured == pytest.approx(1202.0, abs=0.7)


def test_a_recording_tells_the_same_time_at_every_replay():
    clock = RecordedClock(1_597_170_252.0)
    assert clock.at(2.5, 99.0, 5e9) == 1_597_170_254.5


def test_waits_grow_to_their_limit_with_jitter_and_begin_anew_after_a_good_spell():
    backoff = Backoff(0.5, 30.0, random.Random(7))
    waits = [backoff.next_s() for _ in range(12)]
    for n, wait in enumerate(waits):
        full = min(30.0, 0.5 * 2**n)
        assert full / 2 <= wait <= full
    backoff.reset()
    assert backoff.next_s() <= 0.5


def test_two_cameras_do_not_come_back_in_step_and_the_same_seed_does():
    def waits(seed):
        backoff = Backoff(0.5, 30.0, random.Random(seed))
        return [backoff.next_s() for _ in range(5)]

    assert waits(1) != waits(2)
    assert waits(1) == waits(1)


def test_a_password_that_is_refused_again_and_again_is_tried_seldom():
    backoff = Backoff(0.5, 2.5, random.Random(1), refused_s=30.0)
    # It may have been cut off in the midst of its answer, or its users are not loaded yet.
    assert max(backoff.next_s(permanent=True) for _ in range(3)) <= 2.0
    assert min(backoff.next_s(permanent=True) for _ in range(3)) >= 15.0
    assert backoff.next_s() <= 2.5  # it could not be reached: another trouble
    assert backoff.next_s(permanent=True) <= 2.5


def test_a_recording_is_called_after_its_file_wherever_it_lies():
    names = RecordingNames("/somewhere/else/clip.mp4")
    assert [names.next(), names.next(), names.next()] == ["clip.mp4", "clip.mp4#2", "clip.mp4#3"]


def test_live_sessions_are_called_after_the_moment_and_rise_even_if_the_clock_is_set_back():
    moments = iter([1_700_000_000.25, 1_700_000_000.25, 1_600_000_000.0])
    names = LiveNames(lambda: next(moments))
    first, second, third = names.next(), names.next(), names.next()
    assert first == "20231114T221320.250000Z"
    assert first < second < third
