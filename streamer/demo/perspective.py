"""The pinhole camera that looks at the drawn street: metres in, pixels out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

Point = tuple[float, float]
NEAR_M = 1.0
"""Nothing closer than this to the lens is drawn."""


@dataclass(frozen=True)
class Viewpoint:
    """Where a camera stands and what it covers.

    The street's metres: x along the street, z across it, y up from the ground. yaw_rad turns from looking along +z
    towards +x. The camera looks level; a downward tilt is a horizon row above the middle of the picture, as with a
    shift lens, so that upright things stay upright. picture_wh and focal_px are pixels.
    """

    x: float
    z: float
    height_m: float
    yaw_rad: float
    focal_px: float
    horizon_px: float
    picture_wh: tuple[int, int] = (640, 360)

    @cached_property
    def _turn(self) -> tuple[float, float]:
        return math.cos(self.yaw_rad), math.sin(self.yaw_rad)

    def depth(self, x: float, z: float) -> float:
        """Metres along the line of sight; negative behind the camera."""
        cos, sin = self._turn
        return (x - self.x) * sin + (z - self.z) * cos

    def pixel(self, x: float, y: float, z: float) -> Point:
        """Where a point in front of the camera lies in the picture, in fractions of pixels."""
        cos, sin = self._turn
        dx, dz = x - self.x, z - self.z
        depth = dx * sin + dz * cos
        scale = self.focal_px / depth
        return self.picture_wh[0] / 2 + (dx * cos - dz * sin) * scale, self.horizon_px + (self.height_m - y) * scale

    def px_per_m(self, x: float, z: float) -> float:
        """Size of a metre that stands at this place."""
        return self.focal_px / max(self.depth(x, z), NEAR_M)

    def ground(self, corners_xz: Sequence[Point], y: float = 0.0) -> list[Point]:
        """A polygon on the ground (or level at height y) as pixels, cut where it comes too near; empty if behind."""
        return [self.pixel(x, y, z) for x, z in self._in_front(corners_xz)]

    def _in_front(self, corners_xz: Sequence[Point]) -> list[Point]:
        # Sutherland-Hodgman against the near plane alone; the picture's own edges are cut by the drawing routines.
        kept: list[Point] = []
        for (ax, az), (bx, bz) in zip(corners_xz, [*corners_xz[1:], corners_xz[0]], strict=True):
            a, b = self.depth(ax, az) - NEAR_M, self.depth(bx, bz) - NEAR_M
            if a >= 0:
                kept.append((ax, az))
            if (a >= 0) != (b >= 0):
                share = a / (a - b)
                kept.append((ax + (bx - ax) * share, az + (bz - az) * share))
        return kept


def clip_to_picture(polygon: Sequence[Point], picture_wh: tuple[int, int]) -> list[Point]:
    """The part of a convex polygon inside the picture, pixels (Sutherland-Hodgman on the four edges)."""
    corners = list(polygon)
    for axis, sign, limit in ((0, 1, 0.0), (0, -1, -float(picture_wh[0])), (1, 1, 0.0), (1, -1, -float(picture_wh[1]))):
        kept: list[Point] = []
        for i, q in enumerate(corners):
            p = corners[i - 1]
            a, b = sign * p[axis] - limit, sign * q[axis] - limit
            if (a >= 0) != (b >= 0):
                share = a / (a - b)
                kept.append((p[0] + (q[0] - p[0]) * share, p[1] + (q[1] - p[1]) * share))
            if b >= 0:
                kept.append(q)
        corners = kept
    return corners
