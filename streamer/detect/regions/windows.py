"""Windows of a picture: cut out as frames that any detector takes, and their boxes brought back."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from streamer.detect.canvas import resize
from streamer.fit import InputFit
from streamer.types import Boxes, Frame

Image = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Window:
    """A rectangle of whole source pixels."""

    x: int
    y: int
    width: int
    height: int

    @property
    def wh(self) -> tuple[int, int]:
        """Width and height."""
        return self.width, self.height

    @property
    def xyxy(self) -> tuple[int, int, int, int]:
        """Its corners."""
        return self.x, self.y, self.x + self.width, self.y + self.height

    def of(self, full: Image) -> Image:
        """What lies in it, a view: uint8 (H, W, 3) → uint8 (height, width, 3)."""
        return full[self.y : self.y + self.height, self.x : self.x + self.width]


@dataclass(frozen=True, slots=True)
class Part:
    """Frame.picture of a window."""

    image: Image

    def rgb(self) -> Image:
        """uint8 (height, width, 3), RGB."""
        return self.image


def cut_out(frame: Frame, full: Image, window: Window, input_fit: InputFit) -> Frame:
    """The window as a frame of its own, sized for the model; full is the frame's picture, uint8 (H, W, 3) RGB."""
    part = window.of(full)
    image = resize(part, input_fit.of(window.wh).content_wh)
    return replace(frame, image=image, source_wh=window.wh, picture=Part(part), on_device=None)


def brought_back(boxes_xyxy: Boxes, window: Window) -> Boxes:
    """Pixels of the window → pixels of the whole picture, float32 (N, 4)."""
    return boxes_xyxy + np.array([window.x, window.y] * 2, np.float32)


def cut_by_border(boxes_xyxy: Boxes, window: Window, picture_wh: tuple[int, int]) -> NDArray[np.bool_]:
    """Bool (N,): boxes in picture pixels that end at a side of the window behind which the picture goes on.

    Such a box is probably a part of something. A net places sides to within about a hundredth of its input.
    """
    x1, y1, x2, y2 = window.xyxy
    slack_x, slack_y = 1 + 0.01 * window.width, 1 + 0.01 * window.height
    cut = np.zeros(len(boxes_xyxy), np.bool_)
    if x1 > 0:
        cut |= boxes_xyxy[:, 0] <= x1 + slack_x
    if y1 > 0:
        cut |= boxes_xyxy[:, 1] <= y1 + slack_y
    if x2 < picture_wh[0]:
        cut |= boxes_xyxy[:, 2] >= x2 - slack_x
    if y2 < picture_wh[1]:
        cut |= boxes_xyxy[:, 3] >= y2 - slack_y
    return cut
