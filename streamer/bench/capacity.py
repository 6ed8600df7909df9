"""How many cameras this machine holds: trials at numbers that a search chooses, and one more at what it found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from streamer.bench.search import confirmed, most_that_holds
from streamer.bench.trial import Plan, Trial, run_trial, why_not

_CONFIRM_FOR = 2.0
"""times as long as a trial takes"""
_WITHIN = 0.03


@dataclass(frozen=True, slots=True)
class Judged:
    """A trial, and the sentence why it does not hold; confirms: whether it was one at the end, which is longer."""

    trial: Trial
    broken: str | None
    confirms: bool = False

    @property
    def held(self) -> bool:
        """Whether every promise was kept."""
        return self.broken is None


@dataclass(frozen=True, slots=True)
class Capacity:
    """The most cameras that held, 0 for none; at_most: that it could have been more, but more was not asked."""

    cameras: int
    at_most: bool
    trials: tuple[Judged, ...]

    @property
    def best(self) -> Trial | None:
        """The last trial that held with so many cameras."""
        held = [each.trial for each in self.trials if each.held and each.trial.cameras == self.cameras]
        return held[-1] if held else None


def find_capacity(
    plan: Plan,
    labels: tuple[str, ...],
    most: int,
    first: int,
    tell: Callable[[int, bool], None],
    told: Callable[[Judged], None],
    trial: Callable[[Plan, int, tuple[str, ...], float], Trial] = run_trial,
) -> Capacity:
    """The search. tell(cameras, confirms) is called before each trial, told(judged) after it."""
    judged: list[Judged] = []

    def holds(cameras: int, *, confirms: bool = False) -> bool:
        tell(cameras, confirms)
        measure_s = plan.measure_s * (_CONFIRM_FOR if confirms else 1.0)
        came = trial(plan, cameras, labels, measure_s)
        judged.append(Judged(came, why_not(came, plan.p99_limit_s, plan.analyse_fps), confirms))
        told(judged[-1])
        return judged[-1].held

    found = most_that_holds(holds, most, first, _WITHIN)
    found = confirmed(found, lambda cameras: holds(cameras, confirms=True))
    return Capacity(found, found == most, tuple(judged))


def by_cameras(trials: Sequence[Judged]) -> list[Judged]:
    """One for each number of cameras, in rising order: the longest where a number was tried again."""
    newest = {each.trial.cameras: each for each in sorted(trials, key=lambda each: each.trial.measured_s)}
    return [newest[cameras] for cameras in sorted(newest)]
