"""What each cell of a still camera's picture normally looks like, and how far it normally strays from that."""

from __future__ import annotations

from math import exp

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.capture.motion.light import Light

Cells = NDArray[np.float32]
Mask = NDArray[np.bool_]
Where = NDArray[np.int64]

LEAST_CONTRAST = 5.0
"""Grey levels that a cell must be off, in the calmest of scenes."""
_FOLLOW_S = 8.0
_HABIT_S = 300.0
_HABIT_MARGIN = 1.3
_MOST_HABIT = 12.0
_ABSORB_S = 45.0
_ABSORB_VACANT_S = 4.0
_LEAST_ABSORB_S, _OUTLAST, _NEW_LIGHT_S = 2.0, np.float32(4), 10.0


class Background:
    """Per cell a level, a habit and a candidate; all learning is by seconds, whatever the step from look to look.

    *Level*: a running average (Wren et al. 1997, Pfinder) of what is not part of a region.

    *Habit*: the farthest that a cell has strayed and come back from in the last minutes; W4 (Haritaoglu, Harwood and
    Davis 2000) keeps the same as minimum and maximum. It adapts to sensor noise, to the pulse of key frames, to
    leaves, per cell and whatever their distribution: noise has one peak, a pulse has two. It counts once the cell is
    back, so that a thing that creeps into a cell does not excuse itself; and things that moved are no habit (see
    `excuse`).

    *Candidate*: what a cell that is part of a region shows steadily. It becomes the level after 45 s: a person who
    stands still is not part of the scene at once, and the ghost where a parked car left fades. Where the level itself
    was seen only briefly, four times as long is enough: what just happened to be in the first picture is soon
    forgotten. Time in which something else passes in front counts against it. And where analysis has been looking for
    4 s and sees nobody, 4 s are enough: what changed and keeps still then is a door, a chair, a ghost.
    """

    def __init__(self, first: Cells, at_s: float) -> None:
        self.level = first.copy()
        self.habit = np.zeros_like(first)
        self._excursion = np.zeros_like(first)
        self._candidate = np.zeros_like(first)
        self._age_s = np.zeros_like(first)
        self._held_s = np.zeros_like(first)
        self._any_age = False
        self._began_s = at_s

    def tolerance(self, least: float) -> Cells:
        """float32 (h, w): how far each cell may be off and mean nothing."""
        tolerance: Cells = np.maximum(self.habit * np.float32(_HABIT_MARGIN), np.float32(least))
        return tolerance

    def relight(self, light: Light, now: Cells, sudden: bool) -> None:
        """The light changed everywhere; what stands out in the new light still does.

        After a sudden change the picture itself is the best background, wherever it agrees: a dark picture lit by
        calculation would show its noise.
        """
        lit = light.on(self.level)
        if sudden:
            agrees = np.abs(now - lit) < max(LEAST_CONTRAST, 3 * light.spread)
            lit = np.where(agrees, now, lit)
            self._excursion[:] = 0
        self.level = lit
        self._candidate = light.on(self._candidate)

    def restart(self, now: Cells) -> None:
        """Take the picture as it is for the scene: everything looks different by now."""
        self.level, self._excursion, self._age_s = now.copy(), np.zeros_like(now), np.zeros_like(now)
        np.minimum(self._held_s, np.float32(_NEW_LIGHT_S), out=self._held_s)

    def swap(self, where: Mask, now: Cells, away: Cells, most_habit: float) -> None:
        """Take the picture for the scene, bool (h, w) where, and such differences for habit: the old may come back."""
        self._replace(where, now, np.zeros_like(now))
        np.copyto(self.habit, np.maximum(self.habit, np.minimum(away, np.float32(most_habit))), where=where)

    def excuse(self, where: Mask) -> None:
        """What these cells, bool (h, w), show at present is somebody's doing, and no habit of theirs."""
        np.copyto(self._excursion, 0, where=where)

    def stirs(self, now: Cells, where: Where, noise: float) -> Mask:
        """bool (n,): which of these cells, int64 (n,) flat, show something new, other than a moment ago as well."""
        stirs: Mask = (self._age_s.take(where) <= 0) | ~self._steady(now, where, noise)
        return stirs

    def learn(self, now: Cells, away: Cells, regions: Mask | None, most_habit: Cells | float, dt_s: float,
              at_s: float, noise: float, vacant_s: float = 0.0) -> None:  # fmt: skip
        """One look more; regions: bool (h, w), cells that are part of any or next to it; None where there are none.

        most_habit: no cell excuses more grey levels than this, so that what differs much is always seen; it grows
        with the noise. vacant_s: for so long analysis has been looking, and seen nobody.
        """
        elapsed_s = at_s - self._began_s
        self._learn_habit(away, most_habit, dt_s)
        follow = max(1 - exp(-dt_s / _FOLLOW_S), dt_s / (elapsed_s + dt_s))
        if regions is None:
            cv2.accumulateWeighted(now, self.level, follow)
            self._held_s += np.float32(dt_s)
        else:
            outside = ~regions
            cv2.accumulateWeighted(now, self.level, follow, outside.view(np.uint8))
            self._held_s += np.float32(dt_s) * outside
            absorb_s = _ABSORB_VACANT_S if vacant_s >= _ABSORB_VACANT_S else _ABSORB_S
            self._learn_candidate(now, np.flatnonzero(regions), dt_s, noise, absorb_s)
        np.minimum(self._held_s, np.float32(_ABSORB_S), out=self._held_s)
        if regions is None and self._any_age:
            self._grow_older(dt_s)
            self._any_age = bool(self._age_s.any())

    def _steady(self, now: Cells, where: Where, noise: float) -> Mask:
        # Either nearly the same, or four times as near as what was there before: the light may wander meanwhile.
        here = now.take(where)
        off = np.abs(here - self._candidate.take(where))
        steady: Mask = (off < max(3.0, 4 * noise)) | (off < np.float32(0.25) * np.abs(here - self.level.take(where)))
        return steady

    def _grow_older(self, dt_s: float) -> None:
        self._age_s -= np.float32(dt_s)
        np.maximum(self._age_s, 0, out=self._age_s)

    def _learn_habit(self, away: Cells, most: Cells | float, dt_s: float) -> None:
        self.habit *= np.float32(exp(-dt_s / _HABIT_S))
        # Products instead of masks: which cells are back is as good as random, and branches on that are dear.
        over = self._excursion * (away < np.float32(0.5) * self._excursion)
        self._excursion -= over
        np.maximum(self._excursion, away, out=self._excursion)
        np.maximum(self.habit, np.minimum(over, most, out=over), out=self.habit)

    def _learn_candidate(self, now: Cells, where: Where, dt_s: float, noise: float, absorb_s: float) -> None:
        """where: int64 (n,), flat indices of cells that are part of a region or next to it."""
        here, candidate, age_s = now.take(where), self._candidate.take(where), self._age_s.take(where)
        steady = self._steady(now, where, noise)
        candidate += np.float32(1 - exp(-dt_s)) * steady * (here - candidate)
        age_s += np.where(steady, np.float32(dt_s), np.float32(-dt_s))
        fresh = age_s <= 0
        np.copyto(candidate, here, where=fresh)
        np.copyto(age_s, np.float32(dt_s), where=fresh)
        if self._any_age:
            self._grow_older(dt_s)
        self._candidate.ravel()[where], self._age_s.ravel()[where], self._any_age = candidate, age_s, True
        held_s = self._held_s.take(where)
        due = age_s > np.minimum(np.maximum(_OUTLAST * held_s, _LEAST_ABSORB_S), absorb_s)
        if due.any():
            cells = np.zeros(now.shape, np.bool_)
            cells.ravel()[where[due]] = True
            self._replace(cells, self._candidate, self._age_s.copy())

    def _replace(self, where: Mask, level: Cells, held_s: Cells) -> None:
        for kept, value in ((self.level, level), (self._held_s, held_s), (self._excursion, 0), (self._age_s, 0)):
            np.copyto(kept, value, where=where)


def most_habit(noise: float) -> float:
    """Grey levels that a cell may get used to: more than noise can be, less than what is worth seeing."""
    return max(_MOST_HABIT, 4 * noise)
