"""Has the distribution moved since calibration? A conformal test martingale that watches for the moment of a change.

Each track that ended gets its rank among the calibrated tracks and all that came since. Where they are exchangeable
these ranks, with ties broken at random, are independent and uniform (Vovk, Gammerman, Shafer 2005, on testing
exchangeability; counted against a fixed calibration they would not be: its own luck would look like drift in the end).
Bets on ranks that are not uniform are fair, so the Shiryaev-Roberts sum R ← (R + 1) × bet grows by one a track on
average, and without a change R ≥ c comes after c tracks on average or later (Vovk, Petej, Nouretdinov, Ahlberg,
Carlsson: Retrain or not retrain, COPA 2021). Unlike a martingale that lost its stake over a quiet year, the sum
notices a change as fast then as on the first day.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

MOST_KEPT = 20_000
FALSE_ALARM_EVERY_DAYS = 100.0
LEAST_TRACKS = 2_000.0

# Fair bets on a rank u in [0, 1]: each is at least 0 and averages 1. Tilted ones win where scores rise or fall as a
# whole, bent ones where they spread out or draw together.
_TILTS = np.array([-1.6, -0.8, 0.8, 1.6])
_BENDS = np.array([-0.4, 0.4, 0.8])


class DriftWatch:
    """Watches one camera's tracks after its calibration. Not for several threads at once.

    normal      the calibrated scores by part of the day; a rank is always taken within one
    every       without a change, a false alarm comes after so many tracks on average, or later
    """

    def __init__(self, normal: Mapping[int | None, NDArray[np.float64]], every: float, seed: int = 0) -> None:
        if every <= 1:
            raise ValueError(f"a false alarm after {every:g} tracks is no alarm; it should be many more")
        self._seen = {part: sorted(scores.tolist()) for part, scores in normal.items()}
        self._every = every
        self._sums = np.zeros(len(_TILTS) + len(_BENDS))
        self._ties = np.random.default_rng(seed)
        self.tracks = 0
        self.drifted = False

    def add(self, score: float, part: int | None = None) -> None:
        """One track has ended. After an alarm nothing changes: a new calibration begins a new watch."""
        if self.drifted or not math.isfinite(score):
            return
        seen = self._seen.setdefault(part, [])
        low, high = bisect.bisect_left(seen, score), bisect.bisect_right(seen, score)
        rank = (len(seen) - high + self._ties.random() * (high - low + 1)) / (len(seen) + 1)
        if len(seen) < MOST_KEPT:
            seen.insert(high, score)
        self.tracks += 1
        self._sums = (self._sums + 1.0) * _bets(rank)
        self.drifted = bool(self._sums.mean() >= self._every)

    @property
    def level(self) -> float:
        """From 0, nothing points to a change, to 1, it is told: how far the evidence has come, in its logarithm."""
        return 1.0 if self.drifted else min(1.0, math.log1p(float(self._sums.mean())) / math.log1p(self._every))

    @property
    def text(self) -> str | None:
        """What to tell a person, once there is something."""
        if not self.drifted:
            return None
        return (
            f"what moves here is no longer what was calibrated ({self.tracks} tracks since): anomaly scores are off. "
            "Look whether the view or the season has changed, then run `streamer calibrate` again"
        )


def alarm_every(tracks_per_day: float) -> float:
    """One false alarm in a hundred days or later, and never sooner than a small camera needs for evidence."""
    return max(LEAST_TRACKS, FALSE_ALARM_EVERY_DAYS * tracks_per_day)


def _bets(rank: float) -> NDArray[np.float64]:
    off = rank - 0.5
    return np.concatenate([1.0 + _TILTS * off, 1.0 + _BENDS * (12.0 * off * off - 1.0)])
