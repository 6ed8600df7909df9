"""Zones and lines: what is refused, who is inside, which way is forward."""

from __future__ import annotations

import pytest

from streamer.rules.geometry import Line, Zone, heading_vector
from streamer.shapes import check_line, check_polygon

SQUARE = [(0.2, 0.2), (0.6, 0.2), (0.6, 0.6), (0.2, 0.6)]


@pytest.mark.parametrize(
    ("points", "says"),
    [
        ([(0.1, 0.1), (0.5, 0.5)], "at least 3 corners; got 2"),
        ([(0.1, 0.1), (0.5, 0.1), (0.1, 0.1)], "at least 3 different corners"),
        ([(0.1, 0.1), (1.2, 0.1), (0.5, 0.5)], r"point 2 \(1.2, 0.1\) lies outside the picture"),
        ([(10, 20), (300, 20), (300, 200)], "fractions of the picture, not pixels"),
        ([(0.1, 0.1), (float("nan"), 0.1), (0.5, 0.5)], "point 2 is not a number"),
        (
            [(0.1, 0.1), (0.5, 0.5), (0.5, 0.1), (0.1, 0.5)],
            r"crosses itself: edge \(0.1, 0.1\)–\(0.5, 0.5\) meets edge",
        ),
        ([(0, 0), (0.5, 0.5), (1, 0), (1, 1), (0.5, 0.5), (0, 1)], "crosses itself"),
        ([(0.1, 0.1), (0.5, 0.1), (0.3, 0.1)], "crosses itself|no area"),
        ([(0.1, 0.1), (0.9, 0.1), (0.5, 0.10001)], "no area worth watching"),
        ([(0.1, 0.1, 0.1), (0.9, 0.1), (0.5, 0.5)], "point 1 needs x and y"),
    ],
)
def test_what_is_no_zone_is_refused_with_the_place(points: list, says: str) -> None:
    problem = check_polygon(points)
    assert problem is not None
    with pytest.raises(ValueError, match=f"zone 'yard': .*({says})"):
        Zone("yard", points)


@pytest.mark.parametrize(
    "points",
    [
        SQUARE,
        [*SQUARE, SQUARE[0]],  # closed by hand
        SQUARE[::-1],
        [(0, 0), (1, 0), (1, 1), (0, 1)],
        [(0.1, 0.1), (0.9, 0.1), (0.9, 0.9), (0.5, 0.4), (0.1, 0.9)],  # a dent is no crossing
    ],
)
def test_simple_polygons_are_zones(points: list) -> None:
    assert check_polygon(points) is None


@pytest.mark.parametrize(
    ("points", "says"),
    [
        ([(0.1, 0.1)], "at least 2 points; got 1"),
        ([(0.1, 0.1), (0.1, 0.1)], "comes twice in a row"),
        ([(0.1, 0.1), (0.105, 0.1)], "only 0.0050 of the picture long"),
        ([(0.1, -0.1), (0.5, 0.1)], "outside the picture"),
        ([(0.1, 0.1), (0.5, 0.5), (0.5, 0.1), (0.1, 0.5)], "crosses itself"),
        ([(0.1, 0.1), (0.5, 0.5), (0.2, 0.2)], "crosses itself"),
    ],
)
def test_what_is_no_line_is_refused_with_the_place(points: list, says: str) -> None:
    with pytest.raises(ValueError, match=f"line 'door': .*({says})"):
        Line("door", points)
    assert check_line(points) is not None


def test_lines_may_have_corners_and_may_close() -> None:
    assert check_line([(0.1, 0.1), (0.5, 0.5), (0.9, 0.1)]) is None
    assert check_line([(0.1, 0.1), (0.5, 0.5), (0.9, 0.1), (0.1, 0.1)]) is None


@pytest.mark.parametrize(
    ("line", "before", "after", "net"),
    [
        ([(0.1, 0.5), (0.9, 0.5)], (0.5, 0.4), (0.5, 0.6), 1),  # drawn to the right: down is forward
        ([(0.1, 0.5), (0.9, 0.5)], (0.5, 0.6), (0.5, 0.4), -1),
        ([(0.9, 0.5), (0.1, 0.5)], (0.5, 0.4), (0.5, 0.6), -1),  # drawn to the left: down is backward
        ([(0.5, 0.9), (0.5, 0.1)], (0.4, 0.5), (0.6, 0.5), 1),  # drawn upwards: to the right is forward
        ([(0.1, 0.5), (0.4, 0.5)], (0.5, 0.4), (0.5, 0.6), 0),  # beside the line's end
        ([(0.1, 0.5), (0.9, 0.5)], (0.5, 0.1), (0.5, 0.4), 0),  # not as far as the line
        ([(0.1, 0.5), (0.5, 0.5), (0.9, 0.5)], (0.5, 0.4), (0.5, 0.6), 1),  # through a corner: once
        ([(0.1, 0.8), (0.5, 0.2), (0.9, 0.8)], (0.1, 0.6), (0.9, 0.6), 0),  # in at one leg, out at the other
    ],
)
def test_forward_is_from_the_left_hand_to_the_right_hand(line: list, before: tuple, after: tuple, net: int) -> None:
    assert Line("l", line).crossings(before, after, 16 / 9) == net


def test_the_side_is_right_at_a_sharp_corner() -> None:
    # A roof: from above its ridge both slopes are equally near, and one of them taken alone would say 'right'.
    roof = Line("roof", [(0.4, 0.8), (0.5, 0.3), (0.6, 0.8)])
    assert roof.offset((0.5, 0.1), 1.0) == pytest.approx(-0.2)
    assert roof.offset((0.5, 0.7), 1.0) > 0


def test_distances_are_picture_heights_on_both_axes() -> None:
    upright = Line("l", [(0.5, 0.9), (0.5, 0.1)])
    assert upright.offset((0.6, 0.5), 2.0) == pytest.approx(0.2)
    assert upright.offset((0.5, 0.05), 2.0) == pytest.approx(0.05)


def test_headings_are_a_compass_on_the_screen() -> None:
    for degrees, (x, y) in {0: (0, -1), 90: (1, 0), 180: (0, 1), 270: (-1, 0), -90: (-1, 0)}.items():
        assert heading_vector(degrees) == pytest.approx((x, y), abs=1e-12)
