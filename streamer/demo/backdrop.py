"""The still parts of the drawn street, painted once per camera: sky and ground, and what stands on it.

Painted at twice the size and shrunk, so that it may be rich without costing anything per frame. Things that people
walk behind are kept as cut-outs as well, with their depth, to be laid over whoever is further away.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.demo.brush import Brush
from streamer.demo.perspective import Point, Viewpoint
from streamer.demo.script import FAR_PAVEMENT_Z, NEAR_PAVEMENT_Z, ROAD_Z, YARD_Z, Ground
from streamer.demo.standing import what_stands

_OVERSIZE = 2
_REACH_M = 90.0


@dataclass(frozen=True)
class CutOut:
    """A still thing that hides what is behind it: its pixels are where mask, inside span (x1, y1, x2, y2), is set."""

    span: tuple[int, int, int, int]
    mask: NDArray[np.uint8]
    depth_m: float


@dataclass(frozen=True)
class Backdrop:
    """The empty street from one camera, in sun and under cloud, RGB uint8 (H, W, 3), and what stands in front."""

    sunny: NDArray[np.uint8]
    cloudy: NDArray[np.uint8]
    cut_outs: tuple[CutOut, ...]


def paint_backdrop(view: Viewpoint, ground: Ground, rng: np.random.Generator) -> Backdrop:
    """The empty street as this camera sees it; repeatable from the generator's state."""
    return _Painter(view, ground, rng).paint()


class _Painter:
    def __init__(self, view: Viewpoint, ground: Ground, rng: np.random.Generator) -> None:
        w, h = view.picture_wh
        self._out_wh = (w, h)
        self._view = Viewpoint(
            view.x, view.z, view.height_m, view.yaw_rad,
            view.focal_px * _OVERSIZE, view.horizon_px * _OVERSIZE, (w * _OVERSIZE, h * _OVERSIZE),
        )  # fmt: skip
        # Grain and clouds take as many numbers as the picture has pixels: what is chosen must not depend on that.
        self._ground, self._rng, self._choices = ground, rng, rng.spawn(1)[0]
        self._brush = Brush(self._view, rng)
        self._masks: list[tuple[NDArray[np.uint8], float]] = []

    def paint(self) -> Backdrop:
        self._sky()
        self._grounds()
        self._yard_things()
        for depth, draw, hides in what_stands(self._view, self._ground, self._brush, self._choices):
            self._brush.mask = np.zeros(self._brush.image.shape[:2], np.uint8) if hides else None
            draw()
            if self._brush.mask is not None:
                self._masks.append((self._brush.mask, depth))
            self._brush.mask = None
        sunny = self._shrink(self._brush.image)
        cuts = [self._cut(mask, depth) for mask, depth in self._masks]
        return Backdrop(sunny, clouded(sunny), tuple(cut for cut in cuts if cut is not None))

    def _shrink(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.ascontiguousarray(cv2.resize(image, self._out_wh, interpolation=cv2.INTER_AREA), dtype=np.uint8)

    def _cut(self, mask: NDArray[np.uint8], depth_m: float) -> CutOut | None:
        small = cv2.threshold(self._shrink(mask), 110, 255, cv2.THRESH_BINARY)[1]
        x, y, w, h = cv2.boundingRect(small)
        if w < 1 or h < 1:
            return None
        return CutOut((x, y, x + w, y + h), small[y : y + h, x : x + w].astype(np.uint8, copy=True), depth_m)

    # -- the scene ---------------------------------------------------------------------------------------------------

    def _sky(self) -> None:
        h, w = self._brush.image.shape[:2]
        top, low = np.array((118, 158, 204), np.float32), np.array((214, 222, 226), np.float32)
        horizon = max(1, int(self._view.horizon_px))
        ramp = np.clip(np.arange(h, dtype=np.float32) / horizon, 0, 1)[:, None]
        self._brush.image[:] = (top + (low - top) * ramp)[:, None, :].astype(np.uint8)
        if horizon > 8:
            clouds = cv2.resize(self._rng.random((5, 9), np.float32), (w, horizon), interpolation=cv2.INTER_CUBIC)
            share = np.clip((clouds - 0.5) * 1.4, 0, 0.8)[..., None]
            sky = self._brush.image[:horizon].astype(np.float32)
            self._brush.image[:horizon] = (sky + (246 - sky) * share).astype(np.uint8)

    def _grounds(self) -> None:
        far = (-_REACH_M, _REACH_M)
        lawn = (86, 112, 62)
        everywhere = self._view.ground([(far[0], far[0]), (far[1], far[0]), (far[1], far[1]), (far[0], far[1])])
        self._brush.fill(everywhere, lawn)
        self._brush.grain(everywhere, 12, 5)
        self._brush.grain(everywhere, 9, 60)
        for z in (NEAR_PAVEMENT_Z, FAR_PAVEMENT_Z):
            self._pavement(z)
        road = [(far[0], ROAD_Z[0]), (far[1], ROAD_Z[0]), (far[1], ROAD_Z[1]), (far[0], ROAD_Z[1])]
        self._brush.fill(self._view.ground(road), (84, 86, 90))
        self._brush.grain(self._view.ground(road), 5, 3)
        self._brush.grain(self._view.ground(road), 5, 90)
        for z_m, towards in ((ROAD_Z[0], -0.22), (ROAD_Z[1], 0.22)):
            self._brush.level(far, (z_m, z_m + towards), (178, 174, 166))
            self._brush.level(far, (z_m, z_m - towards * 0.5), (62, 62, 64))
        middle = (ROAD_Z[0] + ROAD_Z[1]) / 2
        for i in range(-22, 23):
            if abs(i * 4.0 + 1.0 - self._ground.crossing_x) > 4.0:
                self._brush.level((i * 4.0, i * 4.0 + 2.0), (middle - 0.07, middle + 0.07), (206, 204, 194))
        for i in range(7):
            self._brush.level(
                (self._ground.crossing_x - 1.8, self._ground.crossing_x + 1.8), (0.25 + i, 0.75 + i), (208, 206, 198)
            )
        for x in (-19.0, -3.0, 12.0):
            self._brush.level((x, x + 0.7), (1.0, 1.6), (56, 56, 58))

    def _pavement(self, z: Point) -> None:
        far = (-_REACH_M, _REACH_M)
        slab = [(far[0], z[0]), (far[1], z[0]), (far[1], z[1]), (far[0], z[1])]
        self._brush.fill(self._view.ground(slab), (172, 164, 152))
        self._brush.grain(self._view.ground(slab), 5, 4)
        joint = (150, 142, 132)
        for i in range(-40, 41):
            self._brush.level((i * 1.4, i * 1.4 + 0.05), z, joint)
        for i in range(1, 3):
            seam = z[0] + (z[1] - z[0]) * i / 3
            self._brush.level((-60.0, 60.0), (seam, seam + 0.05), joint)

    def _yard_things(self) -> None:
        x, z = self._ground.yard_x, YARD_Z
        gravel = [(x[0], z[0]), (x[1], z[0]), (x[1], z[1]), (x[0], z[1])]
        self._brush.fill(self._view.ground(gravel), (150, 136, 112))
        self._brush.grain(self._view.ground(gravel), 9, 3)
        self._brush.level(
            (self._ground.gate_x - 0.9, self._ground.gate_x + 0.9),
            (FAR_PAVEMENT_Z[1] - 0.2, z[0] + 1.2),
            (166, 154, 132),
        )


def clouded(sunny: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The same surface when the sun is gone: darker, flatter, a little blue."""
    grey = np.full_like(sunny, (52, 56, 64))
    return cv2.addWeighted(sunny, 0.76, grey, 0.22, 0).astype(np.uint8, copy=False)
