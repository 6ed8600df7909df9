"""What a drawn figure is: flat coloured shapes in pixels, and the box around them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.demo.perspective import Point

Colour = tuple[int, int, int]
Shape = tuple[Sequence[Point], Colour]
_SHIFT = 4  # cv2 takes fixed-point corners: sixteenths of a pixel, so that slow walkers glide instead of hopping
_FIXED = float(1 << _SHIFT)


@dataclass(frozen=True)
class Figure:
    """One person or car as it stands in one picture.

    shapes are convex polygons in painting order, RGB; box_xyxy bounds them, unclipped pixels; foot is where the shadow
    lies; depth_m orders figures from far to near.
    """

    label: str
    identity: int
    shapes: tuple[Shape, ...]
    box_xyxy: tuple[float, float, float, float]
    foot: Point
    depth_m: float
    shadow: Sequence[Point]

    @classmethod
    def of(
        cls, label: str, identity: int, shapes: Iterable[Shape], foot: Point, depth_m: float, shadow: Sequence[Point]
    ) -> Figure:
        """A figure with the box of its own shapes (its shadow is not part of it)."""
        kept = tuple(shapes)
        xs, ys = zip(*(corner for polygon, _ in kept for corner in polygon), strict=True)
        return cls(label, identity, kept, (min(xs), min(ys), max(xs), max(ys)), foot, depth_m, shadow)

    def paint(self, image: NDArray[np.uint8]) -> None:
        """Into an RGB picture, in place."""
        # All corners become fixed-point at once: piece by piece that costs as much as the painting.
        corners = fixed_point([corner for polygon, _ in self.shapes for corner in polygon])
        first = 0
        for polygon, colour in self.shapes:
            last = first + len(polygon)
            cv2.fillConvexPoly(image, corners[first:last], colour, cv2.LINE_AA, _SHIFT)
            first = last


def limb(a: Point, b: Point, width_a: float, width_b: float) -> list[Point]:
    """A tapered bar from a to b, its ends pointed a little, which reads as round."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    length = math.hypot(dx, dy) or 1e-6
    ux, uy = dx / length, dy / length
    nx, ny = -uy, ux
    ha, hb = width_a / 2, width_b / 2
    ca, cb = ha * 0.6, hb * 0.6
    (ax, ay), (bx, by) = a, b
    return [
        (ax + nx * ha, ay + ny * ha),
        (ax - ux * ca, ay - uy * ca),
        (ax - nx * ha, ay - ny * ha),
        (bx - nx * hb, by - ny * hb),
        (bx + ux * cb, by + uy * cb),
        (bx + nx * hb, by + ny * hb),
    ]


_CIRCLE = tuple((math.cos(2 * math.pi * i / 10), math.sin(2 * math.pi * i / 10)) for i in range(10))


def ellipse(centre: Point, rx: float, ry: float) -> list[Point]:
    """Ten corners are round enough at the size of a street camera."""
    return [(centre[0] + rx * c, centre[1] + ry * s) for c, s in _CIRCLE]


def shade(colour: Colour, factor: float) -> Colour:
    """A lighter or darker version of a colour."""
    r, g, b = (min(255, max(0, round(part * factor))) for part in colour)
    return r, g, b


def fixed_point(polygon: Sequence[Point]) -> NDArray[np.int32]:
    """Corners in sixteenths of a pixel, int32 (N, 2), as cv2 wants them with shift=4.

    For cv2 a whole number is the middle of a pixel, for boxes it is an edge: half a pixel lies between them.
    """
    return ((np.array(polygon, np.float64) - 0.5) * _FIXED).astype(np.int32)
