"""A sleeping camera gets up when its next packets have all come: on simulated arrivals."""

from __future__ import annotations

import random

import pytest

from streamer.capture.handfuls import LATE_S, LONGEST_AWAKE_S, LONGEST_S, Handfuls


def read(arrivals_s: list[float], times_s: list[float]) -> tuple[int, list[float]]:
    """How often the reader had to be woken, and how late each packet was read."""
    handfuls, now_s, woken, late_s = Handfuls(), 0.0, 0, []
    for arrived_s, stream_s in zip(arrivals_s, times_s, strict=True):
        began_s = now_s
        if arrived_s > now_s:
            now_s, woken = arrived_s, woken + 1
        late_s.append(now_s - arrived_s)
        nap_s = handfuls.nap_s(stream_s, now_s, now_s - began_s)
        assert 0 <= nap_s <= LONGEST_S + LATE_S
        if nap_s:
            now_s, woken = now_s + nap_s, woken + 1
    return woken, late_s


@pytest.mark.parametrize(("fps", "most"), [(25, 0.7), (50, 0.35), (15, 1.01), (5, 1.01)])
def test_regular_packets_wake_it_once_for_as_many_as_come_in_a_nap(fps, most):
    times_s = [i / fps for i in range(400)]
    woken, late_s = read([100 + at_s for at_s in times_s], times_s)
    assert woken <= most * 400 + 5
    assert max(late_s) <= LONGEST_S + LATE_S


def test_packets_that_are_held_up_on_the_way_are_read_when_they_come():
    rng = random.Random(3)
    times_s = [i / 25 for i in range(1000)]
    arrivals_s = [100.0]
    for at_s in times_s[1:]:
        arrivals_s.append(
            max(arrivals_s[-1], 100 + at_s + rng.choice([0.0] * 30 + [0.001] * 20 + [0.02] * 8 + [0.15] * 2))
        )
    woken, late_s = read(arrivals_s, times_s)
    assert sorted(late_s)[-10] <= LONGEST_S + LATE_S + 0.03
    assert woken < 1000


def test_a_backlog_is_read_without_a_pause():
    handfuls = Handfuls()
    for i in range(20):
        handfuls.nap_s(i / 25, 100 + i / 25, 0.03)
    assert all(handfuls.nap_s(i / 25, 103.0, 0.0) == 0 for i in range(20, 70))


def test_a_camera_whose_clock_runs_slow_is_followed():
    times_s = [i / 25 for i in range(5000)]
    woken, late_s = read([100 + 1.0005 * at_s for at_s in times_s], times_s)
    assert max(late_s) <= LONGEST_S + LATE_S
    assert woken <= 0.8 * 5000


def read_awake(arrivals_s: list[float], times_s: list[float], wanted_every: int) -> tuple[int, list[float]]:
    """As read(), of a camera that is awake: how late each picture was read that goes to analysis, one in so many."""
    handfuls, now_s, woken, late_s = Handfuls(), 0.0, 0, []
    interval_s = times_s[1] - times_s[0]
    for i, (arrived_s, stream_s) in enumerate(zip(arrivals_s, times_s, strict=True)):
        began_s = now_s
        if arrived_s > now_s:
            now_s, woken = arrived_s, woken + 1
        if i % wanted_every == 0:
            late_s.append(now_s - arrived_s)
        until_s = stream_s + (wanted_every - i % wanted_every - 0.2) * interval_s
        nap_s = handfuls.nap_s(stream_s, now_s, now_s - began_s, until_s)
        assert 0 <= nap_s <= LONGEST_AWAKE_S
        if nap_s:
            now_s, woken = now_s + nap_s, woken + 1
    return woken, late_s


@pytest.mark.parametrize(("fps", "wanted_every", "most"), [(25, 5, 2), (30, 6, 2), (15, 3, 2), (50, 10, 2), (10, 1, 1)])
def test_awake_it_gets_up_for_the_pictures_that_are_analysed_and_they_wait_for_nothing(fps, wanted_every, most):
    times_s = [i / fps for i in range(100 * wanted_every)]
    woken, late_s = read_awake([100 + at_s for at_s in times_s], times_s, wanted_every)
    assert woken <= most * 100 + 5
    assert max(late_s) <= 0.001


def test_awake_packets_that_come_late_or_on_a_slow_clock_keep_nobody_waiting():
    rng, times_s = random.Random(3), [i / 25 for i in range(3000)]
    arrivals_s = [100.0]
    for at_s in times_s[1:]:
        arrivals_s.append(max(arrivals_s[-1], 100 + 1.0005 * at_s + rng.choice([0.0] * 40 + [0.001] * 8 + [0.1])))
    woken, late_s = read_awake(arrivals_s, times_s, 5)
    assert max(late_s) <= 0.02
    assert woken <= 0.6 * 3000


def test_where_every_picture_is_analysed_there_is_no_nap():
    handfuls = Handfuls()
    assert all(handfuls.nap_s(i / 25, 100 + i / 25, 0.03, float("-inf")) == 0 for i in range(50))
