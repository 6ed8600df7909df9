"""Zones and lines on the picture: who is inside, and which way a step crosses.

Zones and lines are given in normalised coordinates. Lengths, speeds and angles are measured in *picture heights*, where
both axes have the same unit: x · aspect, y, with aspect = width / height of the source picture.

Which side of a line is which: stand on its first point and look towards the next one, as drawn on the screen. Going
from your left hand to your right hand is *forward*. A line drawn from left to right is crossed forward by going down
the picture; one drawn from bottom to top is crossed forward by going to the right.

Who is inside is asked for all tracks of a frame at once. Steps are judged one by one in plain Python: most are ruled
out by one comparison, and at ten tracks numpy's calls took three times as long.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from streamer.shapes import Point, Points, as_points, check_line, check_polygon, corners_of

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


class Zone:
    """A polygon on the picture. Raises ValueError where the points do not make one (see shapes.check_polygon)."""

    def __init__(self, name: str, points: Sequence[Sequence[float]]) -> None:
        if problem := check_polygon(points):
            raise ValueError(f"zone '{name}': {problem}")
        self.name = name
        self.points: Points = corners_of(points)
        start = np.array(self.points, np.float64)
        end = np.roll(start, -1, axis=0)
        self._x1, self._y1, self._y2 = start[:, 0], start[:, 1], end[:, 1]
        rise = end[:, 1] - start[:, 1]
        flat = rise == 0  # never straddles a point's height: its slope is not used
        self._slope = np.where(flat, 0.0, (end[:, 0] - start[:, 0]) / np.where(flat, 1.0, rise))
        self._edges = tuple(pairwise((*self.points, self.points[0])))
        (self._left, self._top), (self._right, self._bottom) = start.min(axis=0).tolist(), start.max(axis=0).tolist()
        self._asked: Floats | None = None
        self._answer: list[bool] = []

    def __repr__(self) -> str:
        return f"Zone({self.name!r}, {self.points})"

    def contains(self, points_xy: Floats) -> list[bool]:
        """Which points lie inside: float64 (M, 2), normalised. Even–odd rule; borders are half open.

        Several rules ask about the same array in the same frame: the answer is kept until another array comes.
        """
        if points_xy is not self._asked:
            px, py = points_xy[:, :1], points_xy[:, 1:]
            straddles = (self._y1 > py) != (self._y2 > py)
            left_of_edge = px < self._x1 + (py - self._y1) * self._slope
            inside: Bools = np.logical_xor.reduce(straddles & left_of_edge, axis=1)
            self._asked, self._answer = points_xy, inside.tolist()
        return self._answer

    def cut_by(self, before: Point, after: Point) -> bool:
        """Whether a straight step meets the zone's outline, normalised.

        With both ends outside this says that the step went through the zone, though nobody was seen in it.
        """
        (x, y), (u, v) = before, after
        if (x < self._left and u < self._left) or (x > self._right and u > self._right):
            return False
        if (y < self._top and v < self._top) or (y > self._bottom and v > self._bottom):
            return False
        return any(_step_over(a, b, before, after) for a, b in self._edges)

    def extent_along(self, direction_xy: tuple[float, float], aspect: float) -> float:
        """How long the zone is in a direction (a unit vector), in picture heights."""
        reach = [x * aspect * direction_xy[0] + y * direction_xy[1] for x, y in self.points]
        return max(reach) - min(reach)


class Line:
    """Two or more points that make a line to cross. Raises ValueError where they do not (see shapes.check_line)."""

    def __init__(self, name: str, points: Sequence[Sequence[float]]) -> None:
        if problem := check_line(points):
            raise ValueError(f"line '{name}': {problem}")
        self.name = name
        self.points: Points = as_points(points)
        self._aspect = 0.0
        self._segments: tuple[_Segment, ...] = ()

    def __repr__(self) -> str:
        return f"Line({self.name!r}, {self.points})"

    def crossings(self, before: Point, after: Point, aspect: float) -> int:
        """How often a straight step crosses the line, forward minus backward; points normalised.

        Only what passes through the drawn extent counts: a step round the line's end crosses nothing.
        """
        start, end = (before[0] * aspect, before[1]), (after[0] * aspect, after[1])
        return sum(_step_over(segment.a, segment.b, start, end) for segment in self._at(aspect))

    def offset(self, point: Point, aspect: float) -> float:
        """Signed distance of a normalised point from the line in picture heights: right hand positive, left negative.

        Beyond an end, it is the distance from that end point.
        """
        px, py = point[0] * aspect, point[1]
        nearest, offset = math.inf, 0.0
        for segment in self._at(aspect):
            x, y = px - segment.a[0], py - segment.a[1]
            across = (segment.run_x * y - segment.run_y * x) / segment.length
            along = min(1.0, max(0.0, (x * segment.run_x + y * segment.run_y) / segment.length_squared))
            x, y = x - along * segment.run_x, y - along * segment.run_y
            squared = x * x + y * y
            # At a corner both its segments are equally near; the one that is crossed more squarely knows the side.
            if (rank := squared - 1e-6 * across * across) < nearest:
                nearest, offset = rank, math.copysign(math.sqrt(squared), across)
        return offset

    def _at(self, aspect: float) -> tuple[_Segment, ...]:
        if aspect != self._aspect:  # one camera has one shape of picture at a time
            drawn = [(x * aspect, y) for x, y in self.points]
            self._aspect, self._segments = aspect, tuple(_Segment(a, b) for a, b in pairwise(drawn))
        return self._segments


class _Segment:
    """A straight part of a line, in picture heights."""

    __slots__ = ("a", "b", "length", "length_squared", "run_x", "run_y")

    def __init__(self, a: Point, b: Point) -> None:
        self.a, self.b = a, b
        self.run_x, self.run_y = b[0] - a[0], b[1] - a[1]
        self.length_squared = self.run_x**2 + self.run_y**2
        self.length = math.sqrt(self.length_squared)


def heading_vector(heading_deg: float) -> tuple[float, float]:
    """A compass heading on the screen as a unit vector (x right, y down): 0° up, 90° right, 180° down, 270° left."""
    angle = math.radians(heading_deg)
    return math.sin(angle), -math.cos(angle)


def _step_over(a: Point, b: Point, before: Point, after: Point) -> int:
    """How a step crosses segment ab: 1 from its left hand to its right, −1 back, 0 not at all.

    Borders are half open (a point on the line is on its right), so that a path made of many steps crosses once where
    it crosses, and a corner belongs to one of its segments.
    """
    run_x, run_y = b[0] - a[0], b[1] - a[1]
    was_left = run_x * (before[1] - a[1]) < run_y * (before[0] - a[0])
    is_left = run_x * (after[1] - a[1]) < run_y * (after[0] - a[0])
    if was_left == is_left:
        return 0
    step_x, step_y = after[0] - before[0], after[1] - before[1]
    a_is_left = step_x * (a[1] - before[1]) < step_y * (a[0] - before[0])
    b_is_left = step_x * (b[1] - before[1]) < step_y * (b[0] - before[0])
    if a_is_left == b_is_left:
        return 0
    return 1 if was_left else -1
