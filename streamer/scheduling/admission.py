"""Which cameras a machine takes, and how often it looks at each: decided before the first frame, by a stated policy.

A machine that takes more than it can do serves nobody: frames are shed at random moments, and trackers lose whom they
follow. Fewer pictures at even distances are better. What there is, is shared by weighted max-min fairness (Bertsekas
and Gallager, "Data Networks", 1992, section 6.5.2): nobody gets more than asked for, and what that leaves goes to the
others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

WhenFull = Literal["degrade", "refuse", "admit"]


@dataclass(frozen=True, slots=True)
class Asking:
    """One camera: pictures a second while it is awake, the share of time in which it is, and its weight.

    besides: what it costs however seldom it is analysed (decoding), in pictures a second that cost as much.
    """

    camera: str
    fps: float
    awake: float = 1.0
    weight: float = 1.0
    besides: float = 0.0

    def load(self, fps: float) -> float:
        """Of the machine, in pictures a second, at this rate."""
        return fps * self.awake + self.besides


@dataclass(frozen=True, slots=True)
class Admission:
    """fps: of those that are taken, as asked for or less; refused: the others, each with the reason in a sentence."""

    fps: Mapping[str, float]
    refused: Mapping[str, str]
    load: float  # of the pictures a second that the machine can do


def admit(asking: Sequence[Asking], pictures_per_s: float, policy: WhenFull, least_fps: float) -> Admission:
    """Share out what the machine can do.

    degrade: everybody gets less, nobody less than least_fps (or than asked for); where that is too much still, the last
    of those with the lowest weight are refused. refuse: in order of weight, then as they come, while there is room.
    admit: everybody, whatever it costs.
    """
    taken = list(asking)
    match policy:
        case "admit":
            fps = {each.camera: each.fps for each in asking}
        case "refuse":
            taken = _while_there_is_room(asking, pictures_per_s)
            fps = {each.camera: each.fps for each in taken}
        case "degrade":
            while len(taken) > 1 and sum(each.load(min(least_fps, each.fps)) for each in taken) > pictures_per_s:
                lowest = min(each.weight for each in taken)
                taken.remove(next(each for each in reversed(taken) if each.weight == lowest))
            fps = _shared_out(taken, pictures_per_s, least_fps)
    kept = {each.camera for each in taken}
    used = sum(each.load(fps[each.camera]) for each in taken)
    said = (
        f"this machine analyses {pictures_per_s:.0f} pictures a second, and the other cameras take {used:.0f} of them"
    )
    refused = {each.camera: f"{said}; this one asks for {each.fps:g}" for each in asking if each.camera not in kept}
    return Admission(fps, refused, used / pictures_per_s)


def _while_there_is_room(asking: Sequence[Asking], pictures_per_s: float) -> list[Asking]:
    left, taken = pictures_per_s, set()
    for each in sorted(asking, key=lambda one: -one.weight):
        if each.load(each.fps) <= left:
            left -= each.load(each.fps)
            taken.add(each.camera)
    return [each for each in asking if each.camera in taken]


def _shared_out(taken: Sequence[Asking], pictures_per_s: float, least_fps: float) -> dict[str, float]:
    """Everybody's weight times one level, but between least and asked for: the highest level that fits."""

    def at(level: float) -> dict[str, float]:
        return {each.camera: min(each.fps, max(least_fps, level * each.weight)) for each in taken}

    def fits(level: float) -> bool:
        fps = at(level)
        return sum(each.load(fps[each.camera]) for each in taken) <= pictures_per_s

    low, high = 0.0, max((each.fps / each.weight for each in taken), default=0.0)
    if fits(high):
        return at(high)
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return at(low)
