"""From places in the picture to places on the ground, in the unit in which a speed limit is written.

Three ways, by what is known about the zone:
- nothing: picture heights; a limit then fits one camera as it hangs.
- its length along the traffic: one scale for the whole zone; right for a view from above or from the side.
- length and width of a zone with four corners that is a rectangle on the ground: a homography, right under any
  perspective (Hartley and Zisserman, Multiple View Geometry, 2nd edition, section 2.3).
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from streamer.rules.geometry import Floats, Zone, heading_vector


class Ground(Protocol):
    """A way to measure."""

    unit: str
    inside_only: bool  # true where places outside the zone cannot be measured

    def places(self, points_xy: Floats, aspect: float) -> Floats:
        """float64 (M, 2) normalised → float64 (M, 2) in `unit`."""
        ...


class PictureHeights:
    """Measures in picture heights."""

    unit = "picture heights"
    inside_only = False

    def places(self, points_xy: Floats, aspect: float) -> Floats:
        """float64 (M, 2) normalised → float64 (M, 2), picture heights."""
        heights: Floats = points_xy * np.array([aspect, 1.0])
        return heights


class EvenScale:
    """Metres, the same number of them everywhere in the zone: zone_length_m lies along heading_deg."""

    unit = "m"
    inside_only = False

    def __init__(self, zone: Zone, zone_length_m: float, heading_deg: float) -> None:
        self._zone, self._length_m, self._along = zone, zone_length_m, heading_vector(heading_deg)
        self._per_height: dict[float, float] = {}

    def places(self, points_xy: Floats, aspect: float) -> Floats:
        """float64 (M, 2) normalised → float64 (M, 2), metres."""
        if aspect not in self._per_height:
            self._per_height = {aspect: self._length_m / self._zone.extent_along(self._along, aspect)}
        metres: Floats = points_xy * np.array([aspect, 1.0]) * self._per_height[aspect]
        return metres


class Perspective:
    """Metres on a plane, from four corners that are a rectangle there.

    The zone's first edge (corner 1 to 2) is zone_width_m wide, its second (corner 2 to 3) zone_length_m long.
    """

    unit = "m"
    inside_only = True  # beyond the zone lies the horizon, where a pixel is a kilometre

    def __init__(self, zone: Zone, zone_length_m: float, zone_width_m: float) -> None:
        if len(zone.points) != 4 or not _is_convex(zone):
            raise ValueError(
                f"zone '{zone.name}': with length and width it must be the picture of a rectangle on the ground: "
                f"four corners, none of them pointing inwards; it has {len(zone.points)}"
            )
        w, h = zone_width_m, zone_length_m
        self._matrix = _homography(np.array(zone.points), np.array([(0, 0), (w, 0), (w, h), (0, h)], np.float64))

    def places(self, points_xy: Floats, aspect: float) -> Floats:  # noqa: ARG002  the corners carry the aspect
        """float64 (M, 2) normalised → float64 (M, 2), metres; far outside the zone it means nothing."""
        flat = np.concatenate((points_xy, np.ones((len(points_xy), 1))), axis=1) @ self._matrix.T
        on_ground: Floats = flat[:, :2] / flat[:, 2:]
        return on_ground


def ground_of(
    zone: Zone, *, heading_deg: float | None, zone_length_m: float | None, zone_width_m: float | None
) -> Ground:
    """The best way to measure in this zone with what is known. Raises ValueError where that does not fit together."""
    for name, value in (("zone_length_m", zone_length_m), ("zone_width_m", zone_width_m)):
        if value is not None and value <= 0:
            raise ValueError(f"zone '{zone.name}': {name} must be positive; got {value:g}")
    if zone_length_m is None:
        if zone_width_m is not None:
            raise ValueError(f"zone '{zone.name}': zone_width_m without zone_length_m measures nothing")
        return PictureHeights()
    if zone_width_m is not None:
        return Perspective(zone, zone_length_m, zone_width_m)
    if heading_deg is None:
        raise ValueError(
            f"zone '{zone.name}': zone_length_m needs heading_deg, the direction along which it was measured, "
            "or zone_width_m beside it"
        )
    return EvenScale(zone, zone_length_m, heading_deg)


def _homography(source: Floats, target: Floats) -> Floats:
    """The 3 × 3 matrix that maps four points onto four points."""
    rows, right = [], []
    for (x, y), (u, v) in zip(source.tolist(), target.tolist(), strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        right += [u, v]
    solved = np.linalg.solve(np.array(rows), np.array(right))
    matrix: Floats = np.append(solved, 1.0).reshape(3, 3)
    return matrix


def _is_convex(zone: Zone) -> bool:
    corners = np.array(zone.points)
    edges = np.roll(corners, -1, axis=0) - corners
    following = np.roll(edges, -1, axis=0)
    turns = edges[:, 0] * following[:, 1] - edges[:, 1] * following[:, 0]
    return bool((turns > 0).all() or (turns < 0).all())
