"""Velocities over the last second, against numpy's least squares."""

from __future__ import annotations

import numpy as np
import pytest

from streamer.rules.motion import Motion


@pytest.mark.parametrize("fps", [5, 10, 25, 60])
def test_the_velocity_is_the_least_squares_one_also_late_in_the_day(fps: int) -> None:
    motion, dice = Motion(), np.random.default_rng(fps)
    start_s = 86_000.0
    for i in range(fps * 3):
        t = i / fps
        motion.add(1, start_s + t, 0.3 * t + dice.normal(0, 0.01), -0.2 * t + dice.normal(0, 0.01))
    points = np.array(motion._points[1])
    assert len(points) <= 12
    v = motion.velocity(1)
    assert v is not None
    t = points[:, 0] - start_s
    assert v.x == pytest.approx(np.polyfit(t, points[:, 1], 1)[0], rel=1e-6)
    assert v.y == pytest.approx(np.polyfit(t, points[:, 2], 1)[0], rel=1e-6)
    assert v.over_s == pytest.approx(1.0, abs=1.5 / min(fps, 8))


def test_too_little_gives_no_velocity() -> None:
    motion = Motion(least_s=0.4)
    assert motion.velocity(1) is None
    motion.add(1, 0.0, 0.0, 0.0)
    motion.add(1, 0.5, 0.1, 0.0)
    assert motion.velocity(1) is None  # two points
    motion.add(2, 0.0, 0.0, 0.0)
    motion.add(2, 0.1, 0.1, 0.0)
    motion.add(2, 0.3, 0.2, 0.0)
    assert motion.velocity(2) is None  # too short


def test_what_was_before_a_long_absence_is_not_mixed_in() -> None:
    motion = Motion()
    for t, x in [(0.0, 0.0), (0.2, 0.2), (0.4, 0.4), (10.0, 0.9), (10.3, 0.9)]:
        motion.add(1, t, x, 0.0)
    assert motion.velocity(1) is None
    motion.add(1, 10.6, 0.9, 0.0)
    v = motion.velocity(1)
    assert v is not None
    assert v.x == pytest.approx(0.0)


def test_tracks_that_were_given_up_are_forgotten() -> None:
    motion = Motion()
    motion.add(1, 0.0, 0.0, 0.0)
    motion.add(2, 0.0, 0.0, 0.0)
    motion.forget((1, 99))
    assert list(motion._points) == [2]
