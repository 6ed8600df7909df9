"""What a batch costs by its size: measured when the model was warmed up, corrected by what every batch then takes."""

from __future__ import annotations

from collections.abc import Mapping

_HANDED_OVER_S = 0.0003
"""What a batch costs besides the model: its way through three threads (python -m tests.benchmarks.overhead)."""
_NEAR_ENOUGH = 1.02
"""Sizes whose cost per frame differs by less are equally good, and the smallest makes its frames wait least."""
_WORTH_WAITING = 0.9
"""A fuller batch must cost so much less per frame to be waited for: on one CPU thread it costs the same."""
_LEARNS = 0.1
_HICCUP = 10.0
"""One call that takes longer than so many times the usual says no more than that."""


class CostModel:
    """Seconds of a model call by the number of frames in it. Not for two threads at once.

    measured: frames → seconds, of calls that had the machine for themselves. Sizes in between are interpolated, larger
    ones extrapolated from the largest. Without measurements the first call is taken as one, and every frame is held to
    cost the same. A busy machine makes all sizes slower alike: one factor, an exponential mean over some ten calls.
    """

    def __init__(self, measured: Mapping[int, float] | None = None) -> None:
        self._measured = dict(sorted((measured or {}).items()))
        self._slowness = 1.0
        self._best: dict[int, int] = {}  # asked for with every batch; slowness does not change it

    @property
    def slowness(self) -> float:
        """How much longer calls take now than when they were measured."""
        return self._slowness

    def took(self, frames: int, seconds: float) -> None:
        """A call was made."""
        if frames < 1 or seconds <= 0:
            return
        if not self._measured:
            self._measured = {frames: seconds}
            self._best.clear()
            return
        now = min(seconds / self._alone(frames), _HICCUP * self._slowness)
        self._slowness += _LEARNS * (now - self._slowness)

    def seconds(self, frames: int) -> float:
        """What a call with so many frames takes at present; 0 while nothing is known."""
        return self._alone(frames) * self._slowness if self._measured else 0.0

    def per_frame(self, most: int) -> float:
        """Seconds per frame in batches of the best size up to this; 0 while nothing is known."""
        size = self.best_size(most)
        return self.seconds(size) / size

    def best_size(self, most: int) -> int:
        """The smallest size whose frames cost about as little as they can; `most` while nothing is known."""
        if not self._measured:
            return most
        if most not in self._best:
            per_frame = {n: self._with_handing_over(n) for n in range(1, most + 1)}
            cheapest = min(per_frame.values())
            self._best[most] = next(n for n, cost in per_frame.items() if cost <= cheapest * _NEAR_ENOUGH)
        return self._best[most]

    def worth_waiting(self, waiting: int, best: int) -> bool:
        """Whether frames would be clearly cheaper in a batch of the best size than in one of those that wait."""
        if not self._measured:
            return waiting < best
        return waiting < best and self._with_handing_over(best) < _WORTH_WAITING * self._with_handing_over(waiting)

    def _with_handing_over(self, frames: int) -> float:
        return (self._alone(frames) + _HANDED_OVER_S) / frames

    def _alone(self, frames: int) -> float:
        below = above = None
        for size, seconds in self._measured.items():
            if size == frames:
                return seconds
            if size < frames:
                below = (size, seconds)
            elif above is None:
                above = (size, seconds)
        if below and above:
            share = (frames - below[0]) / (above[0] - below[0])
            return below[1] + share * (above[1] - below[1])
        size, seconds = below or above or (1, 0.0)
        return seconds * frames / size
