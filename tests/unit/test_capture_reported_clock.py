"""The camera's clock as packets tell it: followed while a connection lasts, and never into what only FFmpeg made up."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.capture.reported_clock import DOUBTED_FOR_S, READ_EVERY_S, ReportedClock

TICK = Fraction(1, 90_000)
NOW = 1_700_000_000.0


@dataclass
class Told:
    """A packet, as far as its time goes; counts how often somebody looks."""

    pts: int | None
    at: float | None
    time_base: Fraction | None = TICK
    looks: int = 0

    def get_sidedata(self, dtype: str) -> bytes:
        self.looks += 1
        assert dtype == "prft"
        return b"" if self.at is None else struct.pack("<qi4x", round(self.at * 1e6), 24)


def packet(stream_s: float, ahead_s: float | None) -> Told:
    return Told(round(stream_s * 90_000), None if ahead_s is None else NOW + stream_s + ahead_s)


def test_without_reports_nothing_is_known() -> None:
    clock = ReportedClock()
    for each in (packet(0, None), packet(1, None), Told(None, NOW), Told(5, NOW, None)):
        clock.read(each)
    assert clock.zero_at is None


@given(st.lists(st.floats(-1e8, 1e8), min_size=1, max_size=5))
def test_whatever_the_clock_is_set_to_is_taken(steps: list[float]) -> None:
    clock = ReportedClock()
    for second, ahead_s in enumerate(steps):
        wrap_s = 2**32 / 90_000
        if clock.zero_at is not None and abs(abs(NOW + ahead_s - clock.zero_at) - wrap_s) < 2:
            return
        clock.read(packet(2.0 * second, ahead_s))
        assert clock.zero_at == pytest.approx(NOW + ahead_s, abs=1e-4)


def test_it_is_looked_at_once_a_second_and_again_after_time_stepped_back() -> None:
    clock, packets = ReportedClock(), [packet(n / 25, 0.0) for n in range(100)]
    for each in packets:
        clock.read(each)
    assert [n for n, each in enumerate(packets) if each.looks] == [0, 25, 50, 75]
    back = packet(0.5, 7.0)
    clock.read(back)
    assert (back.looks, READ_EVERY_S) == (1, 1.0)
    assert clock.zero_at == pytest.approx(NOW + 7.0)


@pytest.mark.parametrize("way", [1, -1])
def test_ticks_that_begin_anew_before_the_next_report_are_no_step_of_the_clock(way: int) -> None:
    clock = ReportedClock()
    clock.read(packet(10.0, 0.0))
    clock.read(packet(12.0, way * 2**32 / 90_000))
    assert clock.zero_at == pytest.approx(NOW)
    clock.read(packet(14.0, 60.0))
    assert clock.zero_at == pytest.approx(NOW + 60.0)


def test_a_connection_that_began_between_them_is_put_right_after_a_minute() -> None:
    clock = ReportedClock()
    clock.read(packet(10.0, -(2**32) / 90_000))
    for second in range(11, 75):
        clock.read(packet(second, 0.0))
        put_right = second >= 11 + DOUBTED_FOR_S
        assert clock.zero_at == pytest.approx(NOW if put_right else NOW - 2**32 / 90_000)
