"""What really happens in the drawn street: the events that the cameras' rules ought to find.

Events come from the true boxes, frame by frame, by definitions of their own: nothing here calls the rules. A `plain`
event is one that anybody would call so, with time and sight to spare. A `possible` one is at the edge: too short, half
hidden, a second too early. Only plain events must be found; an alert that matches not even a possible one is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.demo.perspective import Point
from streamer.demo.street import LABELS, Truth
from streamer.demo.watch import Post

_SEEN_SHARE = 0.6
_SPARE_S = 1.5
_SIDE_S = 1.0
_SPEED = 0.01
"""Picture heights per second: slower is standing."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Event:
    """Something that a rule of this kind and place should notice between these times of the play, seconds."""

    kind: str
    place: str
    start_s: float
    end_s: float
    plain: bool


@dataclass(frozen=True)
class Play:
    """Everybody in one camera's picture through one period: feet (F, A, 2) in the picture's own coordinates, NaN where
    out of sight; seen (F, A), the visible share; boxes (F, A, 4) pixels; class_ids (A,). F frames at fps, A actors.
    """

    fps: float
    feet: Floats
    seen: Floats
    boxes: Floats
    class_ids: NDArray[np.int64]

    @classmethod
    def of(cls, truths: Sequence[Truth], fps: float, picture_wh: tuple[int, int]) -> Play:
        """The play in which these are the pictures' truths, in order."""
        actors = sorted({int(identity) for truth in truths for identity in truth.identities})
        column = {identity: i for i, identity in enumerate(actors)}
        shape = (len(truths), len(actors))
        feet, boxes, seen = np.full((*shape, 2), np.nan), np.full((*shape, 4), np.nan), np.zeros(shape)
        class_ids = np.zeros(len(actors), np.int64)
        for i, truth in enumerate(truths):
            for box, class_id, identity, visible in zip(
                truth.boxes_xyxy, truth.class_ids, truth.identities, truth.visible, strict=True
            ):
                at = column[int(identity)]
                boxes[i, at], seen[i, at], class_ids[at] = box, visible, class_id
                feet[i, at] = (box[0] + box[2]) / 2 / picture_wh[0], box[3] / picture_wh[1]
        return cls(fps, feet, seen, boxes, class_ids)

    def save(self, path: Path) -> None:
        """As a compressed numpy file."""
        with path.open("wb") as file:
            np.savez_compressed(
                file, fps=self.fps, feet=self.feet, seen=self.seen, boxes=self.boxes, class_ids=self.class_ids
            )

    @classmethod
    def load(cls, path: Path) -> Play:
        """What save() wrote."""
        with np.load(path) as stored:
            return cls(float(stored["fps"]), stored["feet"], stored["seen"], stored["boxes"], stored["class_ids"])

    @property
    def period_s(self) -> float:
        """Seconds after which everything happens again."""
        return len(self.feet) / self.fps


def events_of(play: Play, post: Post) -> list[Event]:
    """Everything that this camera's rules should notice in one period, by start time."""
    found: list[Event] = []
    for rule in post.rules:
        found += _FINDERS[str(rule["kind"])](play, post, rule)
    return sorted(found, key=lambda event: event.start_s)


# -- what each kind of rule is about -------------------------------------------------------------------------------


def _intrusions(play: Play, post: Post, rule: Mapping[str, Any]) -> Iterator[Event]:
    inside = _inside(play.feet, post.zones[rule["zone"]])
    for actor in _actors(play, rule):
        for start, end in _spells(inside[:, actor]):
            seen = play.seen[_wrapped(play, start, end), actor]
            plain = (seen >= _SEEN_SHARE).sum() >= _SPARE_S * play.fps
            yield _event(play, rule, rule["zone"], start, end, plain=bool(plain))


def _loiterings(play: Play, post: Post, rule: Mapping[str, Any]) -> Iterator[Event]:
    inside = _inside(play.feet, post.zones[rule["zone"]])
    dwell = rule["dwell_s"] * play.fps
    for actor in _actors(play, rule):
        for start, end in _spells(inside[:, actor]):
            if end - start < dwell - _SPARE_S * play.fps:
                continue
            seen = play.seen[_wrapped(play, start, end), actor]
            plain = end - start >= dwell + _SPARE_S * play.fps and np.mean(seen >= _SEEN_SHARE) > 0.9
            yield _event(play, rule, rule["zone"], round(start + dwell), end, plain=bool(plain))


def _crowds(play: Play, post: Post, rule: Mapping[str, Any]) -> Iterator[Event]:
    inside = _inside(play.feet, post.zones[rule["zone"]])[:, _actors(play, rule)]
    seen = play.seen[:, _actors(play, rule)]
    sure = (inside & (seen >= _SEEN_SHARE)).sum(1) > rule["above"]
    for start, end in _spells(inside.sum(1) > rule["above"]):
        longest = max((b - a for a, b in _spells(sure[_wrapped(play, start, end)], circle=False)), default=0)
        plain = longest >= (rule.get("open_after_s", 0.0) + _SPARE_S) * play.fps
        yield _event(play, rule, rule["zone"], start, end, plain=plain)


def _crossings(play: Play, post: Post, rule: Mapping[str, Any]) -> Iterator[Event]:
    a, b = (np.array(point) for point in post.lines[rule["line"]])
    along = b - a
    off = (play.feet - a) @ np.array([-along[1], along[0]])
    reach = (play.feet - a) @ along / (along @ along)
    spare = round(_SIDE_S * play.fps)
    for actor in _actors(play, rule):
        side = np.sign(off[:, actor])
        for i in range(len(side)):
            # NaN compares unequal to everything: who comes into sight has crossed nothing.
            if side[i - 1] * side[i] == -1 and 0 <= reach[i, actor] <= 1:
                seen = play.seen[_wrapped(play, i - spare, i + spare), actor]
                yield _event(play, rule, rule["line"], i, i + spare, plain=bool((seen >= _SEEN_SHARE).all()))


def _halts(play: Play, post: Post, rule: Mapping[str, Any]) -> Iterator[Event]:
    inside = _inside(play.feet, post.zones[rule["zone"]])
    still_frames = rule["still_s"] * play.fps
    step = np.hypot(*np.moveaxis(np.roll(play.feet, -1, 0) - play.feet, -1, 0))
    for actor in _actors(play, rule):
        for start, end in _spells((step[:, actor] * play.fps < _SPEED) & inside[:, actor]):
            if end - start < still_frames - _SPARE_S * play.fps:
                continue
            seen = play.seen[_wrapped(play, start, end), actor]
            plain = end - start >= still_frames + _SPARE_S * play.fps and np.mean(seen >= _SEEN_SHARE) > 0.7
            yield _event(play, rule, rule["zone"], round(start + still_frames), end, plain=bool(plain))


_FINDERS = {
    "intrusion": _intrusions,
    "loitering": _loiterings,
    "occupancy": _crowds,
    "line_crossing": _crossings,
    "stopped": _halts,
}


def _event(play: Play, rule: Mapping[str, Any], place: str, start: int, end: int, *, plain: bool) -> Event:
    return Event(str(rule["kind"]), place, start / play.fps, max(end, start + 1) / play.fps, plain)


def _actors(play: Play, rule: Mapping[str, Any]) -> list[int]:
    wanted = [LABELS.index(label) for label in rule.get("labels", LABELS)]
    return [i for i, class_id in enumerate(play.class_ids) if class_id in wanted]


def _inside(feet: Floats, polygon: Sequence[Point]) -> NDArray[np.bool_]:
    """Which feet (F, A, 2) are inside a convex polygon: on the same side of every edge."""
    corners = np.array(polygon)
    edges = np.roll(corners, -1, 0) - corners
    sides = [
        edge[0] * (feet[..., 1] - corner[1]) - edge[1] * (feet[..., 0] - corner[0])
        for corner, edge in zip(corners, edges, strict=True)
    ]
    with np.errstate(invalid="ignore"):
        inside: NDArray[np.bool_] = np.all(np.array(sides) >= 0, 0) | np.all(np.array(sides) <= 0, 0)
    return inside


def _spells(holds: NDArray[np.bool_], *, circle: bool = True) -> list[tuple[int, int]]:
    """(first, one past last) of every run of True; on a circle one may go over the seam, and end past n."""
    n = len(holds)
    if holds.all():
        return [(0, n)] if n else []
    start = int(np.argmin(holds)) if circle else 0  # begin where it does not hold, so that no run is cut
    runs: list[tuple[int, int]] = []
    began: int | None = None
    for i in range(start, start + n):
        if holds[i % n] and began is None:
            began = i
        elif not holds[i % n] and began is not None:
            runs.append((began, i))
            began = None
    if began is not None:
        runs.append((began, start + n))
    return [(first % n, first % n + last - first) for first, last in runs]


def _wrapped(play: Play, start: int, end: int) -> NDArray[np.int64]:
    return np.arange(start, end) % len(play.feet)
