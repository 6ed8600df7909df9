"""Zones and lines against brute force."""

from __future__ import annotations

import math
import random
from itertools import pairwise

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from streamer.rules.geometry import Line, Zone
from streamer.shapes import check_line, check_polygon
from tests.walks import winds_around

SOME = settings(max_examples=60, deadline=None)
share = st.floats(0.02, 0.98, allow_nan=False)
point = st.tuples(share, share)


def _star(seed: int, corners: int) -> list[tuple[float, float]]:
    """A simple polygon: corners at rising angles around the middle, at any distance."""
    dice = random.Random(seed)
    angles = sorted(dice.uniform(0, 2 * math.pi) for _ in range(corners))
    return [(0.5 + math.cos(a) * r, 0.5 + math.sin(a) * r) for a in angles for r in [dice.uniform(0.05, 0.48)]]


def _distance(p: tuple[float, float], a: tuple[float, float], b: tuple[float, float]) -> float:
    steps = 400
    return min(
        math.dist(p, (a[0] + (b[0] - a[0]) * i / steps, a[1] + (b[1] - a[1]) * i / steps)) for i in range(steps + 1)
    )


@SOME
@given(st.integers(0, 10**6), st.integers(3, 9), st.lists(point, min_size=1, max_size=12))
def test_who_is_inside_agrees_with_the_winding_number(seed: int, corners: int, points: list) -> None:
    polygon = _star(seed, corners)
    assume(check_polygon(polygon) is None)
    edges = list(zip(polygon, [*polygon[1:], polygon[0]], strict=True))
    clear = [p for p in points if all(_distance(p, a, b) > 0.002 for a, b in edges)]
    assume(clear)
    assert Zone("z", polygon).contains(np.array(clear)) == [winds_around(polygon, *p) for p in clear]


@SOME
@given(st.integers(0, 10**6), st.integers(3, 7), point, point)
def test_a_step_cuts_a_zone_where_a_walk_along_it_changes_sides(seed: int, corners: int, a: tuple, b: tuple) -> None:
    polygon = _star(seed, corners)
    assume(check_polygon(polygon) is None)
    on_the_way = [(a[0] + (b[0] - a[0]) * i / 500, a[1] + (b[1] - a[1]) * i / 500) for i in range(501)]
    inside = [winds_around(polygon, *p) for p in on_the_way]
    cut = Zone("z", polygon).cut_by(a, b)
    if len(set(inside)) == 2:
        assert cut
    else:  # the walk's steps may be too coarse for a corner that is barely clipped
        clipped = min(_distance(corner, a, b) for corner in polygon) < 0.01
        assert not cut or clipped


@SOME
@given(st.lists(point, min_size=2, max_size=5), st.lists(point, min_size=1, max_size=8), st.floats(0.5, 2.5))
def test_distances_from_a_line_agree_with_a_walk_along_it(line: list, points: list, aspect: float) -> None:
    assume(check_line(line) is None)
    wide = [(x * aspect, y) for x, y in line]
    for x, y in points:
        offset = Line("l", line).offset((x, y), aspect)
        true = min(_distance((x * aspect, y), a, b) for a, b in pairwise(wide))
        assert abs(abs(offset) - true) < 0.005


@SOME
@given(st.lists(point, min_size=2, max_size=4), point, st.lists(point, min_size=1, max_size=12))
def test_a_closed_walk_crosses_a_closed_line_as_often_in_as_out(line: list, start: tuple, others: list) -> None:
    ring = [*line, line[0]]
    assume(len(set(line)) == len(line) >= 3 and check_polygon(line) is None)
    edges = list(pairwise(ring))
    assume(all(_distance(p, a, b) > 0.003 for p in (start, *others) for a, b in edges))  # on the line is no side
    closed = Line("ring", ring)
    assert sum(closed.crossings(a, b, 1.5) for a, b in pairwise([start, *others, start])) == 0


@SOME
@given(st.lists(point, min_size=2, max_size=4), point, point, st.integers(1, 30))
def test_a_step_crosses_as_much_as_its_parts(line: list, a: tuple, b: tuple, parts: int) -> None:
    assume(check_line(line) is None)
    way = [(float(x), float(y)) for x, y in np.linspace(a, b, parts + 1)]
    # The inner points are rounded off the straight way by 1e-16, which matters only at the very ends of the line.
    assume(min(_distance(line[0], a, b), _distance(line[-1], a, b)) > 1e-3)
    crossed = Line("l", line)
    assert sum(crossed.crossings(p, q, 1.0) for p, q in pairwise(way)) == crossed.crossings(a, b, 1.0)
