"""How rare a score is at this camera: conformal p-values against its own normal tracks, and what a budget needs.

The exchangeable unit is the track, not the frame: what one track does in one step says much about its next. Its score
is the highest value that its smoothed surprise reaches in its life. Against n calibrated tracks a score s has

    p = (1 + #{calibrated tracks ≥ s}) / (n + 1)

What holds (Vovk, Gammerman, Shafer: Algorithmic Learning in a Random World, 2005): where calibrated tracks and a new
one are exchangeable, P(p ≤ a) ≤ a for every a, whatever the head is worth. A moment's surprise is never above the
highest of the life, so 'at some moment p ≤ a' is the same event as 'p ≤ a for the whole life': asking at every step
costs nothing, and a track that still goes on has been asked too little rather than too much. With r tracks a day,
a = budget / r gives at most `budget` normal tracks a day, on average, that ever get there. It holds in each part of the
day on its own (Mondrian: ibid.), as the parts are chosen by their counts, not by what is in them.

What does not hold: the average is over calibrations too. Given one, of n tracks, the true share is Beta(k, n + 1 - k)
with k = ⌊a (n + 1)⌋: on the least footage, k = 1, it is within a factor of two of what was wanted half of the time,
with five times as much 86 and with ten times 96 times in 100. Nothing holds where footage and future are not
exchangeable: another season, a moved camera (see drift), a part of the day that was never calibrated, tracks that the
end of the footage cut short. Of people who come in groups the mean is right and the spread is wider.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamer.budget import share_of

Float64 = NDArray[np.float64]
Hour = int | None
"""Of the day, by the camera's local time; None where footage does not say when it was taken."""

DAY_S = 86_400.0
BLOCK_WIDTHS_H = (1, 2, 3, 4, 6, 8, 12)
ROOM_IN_BLOCK = 5
"""A part of the day is its own yardstick where this many of its normal tracks may exceed the limit: see blocks_of."""


@dataclass(frozen=True, slots=True, eq=False)
class NormalScores:
    """What normal tracks of one camera scored: by the hour in which they began, and in how many seconds of footage.

    Arrays are float64, sorted by the caller or not. Raises ValueError where a score is not finite or no time passed.
    """

    seconds: float
    by_hour: Mapping[Hour, Float64]

    def __post_init__(self) -> None:
        if not (math.isfinite(self.seconds) and self.seconds > 0):
            raise ValueError(f"normal scores need footage of some length; got {self.seconds} s")
        if not all(np.isfinite(scores).all() for scores in self.by_hour.values()):
            raise ValueError("normal scores must be finite")

    @property
    def count(self) -> int:
        """Tracks."""
        return sum(len(scores) for scores in self.by_hour.values())

    @property
    def per_day(self) -> float:
        """Tracks a day, at the pace of the footage."""
        return self.count * DAY_S / self.seconds

    @property
    def all(self) -> Float64:
        """Every score, sorted."""
        return np.sort(np.concatenate([np.zeros(0), *self.by_hour.values()]))


class Yardstick:
    """p-values of one camera, each against the normal tracks of the same part of the day where there are enough."""

    def __init__(self, normal: NormalScores, false_alerts_per_day: float) -> None:
        """The smallest budget that will be asked of it decides how finely the day can be divided."""
        self.tracks_per_day = normal.per_day
        self._all = normal.all
        share = share_of(false_alerts_per_day, normal.per_day)
        counts = {hour: len(scores) for hour, scores in normal.by_hour.items() if hour is not None}
        self.block_h = block_width(counts, math.ceil(ROOM_IN_BLOCK / share))
        self._blocks: dict[int, Float64] = {}
        if self.block_h:
            for block in {hour // self.block_h for hour in counts}:
                hours = range(block * self.block_h, (block + 1) * self.block_h)
                self._blocks[block] = np.sort(np.concatenate([normal.by_hour.get(h, np.zeros(0)) for h in hours]))

    def block(self, hour: Hour) -> int | None:
        """Which part of the day an hour belongs to, None: the whole of it."""
        block = hour // self.block_h if self.block_h and hour is not None else None
        return block if block in self._blocks else None

    @property
    def parts(self) -> Mapping[int | None, Float64]:
        """The normal scores of each part of the day, sorted; None: all of them."""
        blocks: list[int | None] = [None, *self._blocks]
        return {block: self._scores(block) for block in blocks}

    def p_values(self, scores: NDArray[np.floating], hours: NDArray[np.int64]) -> Float64:
        """float64 (m,) in (0, 1], NaN where the score is NaN; hours (m,): in which each track began, -1: unknown."""
        p = np.full(len(scores), np.nan)
        for hour in set(hours.tolist()):
            rows = hours == hour
            p[rows] = p_values(self._scores(self.block(None if hour < 0 else hour)), scores[rows])
        return p

    def _scores(self, block: int | None) -> Float64:
        return self._all if block is None else self._blocks[block]


def p_values(normal: Float64, scores: NDArray[np.floating]) -> Float64:
    """(1 + #{normal ≥ score}) / (n + 1) for each score; normal must be sorted. NaN stays NaN."""
    at_least = len(normal) - np.searchsorted(normal, scores, side="left")
    return np.where(np.isnan(scores), np.nan, (1.0 + at_least) / (len(normal) + 1.0))


def block_width(counts: Mapping[int, int], least: int) -> int | None:
    """Into parts of how many hours the day can be divided, so that each with tracks has at least so many.

    counts: hour 0-23 → normal tracks that began in it. None where even halves have too few, or there is just one part.
    It may depend on counts only, never on scores, or the theorem above would not hold.
    """
    for width in BLOCK_WIDTHS_H:
        totals = [sum(counts.get(hour, 0) for hour in range(first, first + width)) for first in range(0, 24, width)]
        used = [total for total in totals if total]
        if len(used) > 1 and min(used) >= least:
            return width
    return None


def shown_budget(seconds: float) -> str:
    """How many false alerts a day footage of this length can promise at best, one p-value step, for people."""
    least = DAY_S / seconds
    return f"{math.ceil(least - 1e-9)}" if least >= 10 else f"{math.ceil(least * 10 - 1e-9) / 10:g}"


def too_little(seconds: float, false_alerts_per_day: float) -> str | None:
    """What is missing for a budget, as a sentence, or None where the footage is long enough.

    The smallest p-value is 1 / (n + 1): no score is so high that less than one of n tracks' time must be expected.
    """
    needed_s = DAY_S / false_alerts_per_day
    if seconds >= needed_s:
        return None
    held = f"can hold {shown_budget(seconds)} or more false alerts a day" if seconds > 0 else "can hold nothing"
    return (
        f"{spoken(seconds)} of footage {held}; for {false_alerts_per_day:g} a day {spoken(needed_s)} are needed: "
        f"{spoken(needed_s - seconds)} are missing"
    )


def spoken(seconds: float) -> str:
    """40 s, 12 min, 1.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{seconds / 60:.3g} min"
    return f"{seconds / 3600:.3g} h"
