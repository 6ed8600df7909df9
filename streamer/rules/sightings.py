"""Where every track of one camera is now and was before: worked out once per frame, shared by all rules.

Give all rules of a camera the same Sightings and the arrays below are computed once per frame; a rule without one makes
its own. Positions are normalised; a person or car stands at the bottom centre of its box.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from streamer.rules.geometry import Floats
from streamer.shapes import Point
from streamer.types import Frame, Tracks

Anchor = Literal["bottom", "centre"]
Trail = tuple[tuple[float, float, float], ...]

TRAIL_LENGTH = 32
TRAIL_SPACING_S = 0.25  # 32 points cover the last eight seconds
SCORE_MEMORY_S = 1.0  # a detector's score flickers from frame to frame; a decision should not


class _Place(NamedTuple):
    """Where a box was at one moment, normalised."""

    at_s: float
    x: float
    bottom_y: float
    centre_y: float

    def point(self, anchor: Anchor) -> Point:
        return (self.x, self.bottom_y) if anchor == "bottom" else (self.x, self.centre_y)


@dataclass(slots=True, eq=False)
class _Path:
    """What is remembered of one track: its last place, its evened-out score, its thinned trail."""

    place: _Place
    score: float
    trail: Trail = ()  # at the bottom of the box
    centre_trail: Trail = ()


class Standing:
    """Where the tracks of one frame stand at one anchor, by row; normalised.

    now, before: where each is, and where it was seen last, which for a new track is here.
    array: `now` as float64 (M, 2).
    """

    __slots__ = ("array", "before", "now")

    def __init__(self, now: list[Point], before: list[Point]) -> None:
        self.now, self.before = now, before
        self.array: Floats = np.array(now, np.float64).reshape(-1, 2)


class Sighted:
    """The tracks of one frame, by row as in Tracks.

    aspect: width / height of the source picture; gap_s: how long ago each was seen last, 0 for a new one;
    scores: each track's own score, evened out over about a second.
    """

    __slots__ = ("_standing", "_walked", "aspect", "frame", "gap_s", "ids", "scores", "tracks")

    def __init__(self, frame: Frame, tracks: Tracks, walked: list[tuple[_Path, _Place]]) -> None:
        self.frame, self.tracks, self._walked = frame, tracks, walked
        self.aspect = frame.source_wh[0] / frame.source_wh[1]
        self.ids: list[int] = tracks.ids.tolist()
        self.gap_s = [frame.media_s - before.at_s for _, before in walked]
        self.scores = [path.score for path, _ in walked]
        self._standing: dict[Anchor, Standing] = {}

    def __len__(self) -> int:
        return len(self.ids)

    def standing(self, anchor: Anchor) -> Standing:
        """Where everybody stands."""
        found = self._standing.get(anchor)
        if found is None:
            now = [path.place.point(anchor) for path, _ in self._walked]
            found = self._standing[anchor] = Standing(now, [before.point(anchor) for _, before in self._walked])
        return found

    def trail(self, row: int, anchor: Anchor) -> Trail:
        """Where one track was: (media_s, x, y), oldest first, at most TRAIL_LENGTH."""
        path = self._walked[row][0]
        return path.trail if anchor == "bottom" else path.centre_trail


class Sightings:
    """The memory of one camera's tracks. Private to one camera; forgets what the tracker gives up."""

    def __init__(self) -> None:
        self._paths: dict[int, _Path] = {}
        self._last: Sighted | None = None

    def of(self, frame: Frame, tracks: Tracks) -> Sighted:
        """The tracks of this frame; the same object for every rule that asks about the same frame."""
        if self._last is None or self._last.frame is not frame or self._last.tracks is not tracks:
            self._last = self._see(frame, tracks)
        return self._last

    def reset(self) -> None:
        """A new session begins; harmless when several rules that share this memory say so."""
        self._paths.clear()
        self._last = None

    def _see(self, frame: Frame, tracks: Tracks) -> Sighted:
        for gone in tracks.ended:
            self._paths.pop(gone, None)
        width, height = frame.source_wh
        walked: list[tuple[_Path, _Place]] = []
        rows = zip(tracks.ids.tolist(), tracks.boxes_xyxy.tolist(), tracks.scores.tolist(), strict=True)
        for track, (x1, y1, x2, y2), score in rows:
            place = _Place(frame.media_s, (x1 + x2) * 0.5 / width, y2 / height, (y1 + y2) * 0.5 / height)
            path = self._paths.get(track)
            if path is None:
                path = self._paths[track] = _Path(place, score)
            walked.append((path, path.place))
            _walk_on(path, place, score)
        return Sighted(frame, tracks, walked)


def _walk_on(path: _Path, place: _Place, score: float) -> None:
    path.score += (score - path.score) * (1.0 - math.exp((path.place.at_s - place.at_s) / SCORE_MEMORY_S))
    path.place = place
    if not path.trail or place.at_s - path.trail[-1][0] >= TRAIL_SPACING_S:
        path.trail = (*path.trail, (place.at_s, place.x, place.bottom_y))[-TRAIL_LENGTH:]
        path.centre_trail = (*path.centre_trail, (place.at_s, place.x, place.centre_y))[-TRAIL_LENGTH:]
