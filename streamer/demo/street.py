"""A drawn street with known truth: one camera's lively pictures, and what is really in each of them.

`Street` is deterministic: seed, viewpoint and time give the same pixels. It serves the demo as cameras, training as an
endless picture book, and tests as a world whose truth was not found by the code under test.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.demo.backdrop import Backdrop, CutOut, paint_backdrop
from streamer.demo.cars import Body, car
from streamer.demo.figures import Figure, fixed_point
from streamer.demo.people import person
from streamer.demo.perspective import NEAR_M, Point, Viewpoint, clip_to_picture
from streamer.demo.script import Actor, Ground, on_circle, write_play

Pixels = NDArray[np.uint8]
LABELS = ("person", "car")
VISIBLE_SHARE = 0.35
"""Of an object's box, how much must be in the picture and unhidden to be part of the truth."""
SMALLEST_PX = 16.0
"""Boxes lower than this are not part of the truth: nobody could say what they are."""
_SWAYS = 12  # times in a period that somebody who waits shifts from foot to foot: whole, so that the loop closes


@dataclass(frozen=True)
class Truth:
    """What is in one picture: boxes float32 (N, 4) xyxy pixels clipped to it, class ids into LABELS, identities.

    visible float32 (N,) is the share of the whole box that is inside the picture and not behind something nearer.
    All objects are listed, the hidden ones too: `clear` marks those that a detector must find.
    """

    boxes_xyxy: NDArray[np.float32]
    class_ids: NDArray[np.int64]
    identities: NDArray[np.int64]
    visible: NDArray[np.float32]

    @property
    def clear(self) -> NDArray[np.bool_]:
        """Rows that are large and visible enough to be asked for."""
        heights = self.boxes_xyxy[:, 3] - self.boxes_xyxy[:, 1]
        return (self.visible >= VISIBLE_SHARE) & (heights >= SMALLEST_PX)


class Street:
    """One camera on one drawn street, for all times; the play repeats every period_s."""

    labels = LABELS

    def __init__(
        self, view: Viewpoint, seed: int, period_s: float = 56.0, ground: Ground | None = None, crowd: float = 1.0
    ) -> None:
        self.view, self.period_s, self.ground = view, period_s, ground or Ground()
        self._actors = write_play(seed, period_s, self.ground, crowd)
        # What stands still belongs to the street, not to the camera: the same houses from every side.
        self._backdrop = paint_backdrop(view, self.ground, np.random.default_rng(seed))
        self._noise = _NoiseBank(view.picture_wh, np.random.default_rng((seed, 1)))

    @property
    def backdrop(self) -> Backdrop:
        """The empty street."""
        return self._backdrop

    def figures(self, t_s: float) -> list[Figure]:
        """Everyone in sight at this time, from far to near."""
        seen: list[Figure] = []
        w, h = self.view.picture_wh
        for actor in self._actors:
            figure = self._figure(actor, t_s)
            if figure is not None:
                x1, y1, x2, y2 = figure.box_xyxy
                if x2 > 0 and y2 > 0 and x1 < w and y1 < h:
                    seen.append(figure)
        seen.sort(key=lambda figure: -figure.depth_m)
        return seen

    def frame(self, t_s: float) -> NDArray[np.uint8]:
        """The picture at this time: uint8 (H, W, 3), RGB."""
        image, _ = self.frame_and_truth(t_s)
        return image

    def frame_and_truth(self, t_s: float) -> tuple[NDArray[np.uint8], Truth]:
        """The picture at this time, and what is in it."""
        figures = self.figures(t_s)
        turn = 2 * math.pi * (t_s % self.period_s) / self.period_s
        sun = 0.62 + 0.38 * math.sin(turn + 0.6)
        empty = np.empty_like(self._backdrop.sunny)
        cv2.addWeighted(self._backdrop.sunny, sun, self._backdrop.cloudy, 1 - sun, 0, empty)
        image = empty.copy()
        for figure in figures:
            _cast_shadow(image, figure, 0.2 + 0.2 * sun)
        for figure in figures:
            figure.paint(image)
            for cut in self._backdrop.cut_outs:
                if cut.depth_m < figure.depth_m:
                    _lay_over(image, empty, cut, figure.box_xyxy)
        cv2.convertScaleAbs(image, image, 1.0 + 0.05 * math.sin(3 * turn), 0)
        return self._noise.over(image, t_s), _truth(figures, self.view.picture_wh)

    def truth(self, t_s: float) -> Truth:
        """What is in the picture at this time, without drawing it."""
        return _truth(self.figures(t_s), self.view.picture_wh)

    def _figure(self, actor: Actor, t_s: float) -> Figure | None:
        pose = on_circle(actor.way, t_s, self.period_s)
        if pose is None or self.view.depth(pose.x, pose.z) < NEAR_M * 2.5:
            return None
        place = (pose.x, pose.z)
        # Most of the street is out of sight: look before working out a body (nobody is wider than this).
        half_px = (3.2 if isinstance(actor.look, Body) else 0.8) * self.view.px_per_m(*place)
        if not -half_px < self.view.pixel(pose.x, 0.0, pose.z)[0] < self.view.picture_wh[0] + half_px:
            return None
        if isinstance(actor.look, Body):
            return car(actor.look, actor.identity, self.view, place, pose.heading_rad, braking=pose.speed_m_s < 4.0)
        pace = min(1.0, pose.speed_m_s / 1.2)
        if pose.speed_m_s == 0.0:  # nobody stands like a post
            idle = 0.05 * math.sin(2 * math.pi * (_SWAYS * t_s / self.period_s) + actor.identity)
            place = (pose.x + idle, pose.z)
        return person(actor.look, actor.identity, self.view, place, pose.heading_rad, pose.walked_m, pace)


def place_in_picture(view: Viewpoint, corners_xz: list[Point]) -> list[Point]:
    """A ground polygon as normalised picture coordinates in [0, 1], cut to the picture; empty if it is out of sight."""
    w, h = view.picture_wh
    return [(x / w, y / h) for x, y in clip_to_picture(view.ground(corners_xz), view.picture_wh)]


def _cast_shadow(image: NDArray[np.uint8], figure: Figure, strength: float) -> None:
    corners = fixed_point(figure.shadow)
    x1, y1 = np.maximum(corners.min(0) // 16 - 1, 0)
    x2, y2 = corners.max(0) // 16 + 2
    part = image[y1:y2, x1:x2]
    if part.size == 0:
        return
    dark = part.copy()
    cv2.fillConvexPoly(dark, corners - np.array([x1 * 16, y1 * 16], np.int32), (26, 26, 34), cv2.LINE_AA, 4)
    cv2.addWeighted(part, 1 - strength, dark, strength, 0, part)


def _lay_over(image: Pixels, empty: Pixels, cut: CutOut, box: tuple[float, float, float, float]) -> None:
    """Bring the still thing back to the front of what was drawn inside the box."""
    x, y, right, bottom = cut.span
    x1, y1 = max(x, int(box[0]) - 1), max(y, int(box[1]) - 1)
    x2, y2 = min(right, int(box[2]) + 2), min(bottom, int(box[3]) + 2)
    if x1 < x2 and y1 < y2:
        part = (slice(y1, y2), slice(x1, x2))
        cv2.copyTo(empty[part], cut.mask[y1 - y : y2 - y, x1 - x : x2 - x], image[part])


class _NoiseBank:
    """The sensor's noise: a few tiles drawn once, laid over every frame at another offset, so no two are alike."""

    _SPARE = 64

    def __init__(self, picture_wh: tuple[int, int], rng: np.random.Generator) -> None:
        w, h = picture_wh
        tile = np.abs(rng.normal(0, 2.4, (2, h + self._SPARE, w + self._SPARE, 3)))
        self._tiles = np.minimum(tile, 12).astype(np.uint8)
        self._wh = picture_wh

    def over(self, image: NDArray[np.uint8], t_s: float) -> NDArray[np.uint8]:
        w, h = self._wh
        tick = round(t_s * 1000) * 2654435761
        for tile, combine in zip(self._tiles, (cv2.add, cv2.subtract), strict=True):
            x, y = (tick >> 4) % self._SPARE, (tick >> 12) % self._SPARE
            image = combine(image, tile[y : y + h, x : x + w]).astype(np.uint8, copy=False)
            tick = tick * 40503 + 11
        return image


def _truth(figures: list[Figure], picture_wh: tuple[int, int]) -> Truth:
    w, h = picture_wh
    n = len(figures)
    whole = np.array([figure.box_xyxy for figure in figures], np.float32).reshape(n, 4)
    boxes = np.clip(whole, 0, np.array([w, h, w, h], np.float32))
    # Who covers whom, on a coarse grid of cells painted from far to near, counts well enough.
    cell = 4
    grid = np.full((h // cell, w // cell), -1, np.int32)
    spans = np.round(boxes / cell).astype(int)
    for i, (x1, y1, x2, y2) in enumerate(spans):
        # A figure fills less than its box: a person's arms and legs leave gaps at the sides.
        inset = (x2 - x1) // 5 if figures[i].label == "person" else 0
        grid[y1:y2, x1 + inset : max(x2 - inset, x1 + inset + 1)] = i
    visible = np.zeros(n, np.float32)
    for i, (x1, y1, x2, y2) in enumerate(spans):
        inset = (x2 - x1) // 5 if figures[i].label == "person" else 0
        own = grid[y1:y2, x1 + inset : max(x2 - inset, x1 + inset + 1)]
        uncovered = float((own == i).mean()) if own.size else 0.0
        size, full = boxes[i, 2:] - boxes[i, :2], whole[i, 2:] - whole[i, :2]
        inside = float(size[0] * size[1]) / max(float(full[0] * full[1]), 1e-6)
        visible[i] = uncovered * inside
    return Truth(
        boxes,
        np.array([LABELS.index(figure.label) for figure in figures], np.int64),
        np.array([figure.identity for figure in figures], np.int64),
        visible,
    )
