"""What a zone or a line must be to mean anything: checks on drawn points, shared by configuration and rules.

Points are (x, y) in normalised picture coordinates: (0, 0) top left, (1, 1) bottom right. Checks return None or one
sentence that says what is wrong and where, without the zone's name: the caller knows it and puts it in front.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

Point = tuple[float, float]
Points = tuple[Point, ...]

SMALLEST_AREA = 1e-4  # of the picture: 0.01 %, about 10 × 10 pixels of a 720p picture
SHORTEST_LINE = 0.01  # of the picture: a shorter one is a slip of the mouse


def check_polygon(points: Sequence[Sequence[float]]) -> str | None:
    """What keeps these points from being a zone, or None. In the picture, three corners, area, no self-crossing."""
    if problem := _check_points(points, at_least=3, noun="a zone", parts="corners"):
        return problem
    corners = _closed(as_points(points))
    if len(corners) < 3:
        return f"a zone needs at least 3 different corners; got {len(corners)}"
    if crossing := _self_crossing(corners, closed=True):
        return f"its outline crosses itself: {_edge(crossing[0], corners)} meets {_edge(crossing[1], corners)}"
    if abs(area(corners)) < SMALLEST_AREA:
        return f"it has no area worth watching ({abs(area(corners)):.6f} of the picture; at least {SMALLEST_AREA})"
    return None


def check_line(points: Sequence[Sequence[float]]) -> str | None:
    """What keeps these points from being a line to cross, or None: two or more different points, no self-crossing."""
    if problem := _check_points(points, at_least=2, noun="a line", parts="points"):
        return problem
    line = as_points(points)
    for a, b in pairwise(line):
        if a == b:
            return f"point {_show(a)} comes twice in a row"
    length = sum(math.dist(a, b) for a, b in pairwise(line))
    if length < SHORTEST_LINE:
        return f"it is only {length:.4f} of the picture long; at least {SHORTEST_LINE} is needed to cross it"
    if crossing := _self_crossing(line, closed=False):
        return f"it crosses itself: {_edge(crossing[0], line)} meets {_edge(crossing[1], line)}"
    return None


def as_points(points: Sequence[Sequence[float]]) -> Points:
    """The same points as a tuple of pairs of floats; call it on checked points."""
    return tuple((float(x), float(y)) for x, y in points)


def area(corners: Sequence[Point]) -> float:
    """Signed area of a polygon (shoelace); positive where its corners run clockwise on the screen (y points down)."""
    following = zip(corners, (*corners[1:], corners[0]), strict=True)
    return sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in following) / 2


def _check_points(points: Sequence[Sequence[float]], *, at_least: int, noun: str, parts: str) -> str | None:
    if len(points) < at_least:
        return f"{noun} needs at least {at_least} {parts}; got {len(points)}"
    for number, point in enumerate(points, 1):
        if len(point) != 2:
            return f"point {number} needs x and y; got {list(point)}"
        x, y = point
        if not (math.isfinite(x) and math.isfinite(y)):
            return f"point {number} is not a number: {_show((x, y))}"
        if not (0 <= x <= 1 and 0 <= y <= 1):
            hint = "; coordinates are fractions of the picture, not pixels" if max(x, y) > 2 else ""
            return f"point {number} {_show((x, y))} lies outside the picture, whose x and y run from 0 to 1{hint}"
    return None


def _closed(points: Points) -> Points:
    # People repeat the first corner to close a polygon, and double-click leaves the same corner twice.
    kept = [p for i, p in enumerate(points) if i == 0 or p != points[i - 1]]
    while len(kept) > 1 and kept[0] == kept[-1]:
        kept.pop()
    return tuple(kept)


def corners_of(points: Sequence[Sequence[float]]) -> Points:
    """A polygon's corners without repetitions, first corner not repeated at the end."""
    return _closed(as_points(points))


def _self_crossing(points: Points, *, closed: bool) -> tuple[int, int] | None:
    """The first two edges, by index, that meet anywhere but in the corner that they share."""
    n = len(points)
    edges = n if closed else n - 1
    for i in range(edges):
        for j in range(i + 1, edges):
            a, b, c, d = points[i], points[(i + 1) % n], points[j], points[(j + 1) % n]
            if j == i + 1:  # neighbours share a corner; they overlap only where one runs back along the other
                if _turns_back(a, b, d):
                    return i, j
            elif i == 0 and j == edges - 1 and a == d:  # a polygon's last edge, or a line that ends where it began
                if _turns_back(c, a, b):
                    return i, j
            elif _meet(a, b, c, d):
                return i, j
    return None


def _turns_back(a: Point, corner: Point, b: Point) -> bool:
    ahead = (corner[0] - a[0]) * (b[0] - corner[0]) + (corner[1] - a[1]) * (b[1] - corner[1])
    return _turn(a, corner, b) == 0 and ahead < 0


def _turn(a: Point, b: Point, c: Point) -> int:
    """Which way a → b → c bends: 1 clockwise on the screen, −1 the other way, 0 straight."""
    cross = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
    return 0 if abs(cross) < 1e-12 else (1 if cross > 0 else -1)


def _meet(a: Point, b: Point, c: Point, d: Point) -> bool:
    """Whether segments ab and cd have a point in common, touching included."""
    if _turn(a, b, c) * _turn(a, b, d) < 0 and _turn(c, d, a) * _turn(c, d, b) < 0:
        return True
    return any(_on(p, q, r) for p, q, r in ((a, b, c), (a, b, d), (c, d, a), (c, d, b)))


def _on(a: Point, b: Point, point: Point) -> bool:
    """Whether a point lies on segment ab."""
    within = all(min(a[i], b[i]) <= point[i] <= max(a[i], b[i]) for i in (0, 1))
    return within and _turn(a, b, point) == 0


def _edge(index: int, points: Points) -> str:
    return f"edge {_show(points[index])}–{_show(points[(index + 1) % len(points)])}"


def _show(point: Point) -> str:
    return f"({point[0]:g}, {point[1]:g})"
