"""One name for one object: a track that begins where another was just lost goes on under its id.

Trackers lose people behind pillars and find them again under a new id; rules would count them twice. This wraps any
tracker and gives its ids new names that last: an object keeps its name through lost and flickering ids (A, B, A again).
Two objects that are seen in the same frame never share a name, and a name is never given to anybody else.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from streamer.stages import Tracker
from streamer.types import Detections, Tracks

Box = tuple[float, float, float, float]


@dataclass(slots=True, eq=False)
class _Thread:
    """One object under its lasting name: where it was seen last, and the inner ids that were it."""

    name: int
    first_s: float
    holder: int  # the inner id that it has now, or had last
    last_s: float = 0.0
    box: Box = (0.0, 0.0, 0.0, 0.0)
    velocity: tuple[float, float] = (0.0, 0.0)
    class_id: int = 0
    inners: set[int] = field(default_factory=set)


class _Sighting(NamedTuple):
    """One row of the inner tracker's Tracks."""

    row: int
    inner: int
    box: Box
    velocity: tuple[float, float]
    class_id: int
    born_s: float


class StitchingTracker:
    """A stages.Tracker around another, whose ids survive the loss of a track for up to patience_s.

    A new track goes on where an old one stopped, if it is of the same class, was born after the old one was last seen,
    is of similar height (within max_stretch either way) and stands near the way that the old one was on: within
    reach box sizes, and reach_per_s more for every second that it was away. Where several fit, the nearest pair goes
    first. Ids are reported as ended once nothing can continue them.
    """

    def __init__(
        self,
        inner: Tracker,
        *,
        patience_s: float = 2.0,
        reach: float = 0.5,
        reach_per_s: float = 1.0,
        max_stretch: float = 1.6,
    ) -> None:
        if patience_s < 0 or reach <= 0 or reach_per_s < 0 or max_stretch < 1:
            raise ValueError(
                "patience_s and reach_per_s must not be negative, reach positive, max_stretch at least 1; "
                f"got {patience_s:g}, {reach_per_s:g}, {reach:g} and {max_stretch:g}"
            )
        self._inner = inner
        self._patience_s, self._reach, self._reach_per_s = patience_s, reach, reach_per_s
        self._max_stretch = max_stretch
        self._threads: dict[int, _Thread] = {}  # by name
        self._name_of: dict[int, int] = {}  # inner id → name
        self._names_given = 0

    def update(self, detections: Detections, at_s: float) -> Tracks:
        """The inner tracker's tracks under their lasting names, ages counted from the first of them."""
        tracks = self._inner.update(detections, at_s)
        sightings = _sightings(tracks, at_s)
        named = self._name(sightings, at_s)
        for sighting in sightings:
            thread = self._threads[named[sighting.row]]
            thread.holder, thread.last_s, thread.class_id = sighting.inner, at_s, sighting.class_id
            thread.box, thread.velocity = sighting.box, sighting.velocity
        ended = self._give_up(tracks.ended, set(named.values()), at_s)
        names = [named[row] for row in range(len(tracks))]
        ages = [at_s - self._threads[name].first_s for name in names]
        return Tracks(
            ids=np.array(names, np.int64),
            boxes_xyxy=tracks.boxes_xyxy,
            velocity_xy=tracks.velocity_xy,
            age_s=np.array(ages, np.float32),
            scores=tracks.scores,
            class_ids=tracks.class_ids,
            detection_rows=tracks.detection_rows,
            labels=tracks.labels,
            ended=ended,
        )

    def reset(self) -> None:
        """A new session begins; names start again from 1."""
        self._inner.reset()
        self._threads.clear()
        self._name_of.clear()
        self._names_given = 0

    def _name(self, sightings: list[_Sighting], at_s: float) -> dict[int, int]:
        """Row → name, every name once."""
        named: dict[int, int] = {}
        strangers = []
        for sighting in sightings:
            name = self._name_of.get(sighting.inner)
            if name is not None and self._threads[name].holder == sighting.inner:
                named[sighting.row] = name
            else:
                strangers.append(sighting)
        if not strangers:
            return named
        taken = set(named.values())
        # An id that the inner tracker had lost and has found again. Somebody else went on under its name meanwhile:
        # it is the same object only if that one is gone and was last seen here. Older ids have the older claim.
        new = []
        for sighting in sorted(strangers, key=lambda s: s.inner):
            name = self._name_of.get(sighting.inner)
            if name is not None and name not in taken and self._misfit(self._threads[name], sighting, at_s) is not None:
                named[sighting.row] = name
                taken.add(name)
            else:
                new.append(sighting)
        for sighting, name in self._continue(new, taken, at_s):
            named[sighting.row] = name
            self._rename(sighting.inner, name)
        for sighting in new:
            if sighting.row not in named:
                self._names_given += 1
                name = self._names_given
                self._threads[name] = _Thread(name, min(sighting.born_s, at_s), sighting.inner)
                named[sighting.row] = name
                self._rename(sighting.inner, name)
        return named

    def _continue(self, new: list[_Sighting], taken: set[int], at_s: float) -> Iterable[tuple[_Sighting, int]]:
        """Which new tracks go on under which free names: nearest pairs first, so that the order of rows is nothing."""
        pairs = []
        for thread in self._threads.values():
            if thread.name in taken or at_s - thread.last_s > self._patience_s:
                continue
            for sighting in new:
                # Born while the other was still seen: they are two, however near.
                if sighting.born_s <= thread.last_s and sighting.inner not in thread.inners:
                    continue
                misfit = self._misfit(thread, sighting, at_s)
                if misfit is not None:
                    pairs.append((misfit, thread.name, sighting.inner, sighting))
        rows: set[int] = set()
        names: set[int] = set()
        for _, name, _, sighting in sorted(pairs, key=lambda pair: pair[:3]):
            if name not in names and sighting.row not in rows:
                names.add(name)
                rows.add(sighting.row)
                yield sighting, name

    def _misfit(self, thread: _Thread, sighting: _Sighting, at_s: float) -> float | None:
        """How far the sighting is from where the thread would be, in box sizes; None where it cannot be the same."""
        if thread.class_id != sighting.class_id:
            return None
        (x1, y1, x2, y2), (u1, v1, u2, v2) = thread.box, sighting.box
        height, new_height = max(y2 - y1, 1e-6), max(v2 - v1, 1e-6)
        if max(height, new_height) > self._max_stretch * min(height, new_height):
            return None
        away_s = at_s - thread.last_s
        size = math.sqrt(height * max(x2 - x1, 1e-6))
        here = ((u1 + u2) / 2, (v1 + v2) / 2)
        last = ((x1 + x2) / 2, (y1 + y2) / 2)
        # It may have slowed down out of sight, but hardly sped up: anywhere on the way counts as on its way.
        off = _distance_to_way(here, last, (thread.velocity[0] * away_s, thread.velocity[1] * away_s)) / size
        return off if off <= self._reach + self._reach_per_s * away_s else None

    def _rename(self, inner: int, name: int) -> None:
        before = self._name_of.get(inner)
        if before is not None and before in self._threads:
            self._threads[before].inners.discard(inner)
        self._name_of[inner] = name
        self._threads[name].inners.add(inner)

    def _give_up(self, inner_ended: tuple[int, ...], live: set[int], at_s: float) -> tuple[int, ...]:
        """The names that nothing can continue: their inner ids have ended, and patience with them too."""
        for inner in inner_ended:
            name = self._name_of.pop(inner, None)
            if name is not None:
                self._threads[name].inners.discard(inner)
        ended = tuple(
            thread.name
            for thread in self._threads.values()
            if thread.name not in live and not thread.inners and at_s - thread.last_s > self._patience_s
        )
        for name in ended:
            del self._threads[name]
        return ended


def _sightings(tracks: Tracks, at_s: float) -> list[_Sighting]:
    rows = zip(
        tracks.ids.tolist(),
        tracks.boxes_xyxy.tolist(),
        tracks.velocity_xy.tolist(),
        tracks.class_ids.tolist(),
        tracks.age_s.tolist(),
        strict=True,
    )
    return [
        _Sighting(row, inner, tuple(box), tuple(velocity), class_id, at_s - age_s)
        for row, (inner, box, velocity, class_id, age_s) in enumerate(rows)
    ]


def _distance_to_way(point: tuple[float, float], start: tuple[float, float], way: tuple[float, float]) -> float:
    """How far a point is from the straight way that begins at start."""
    to_point = (point[0] - start[0], point[1] - start[1])
    squared = way[0] * way[0] + way[1] * way[1]
    along = 0.0 if squared == 0 else max(0.0, min(1.0, (to_point[0] * way[0] + to_point[1] * way[1]) / squared))
    return math.hypot(to_point[0] - along * way[0], to_point[1] - along * way[1])
