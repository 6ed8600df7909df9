"""Schedules by the wall clock: over midnight, across the days on which clocks are put forward and back."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from streamer.rules.geometry import Zone
from streamer.rules.intrusion import IntrusionRule
from streamer.rules.loitering import LoiteringRule
from streamer.rules.schedule import Schedule, ScheduledRule
from tests.walks import frame_at, tracks_of

WEEK = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
YARD = Zone("yard", [(0.4, 0.4), (0.6, 0.4), (0.6, 0.9), (0.4, 0.9)])


def utc(text: str) -> float:
    """Epoch seconds of '2026-03-02 21:00' in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def schedule(start: str, end: str, days: list[str] | None = None, timezone: str = "UTC") -> Schedule:
    return Schedule.of(start=start, end=end, timezone=timezone, days=days or WEEK)


@pytest.mark.parametrize(
    ("at", "holds"),
    [("08:59:59", False), ("09:00:00", True), ("16:59:59", True), ("17:00:00", False)],
)
def test_start_is_included_and_end_is_not(at: str, holds: bool) -> None:
    assert schedule("09:00", "17:00").holds(utc(f"2026-03-02 {at}")) is holds


@pytest.mark.parametrize(
    ("at", "holds"),
    [
        ("2026-03-06 21:59", False),  # Friday evening
        ("2026-03-06 22:00", True),
        ("2026-03-07 05:59", True),  # Saturday morning belongs to Friday's span
        ("2026-03-07 06:00", False),
        ("2026-03-07 22:30", False),  # Saturday is not among the days
        ("2026-03-06 05:00", False),  # Friday morning would belong to Thursday
    ],
)
def test_a_span_over_midnight_belongs_to_the_day_on_which_it_begins(at: str, holds: bool) -> None:
    assert schedule("22:00", "06:00", ["fri"]).holds(utc(at)) is holds


def test_sunday_night_reaches_into_monday() -> None:
    assert schedule("22:00", "06:00", ["sun"]).holds(utc("2026-03-09 03:00"))


def test_equal_ends_make_a_whole_day_and_24_is_midnight() -> None:
    assert all(schedule("00:00", "24:00", ["wed"]).holds(utc(f"2026-03-04 {h:02d}:59")) for h in range(24))
    assert not schedule("00:00", "24:00", ["wed"]).holds(utc("2026-03-05 00:00"))
    noon = schedule("12:00", "12:00", ["wed"])
    assert noon.holds(utc("2026-03-05 11:59"))
    assert not noon.holds(utc("2026-03-05 12:00"))


def _held_hours(which: Schedule, start: str, hours: int) -> float:
    first = utc(start)
    return sum(which.holds(first + 60 * minute) for minute in range(hours * 60)) / 60


def test_a_night_is_an_hour_shorter_when_the_clock_is_put_forward_and_longer_when_it_is_put_back() -> None:
    night = schedule("22:00", "06:00", timezone="Europe/Berlin")
    assert _held_hours(night, "2026-03-20 12:00", 24) == 8
    assert _held_hours(night, "2026-03-28 12:00", 24) == 7  # 02:00–03:00 on the 29th does not exist
    assert _held_hours(night, "2026-10-24 12:00", 24) == 9  # 02:00–03:00 on the 25th comes twice


def test_an_hour_that_comes_twice_is_watched_twice_and_one_that_does_not_exist_never() -> None:
    small_hour = schedule("02:00", "03:00", timezone="Europe/Berlin")
    assert _held_hours(small_hour, "2026-10-24 20:00", 12) == 2
    assert _held_hours(small_hour, "2026-03-28 20:00", 12) == 0


def test_days_are_those_of_the_cameras_place() -> None:
    monday = schedule("00:00", "24:00", ["mon"], "Asia/Tokyo")
    assert monday.holds(utc("2026-03-01 15:00"))  # Sunday in London, Monday 00:00 in Tokyo
    assert not monday.holds(utc("2026-03-02 15:00"))


@pytest.mark.parametrize(
    ("kwargs", "says"),
    [
        ({"start": "25:00"}, "start: '25:00' is no time of day"),
        ({"start": "24:00"}, "start: '24:00' is no time of day"),
        ({"end": "6"}, "end: '6' is no time of day"),
        ({"end": "24:01"}, "end: '24:01' is no time of day"),
        ({"days": ["someday"]}, "days: 'someday' is no day"),
        ({"days": []}, "none are named"),
        ({"timezone": "Europe/Atlantis"}, "no time zone 'Europe/Atlantis'"),
        ({"timezone": "../etc/passwd"}, "no time zone"),
    ],
)
def test_what_is_no_schedule_is_refused(kwargs: dict, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Schedule.of(**{"start": "22:00", "end": "06:00", "timezone": "UTC", **kwargs})


def test_a_scheduled_rule_is_silent_outside_its_hours() -> None:
    rule = ScheduledRule(IntrusionRule(name="night", zone=YARD), [schedule("22:00", "06:00")])
    there = tracks_of((1, 0.5, 0.5))
    assert (rule.name, rule.kind) == ("night", "intrusion")
    assert not list(rule.judge(frame_at(0.0, captured_at=utc("2026-03-02 21:59:59")), there))
    assert list(rule.judge(frame_at(1.0, captured_at=utc("2026-03-02 22:00:00")), there))
    assert rule.settings["schedule"] == ["mon tue wed thu fri sat sun 22:00–06:00 UTC"]
    assert rule.settings["zone"] == "yard"


def test_any_of_several_schedules_is_enough() -> None:
    both = [schedule("06:00", "07:00"), schedule("20:00", "21:00")]
    rule = ScheduledRule(IntrusionRule(name="r", zone=YARD), both)
    there = tracks_of((1, 0.5, 0.5))
    held = [bool(list(rule.judge(frame_at(h, captured_at=utc(f"2026-03-02 {h:02d}:30")), there))) for h in range(24)]
    assert [h for h in range(24) if held[h]] == [6, 20]


def test_who_was_there_before_the_hours_began_is_known_when_they_do() -> None:
    rule = ScheduledRule(LoiteringRule(name="r", zone=YARD, dwell_s=30), [schedule("22:00", "23:00")])
    start = utc("2026-03-02 21:59:00")
    told = [t for t in range(0, 70) for _ in rule.judge(frame_at(t, captured_at=start + t), tracks_of((1, 0.5, 0.5)))]
    assert told[0] == 60
