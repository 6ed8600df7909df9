"""One chart on a picture: axes, lines and stacked bars, drawn with OpenCV, which is here anyway."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Rgb = tuple[int, int, int]
Picture = NDArray[np.uint8]

PAPER: Rgb = (255, 255, 255)
INK: Rgb = (45, 45, 45)
GRID: Rgb = (222, 222, 222)
COLOURS: tuple[Rgb, ...] = (
    (31, 111, 139),
    (232, 163, 61),
    (120, 94, 160),
    (88, 157, 92),
    (200, 82, 82),
    (120, 120, 120),
)
_FONT, _SCALE = cv2.FONT_HERSHEY_SIMPLEX, 0.42
_SPACE_PX = 8


def blank(width_px: int, height_px: int) -> Picture:
    """uint8 (height, width, 3), RGB, all paper."""
    return np.full((height_px, width_px, 3), PAPER, np.uint8)


def write(picture: Picture, text: str, at: tuple[int, int], anchor: str = "left", colour: Rgb = INK) -> None:
    """ASCII text with its base line at `at`, which is its left end, middle or right end."""
    width_px = cv2.getTextSize(text, _FONT, _SCALE, 1)[0][0]
    x = at[0] - {"left": 0, "middle": width_px // 2, "right": width_px}[anchor]
    cv2.putText(picture, text, (x, at[1]), _FONT, _SCALE, colour, 1, cv2.LINE_AA)


def legend(picture: Picture, names: Sequence[tuple[str, Rgb]], at: tuple[int, int]) -> None:
    """Names behind squares of their colours, from left to right."""
    x, y = at
    for name, colour in names:
        cv2.rectangle(picture, (x, y - 9), (x + 10, y + 1), colour, -1)
        write(picture, name, (x + 15, y))
        x += 15 + cv2.getTextSize(name, _FONT, _SCALE, 1)[0][0] + 2 * _SPACE_PX


@dataclass(frozen=True, slots=True)
class Axes:
    """Where a chart lies on its picture (pixels), and the highest value of its vertical axis; columns side by side."""

    left: int
    top: int
    right: int
    bottom: int
    columns: int
    highest: float

    def x(self, column: int) -> int:
        """The middle of a column."""
        return round(self.left + (column + 0.5) * (self.right - self.left) / self.columns)

    def y(self, value: float) -> int:
        """Where a value lies; what is higher than the axis lies at its top."""
        return round(self.bottom - min(value, self.highest) / self.highest * (self.bottom - self.top))

    @property
    def bar_px(self) -> int:
        """How wide a bar is."""
        return max(3, min(46, round(0.6 * (self.right - self.left) / self.columns)))


def draw_axes(picture: Picture, axes: Axes, title: str, names: Sequence[str], below: str) -> None:
    """Grid with round numbers, column names, and what is shown."""
    step = round_step(axes.highest)
    for n in range(int(axes.highest / step + 1e-9) + 1):
        y = axes.y(n * step)
        cv2.line(picture, (axes.left, y), (axes.right, y), GRID, 1)
        write(picture, f"{n * step:g}", (axes.left - _SPACE_PX, y + 4), "right")
    cv2.line(picture, (axes.left, axes.bottom), (axes.right, axes.bottom), INK, 1)
    for column, name in enumerate(names):
        write(picture, name, (axes.x(column), axes.bottom + 18), "middle")
    write(picture, title, (axes.left, axes.top - 2 * _SPACE_PX))
    write(picture, below, ((axes.left + axes.right) // 2, axes.bottom + 38), "middle")


def draw_line(picture: Picture, axes: Axes, values: Sequence[float], colour: Rgb) -> None:
    """Points, one for each column, and what connects them; NaN leaves a column out."""
    points = [(axes.x(n), axes.y(value)) for n, value in enumerate(values) if not math.isnan(value)]
    cv2.polylines(picture, [np.array(points, np.int32).reshape(-1, 1, 2)], False, colour, 2, cv2.LINE_AA)
    for point in points:
        cv2.circle(picture, point, 4, colour, -1, cv2.LINE_AA)


def draw_limit(picture: Picture, axes: Axes, value: float, name: str, colour: Rgb) -> None:
    """A dashed line across."""
    y = axes.y(value)
    for x in range(axes.left, axes.right, 12):
        cv2.line(picture, (x, y), (min(x + 6, axes.right), y), colour, 1)
    write(picture, name, (axes.right, y - 5), "right", colour)


def draw_bars(picture: Picture, axes: Axes, stacks: Sequence[Sequence[float]], colours: Sequence[Rgb]) -> None:
    """A stack for each column, from below in the order of colours."""
    for column, stack in enumerate(stacks):
        x, floor = axes.x(column) - axes.bar_px // 2, 0.0
        for value, colour in zip(stack, colours, strict=False):
            top, bottom = axes.y(floor + value), axes.y(floor)
            if bottom > top:
                cv2.rectangle(picture, (x, top), (x + axes.bar_px, bottom - 1), colour, -1)
            floor += value


def round_step(highest: float) -> float:
    """1, 2 or 5 times a power of ten, so that four to ten steps make up an axis."""
    least = highest / 8
    power = 10.0 ** math.floor(math.log10(least))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= least * (1 - 1e-9))


def rounded_up(highest: float) -> float:
    """The end of an axis that holds a value: a whole number of its steps."""
    step = round_step(highest)
    return math.ceil(highest / step - 1e-9) * step
