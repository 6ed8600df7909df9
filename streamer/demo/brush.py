"""A brush that paints flat surfaces of the street, given in metres, into the picture of one camera."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.demo.figures import Colour, fixed_point
from streamer.demo.perspective import NEAR_M, Point, Viewpoint


class Brush:
    """Paints into `image`, uint8 (H, W, 3) RGB; while `mask`, uint8 (H, W), is set, marks there what it covers."""

    def __init__(self, view: Viewpoint, rng: np.random.Generator) -> None:
        w, h = view.picture_wh
        self.view, self._rng = view, rng
        self.image = np.zeros((h, w, 3), np.uint8)
        self.mask: NDArray[np.uint8] | None = None

    def fill(self, polygon: Sequence[Point], colour: Colour) -> None:
        """One polygon in pixels."""
        if len(polygon) < 3:
            return
        corners = _held(polygon)
        cv2.fillPoly(self.image, [corners], colour, cv2.LINE_AA, 4)
        if self.mask is not None:
            cv2.fillPoly(self.mask, [corners], 255, cv2.LINE_8, 4)

    def level(self, x: Point, z: Point, colour: Colour, y: float = 0.0) -> None:
        """A level rectangle between two x and two z, y metres up."""
        self.fill(self.view.ground([(x[0], z[0]), (x[1], z[0]), (x[1], z[1]), (x[0], z[1])], y), colour)

    def upright(self, a: Point, b: Point, y: Point, colour: Colour) -> None:
        """A wall from ground point a to b between two heights, cut at the lens."""
        ends = self._wall_ends(a, b)
        if ends is None:
            return
        (ax, az), (bx, bz) = ends
        v = self.view
        self.fill([v.pixel(ax, y[0], az), v.pixel(bx, y[0], bz), v.pixel(bx, y[1], bz), v.pixel(ax, y[1], az)], colour)

    def _wall_ends(self, a: Point, b: Point) -> tuple[Point, Point] | None:
        da, db = self.view.depth(*a) - NEAR_M, self.view.depth(*b) - NEAR_M
        if da <= 0 and db <= 0:
            return None
        if da < 0 or db < 0:
            share = da / (da - db)
            cut = (a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share)
            return (cut, b) if da < 0 else (a, cut)
        return a, b

    def grain(self, polygon: Sequence[Point], strength: float, size_px: float) -> None:
        """Roughen a surface: smooth noise inside the polygon, so that nothing is of one colour."""
        if len(polygon) < 3:
            return
        h, w = self.image.shape[:2]
        small = self._rng.normal(0, strength, (max(2, int(h / size_px)), max(2, int(w / size_px)))).astype(np.float32)
        noise = cv2.resize(small, (w, h), interpolation=cv2.INTER_CUBIC)
        inside = np.zeros((h, w), np.uint8)
        cv2.fillPoly(inside, [_held(polygon)], 255, cv2.LINE_8, 4)
        x, y, bw, bh = cv2.boundingRect(inside)
        if not bw or not bh:
            return
        part = self.image[y : y + bh, x : x + bw]
        rough = np.clip(part.astype(np.float32) + noise[y : y + bh, x : x + bw, None], 0, 255).astype(np.uint8)
        cv2.copyTo(rough, inside[y : y + bh, x : x + bw], part)

    def darken(self, polygon: Sequence[Point], factor: float) -> None:
        """A shadow, polygon in pixels."""
        inside = np.zeros(self.image.shape[:2], np.uint8)
        cv2.fillPoly(inside, [_held(polygon)], 255, cv2.LINE_AA, 4)
        x, y, w, h = cv2.boundingRect(inside)
        part = self.image[y : y + h, x : x + w]
        share = 1 - (inside[y : y + h, x : x + w, None] / 255.0) * (1 - factor)
        part[:] = (part * share).astype(np.uint8)


def _held(polygon: Sequence[Point]) -> NDArray[np.int32]:
    # Ground that reaches to the horizon has corners far outside the picture: hold them where cv2's int32 still works.
    return fixed_point(np.clip(np.asarray(polygon, np.float64), -60_000, 60_000).tolist())
