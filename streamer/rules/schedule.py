"""When a rule counts: days and hours on the wall clock of the place where the camera hangs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from streamer.stages import Rule
from streamer.types import Evidence, Frame, Tracks

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_S = 24 * 3600


@dataclass(frozen=True, slots=True)
class Schedule:
    """A span of hours on some days of the week, by the wall clock of one time zone.

    days are those on which a span begins, 0 is Monday. start_s, end_s: seconds of the wall clock since midnight, start
    included, end not; an end that is not after the start lies on the next day, so equal ones make 24 hours.
    The wall clock decides when it is put forward or back: an hour that does not exist is not watched, one that comes
    twice is watched twice.
    """

    days: frozenset[int]
    start_s: int
    end_s: int
    zone: ZoneInfo

    @classmethod
    def of(cls, *, start: str, end: str, timezone: str, days: Iterable[str] = DAYS) -> Schedule:
        """From words: start '22:00', end '06:00' (or '24:00'), timezone 'Europe/Berlin', days 'mon' … 'sun'.

        Raises ValueError with a sentence that names the value.
        """
        chosen = frozenset(_day(day) for day in days)
        if not chosen:
            raise ValueError("days: none are named, so the schedule would never hold")
        try:
            zone = ZoneInfo(timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as e:
            raise ValueError(f"timezone: there is no time zone '{timezone}'; one looks like 'Europe/Berlin'") from e
        return cls(chosen, _seconds("start", start), _seconds("end", end), zone)

    def holds(self, at: float) -> bool:
        """Whether an epoch second lies within it."""
        local = datetime.fromtimestamp(at, self.zone)
        wall_s, today = local.hour * 3600 + local.minute * 60 + local.second, local.weekday()
        if self.start_s < self.end_s:
            return today in self.days and self.start_s <= wall_s < self.end_s
        began_today = today in self.days and wall_s >= self.start_s
        began_yesterday = (today - 1) % 7 in self.days and wall_s < self.end_s
        return began_today or began_yesterday

    def describe(self) -> str:
        """For people: 'mon tue 22:00–06:00 Europe/Berlin'."""
        days = " ".join(DAYS[day] for day in sorted(self.days))
        return f"{days} {_clock(self.start_s)}–{_clock(self.end_s)} {self.zone.key}"


class ScheduledRule:
    """A rule whose condition is held only within its schedules, by the camera's clock (Frame.captured_at).

    Outside them the rule goes on watching, so that it knows the moment the hours begin who has been there since when;
    it only says nothing.
    """

    def __init__(self, rule: Rule, schedules: Sequence[Schedule]) -> None:
        if not schedules:
            raise ValueError(f"rule '{rule.name}': a scheduled rule needs a schedule")
        self.rule = rule
        self.name, self.kind = rule.name, rule.kind
        self._schedules = tuple(schedules)
        own = getattr(rule, "settings", {})
        self.settings: Mapping[str, object] = {**own, "schedule": [each.describe() for each in self._schedules]}

    def judge(self, frame: Frame, tracks: Tracks) -> Iterable[Evidence]:
        """The rule's own evidence within its hours, none outside."""
        evidence = self.rule.judge(frame, tracks)
        return evidence if any(each.holds(frame.captured_at) for each in self._schedules) else ()

    def reset(self) -> None:
        """A new session begins."""
        self.rule.reset()


def _day(word: str) -> int:
    short = word.strip().lower()[:3]
    if short not in DAYS:
        raise ValueError(f"days: '{word}' is no day; they are {', '.join(DAYS)}")
    return DAYS.index(short)


def _seconds(name: str, clock: str) -> int:
    parts = clock.split(":")
    if len(parts) in (2, 3) and all(part.isdecimal() and len(part) <= 2 for part in parts):
        hour, minute, second = (int(part) for part in (*parts, "0")[:3])
        total = hour * 3600 + minute * 60 + second
        if minute < 60 and second < 60 and (hour < 24 or (name == "end" and total == _DAY_S)):
            return total
    raise ValueError(f"{name}: '{clock}' is no time of day; one looks like '22:00'")


def _clock(wall_s: int) -> str:
    hours, rest = divmod(wall_s, 3600)
    seconds = f":{rest % 60:02d}" if rest % 60 else ""
    return f"{hours:02d}:{rest // 60:02d}{seconds}"
