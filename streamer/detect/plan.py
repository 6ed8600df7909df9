"""How the cores that inference may use are used best: several calls at a time, or one call on several threads.

Which is better depends on the machine and the net (narrow calls win where layers are small, one wide call where they
are large), so it is measured: here are the choices and the verdict, `planning.py` measures and remembers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_CLEARLY = 1.05
"""So much faster must many narrow calls be than fewer, wider ones, where a single picture is through sooner."""


@dataclass(frozen=True, slots=True, order=True)
class Arrangement:
    """So many calls of the model beside each other, each on so many threads."""

    lanes: int
    threads: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What to use, and what a call then costs: seconds by number of pictures, with one lane at work.

    pictures_per_s: with all lanes at work, of each arrangement that was tried; empty where there was no choice.
    """

    arrangement: Arrangement
    seconds: Mapping[int, float]
    pictures_per_s: Mapping[Arrangement, float]

    @property
    def capacity(self) -> float:
        """Pictures a second that all lanes do together."""
        measured = self.pictures_per_s.get(self.arrangement)
        return measured or self.arrangement.lanes / min(seconds / size for size, seconds in self.seconds.items())

    def __post_init__(self) -> None:
        if not self.seconds:
            raise ValueError("a plan needs the cost of at least one size of call")
        if any(value <= 0 for value in (*self.seconds.values(), *self.pictures_per_s.values())):
            raise ValueError(f"a plan's times and rates are above 0; got {self.seconds} and {self.pictures_per_s}")


def arrangements(cores: int) -> tuple[Arrangement, ...]:
    """The ways to use so many cores that are worth a try: lanes of 1 thread, of 2, of 4, and one of all."""
    widths = sorted({1, cores, *(width for width in (2, 4) if width < cores and cores % width == 0)})
    return tuple(Arrangement(cores // width, width) for width in widths)


def best(pictures_per_s: Mapping[Arrangement, float]) -> Arrangement:
    """The one with the highest rate; among those that come close the one with the fewest lanes."""
    highest = max(pictures_per_s.values())
    return min(each for each, rate in pictures_per_s.items() if rate * _CLEARLY >= highest)
