"""Drawn walks with known truth: what a tracker would say of them, with jitter, flicker, dropped frames and lost ids.

Somebody's feet follow straight legs between way points; everything that a test asserts is computed from those legs by
brute force, never by the code under test.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from streamer.types import Detections, Frame, Tracks

LABELS = ("person", "car", "bicycle")
WH = (640, 360)
ASPECT = WH[0] / WH[1]
EPOCH = 1_750_000_000.0
BLANK = np.zeros((36, 64, 3), np.uint8)


class Drawn:
    """A picture in memory."""

    def __init__(self, rgb: np.ndarray) -> None:
        self._rgb = rgb

    def rgb(self) -> np.ndarray:
        return self._rgb


def frame_at(
    media_s: float,
    *,
    image: np.ndarray = BLANK,
    session: str = "s1",
    camera: str = "gate",
    captured_at: float | None = None,
    source_wh: tuple[int, int] = WH,
) -> Frame:
    """A frame at a moment of the stream."""
    at = EPOCH + media_s if captured_at is None else captured_at
    return Frame(
        camera, session, round(media_s * 1000), image, source_wh, media_s, at, 100 + media_s, Drawn(np.asarray(image))
    )


@dataclass(frozen=True)
class Walk:
    """Way points (t, x, y) of somebody's feet, normalised; nobody is there before the first or after the last.

    gone: spans of time in which nobody can see them; a tracker gives them a new id afterwards.
    """

    points: tuple[tuple[float, float, float], ...]
    label: str = "person"
    score: float = 0.9
    wh: tuple[float, float] = (0.045, 0.2)
    gone: tuple[tuple[float, float], ...] = ()

    @property
    def ends_s(self) -> float:
        return self.points[-1][0]

    def at(self, t: float) -> tuple[float, float] | None:
        """Where the feet are."""
        for (t0, x0, y0), (t1, x1, y1) in pairwise(self.points):
            if t0 <= t <= t1:
                share = (t - t0) / (t1 - t0)
                return x0 + (x1 - x0) * share, y0 + (y1 - y0) * share
        return None

    def velocity(self, t: float) -> tuple[float, float]:
        """Normalised coordinates per second."""
        for (t0, x0, y0), (t1, x1, y1) in pairwise(self.points):
            if t0 <= t <= t1:
                return (x1 - x0) / (t1 - t0), (y1 - y0) / (t1 - t0)
        return 0.0, 0.0

    def hidden(self, t: float) -> bool:
        return any(start <= t < end for start, end in self.gone)

    def lives(self, t: float) -> int:
        """How often the id was lost before t."""
        return sum(end <= t for _, end in self.gone)


@dataclass
class Street:
    """Walks seen by a camera through an imperfect tracker. Deterministic for a seed.

    fps: analysed frames per second; drop: share of frames that never arrive; miss: share of frames in which a track is
    not seen; jitter: the feet are up to so many picture heights off, either way; forget_s: how long after a lost id was
    last seen the tracker reports it as ended.
    """

    walks: Sequence[Walk]
    fps: float = 10.0
    drop: float = 0.0
    miss: float = 0.0
    jitter: float = 0.0
    forget_s: float = 1.0
    seed: int = 0
    until_s: float | None = None
    true_ids: bool = False
    sightings: dict[int, list[float]] = field(default_factory=dict)  # walk → when it was seen, once frames() is through

    def frames(self) -> Iterator[tuple[Frame, Tracks]]:
        """Frames with what the tracker says of them."""
        dice = random.Random(self.seed)
        self.sightings.clear()
        until_s = self.until_s if self.until_s is not None else max(walk.ends_s for walk in self.walks) + 0.5
        ids: dict[tuple[int, int], int] = {}
        born: dict[int, float] = {}
        last: dict[int, float] = {}
        over: set[int] = set()
        for index in range(int(until_s * self.fps) + 1):
            t = index / self.fps
            if dice.random() < self.drop:
                continue
            rows = []
            for number, walk in enumerate(self.walks):
                feet = walk.at(t)
                is_missed = dice.random() < self.miss
                dx, dy = (dice.uniform(-self.jitter, self.jitter) for _ in "xy")
                if feet is None or is_missed or walk.hidden(t):
                    continue
                track = ids.setdefault((number, 0 if self.true_ids else walk.lives(t)), len(ids) + 1)
                born.setdefault(track, t)
                self.sightings.setdefault(number, []).append(t)
                last[track] = t
                rows.append((track, walk, (feet[0] + dx / ASPECT, feet[1] + dy), t - born[track], walk.velocity(t)))
            ended = tuple(track for track, seen in last.items() if track not in over and t - seen > self.forget_s)
            over |= set(ended)
            yield frame_at(t), _tracks(rows, ended)


def _tracks(rows: list, ended: tuple[int, ...] = ()) -> Tracks:
    boxes = [
        ((x - walk.wh[0] / 2) * WH[0], (y - walk.wh[1]) * WH[1], (x + walk.wh[0] / 2) * WH[0], y * WH[1])
        for _, walk, (x, y), _, _ in rows
    ]
    return Tracks(
        ids=np.array([row[0] for row in rows], np.int64),
        boxes_xyxy=np.array(boxes, np.float32).reshape(-1, 4),
        velocity_xy=np.array([(vx * WH[0], vy * WH[1]) for *_, (vx, vy) in rows], np.float32).reshape(-1, 2),
        age_s=np.array([row[3] for row in rows], np.float32),
        scores=np.array([row[1].score for row in rows], np.float32),
        class_ids=np.array([LABELS.index(row[1].label) for row in rows], np.int64),
        detection_rows=np.arange(len(rows), dtype=np.int64),
        labels=LABELS,
        ended=ended,
    )


class ScriptedTracker:
    """A tracker that says what it was told to: the given Tracks, one per update."""

    def __init__(self, script: Sequence[Tracks]) -> None:
        self._script = iter(script)

    def update(self, detections: Detections, at_s: float) -> Tracks:
        return next(self._script)

    def reset(self) -> None:
        """Nothing is remembered."""


def tracks_of(
    *rows: tuple[int, float, float],
    label: str = "person",
    score: float = 0.9,
    wh: tuple[float, float] = (0.045, 0.2),
    velocity: tuple[float, float] = (0.0, 0.0),
    age_s: float = 0.0,
    ended: tuple[int, ...] = (),
) -> Tracks:
    """Tracks by hand: (id, x, y) of the feet, normalised."""
    walk = Walk(((0.0, 0.5, 0.5), (1.0, 0.5, 0.5)), label=label, score=score, wh=wh)
    return _tracks([(track, walk, (x, y), age_s, velocity) for track, x, y in rows], ended)


# --- truth, by brute force ---


def winds_around(polygon: Sequence[tuple[float, float]], x: float, y: float) -> bool:
    """Whether a point lies in a polygon, by summing up the angles under which it sees the edges."""
    turned = 0.0
    for (x1, y1), (x2, y2) in zip(polygon, [*polygon[1:], polygon[0]], strict=True):
        a, b = math.atan2(y1 - y, x1 - x), math.atan2(y2 - y, x2 - x)
        turned += (b - a + math.pi) % (2 * math.pi) - math.pi
    return abs(turned) > math.pi


def true_crossings(walk: Walk, line: tuple[tuple[float, float], tuple[float, float]]) -> tuple[int, int]:
    """(forward, backward) of a walk over a two-point line, stepping along its legs a thousand steps each.

    Forward is from the left hand of somebody who stands on the first point and looks to the second, to their right.
    """
    (ax, ay), (bx, by) = ((x * ASPECT, y) for x, y in line)
    length = math.dist((ax, ay), (bx, by))
    forward = backward = 0
    before: float | None = None
    for (t0, _, _), (t1, _, _) in pairwise(walk.points):
        for step in range(1000):
            feet = walk.at(t0 + (t1 - t0) * step / 1000)
            assert feet is not None
            px, py = feet[0] * ASPECT - ax, feet[1] - ay
            # Rotate the world so that the line runs along the x axis: then right is where y is larger.
            along = (px * (bx - ax) + py * (by - ay)) / length
            across = (-px * (by - ay) + py * (bx - ax)) / length
            if before is not None and (before < 0) != (across < 0) and 0 <= along <= length:
                forward += across >= 0
                backward += across < 0
            before = across
    return forward, backward
