"""Pictures onto the net's canvas: resized by the fit, padded, put in the net's channel order, type and layout.

Two doors to the same numerics. The service gets pictures that capture has resized already and lays them straight into
a batch (`InputBatch`). Training and evaluation have whole pictures: `letterbox` resizes and pads one, and a net that
takes uint8 NHWC RGB is then fed with the very bytes that `InputBatch` would hold for the same resized picture.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.artifacts import InputSpec
from streamer.fit import Fit, InputFit

Image = NDArray[np.uint8]


def letterbox(image: Image, into: InputFit) -> tuple[Image, Fit]:
    """A whole picture on a padded canvas, and the fit that maps boxes.

    uint8 (h, w, 3) any channel order → uint8 (canvas_h, canvas_w, 3). Shrinks by area averaging and enlarges
    bilinearly, as the scaler in capture does within rounding (tests/unit/test_detect_canvas.py holds the two together).
    """
    fit = into.of((image.shape[1], image.shape[0]))
    content = resize(image, fit.content_wh)
    canvas = np.full((fit.canvas_wh[1], fit.canvas_wh[0], 3), into.pad_value, np.uint8)
    paste(content, fit, canvas)
    return canvas, fit


def resize(image: Image, content_wh: tuple[int, int]) -> Image:
    """uint8 (h, w, 3) → uint8 (content_h, content_w, 3)."""
    h, w = image.shape[:2]
    if (w, h) == content_wh:
        return image
    shrinks = content_wh[0] <= w and content_wh[1] <= h
    resized = cv2.resize(image, content_wh, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return cast(Image, resized)


def paste(content: Image, fit: Fit, canvas: Image) -> None:
    """Lay a resized picture where the fit puts it; canvas uint8 (canvas_h, canvas_w, 3) is written in place."""
    (x, y), (w, h) = fit.offset_xy, fit.content_wh
    canvas[y : y + h, x : x + w] = content


class InputBatch:
    """The net's input tensor, allocated once and filled in place, picture by picture.

    A slot keeps its padding from one picture to the next and is painted anew only when a picture of another shape
    comes, so that a frame costs one pass over its own pixels. Grows to the largest batch seen. Not for two threads at
    once. memory: where the tensor is to lie, see sessions.Session.buffer.
    """

    def __init__(
        self,
        spec: InputSpec,
        capacity: int = 1,
        memory: Callable[[tuple[int, ...], str], NDArray[Any]] = np.empty,
    ) -> None:
        self._spec, self._memory = spec, memory
        self._mean = np.array(spec.mean, np.float32)
        self._scale = np.array(spec.scale, np.float32)
        self._offset = -self._mean * self._scale
        pad = spec.pad_value * self._scale + self._offset
        self._pad = pad.reshape((3, 1, 1) if spec.layout == "NCHW" else (1, 1, 3))
        self._tensor: NDArray[Any] = np.empty((0, *spec.picture_shape), spec.dtype)
        self._painted_for: list[Fit | None] = []
        self._grow(capacity)

    def put(self, slot: int, content: Image, fit: Fit) -> None:
        """Write one resized picture into a slot: content uint8 (content_h, content_w, 3), RGB, of the fit's size.

        Raises ValueError for any other size or type: a picture that was prepared for another model.
        """
        shape = (fit.content_wh[1], fit.content_wh[0], 3)
        if content.shape != shape or content.dtype != np.uint8:
            raise ValueError(
                f"this model needs a source of {fit.source_wh[0]}×{fit.source_wh[1]} as uint8 {shape} (height, width, "
                f"RGB); got {content.dtype} {content.shape}"
            )
        if slot >= len(self._tensor):
            self._grow(max(slot + 1, 2 * len(self._tensor)))
        picture = self._tensor[slot]
        if self._painted_for[slot] != fit:
            picture[...] = self._pad
            self._painted_for[slot] = fit
        (x, y), (w, h) = fit.offset_xy, fit.content_wh
        if self._spec.layout == "NCHW":
            self._write_planes(content, picture[:, y : y + h, x : x + w])
        else:
            self._write_pixels(content, picture[y : y + h, x : x + w])

    def tensor(self, first: int, n: int) -> NDArray[Any]:
        """n slots from the first on, without a copy: valid until the next put. Those never put hold anything."""
        if first + n > len(self._tensor):
            self._grow(first + n)
        return self._tensor[first : first + n]

    def picture(self, slot: int) -> NDArray[Any]:
        """One slot without its batch axis, without a copy."""
        view: NDArray[Any] = self._tensor[slot]
        return view

    def _write_planes(self, content: Image, to: NDArray[Any]) -> None:
        # cv2.split then one contiguous pass per plane: 0.08 ms for 416×312, against 0.16 for numpy's strided
        # transpose and 1.5 for cv2.dnn.blobFromImage (one thread, AMD EPYC, 2026-11).
        planes = cast(Sequence[Image], cv2.split(content))
        for channel, plane in enumerate(planes if self._spec.channels == "RGB" else planes[::-1]):
            self._write(plane, to[channel], channel)

    def _write_pixels(self, content: Image, to: NDArray[Any]) -> None:
        if self._spec.channels == "BGR":
            content = cast(Image, cv2.cvtColor(content, cv2.COLOR_RGB2BGR))
        self._write(content, to, slice(None))

    def _write(self, pixels: Image, to: NDArray[Any], channel: int | slice) -> None:
        if self._spec.is_raw:
            to[...] = pixels
        elif self._spec.dtype == "float32":
            np.multiply(pixels, self._scale[channel], out=to)
            if self._mean.any():
                np.add(to, self._offset[channel], out=to)
        else:
            to[...] = pixels * self._scale[channel] + self._offset[channel]  # rounds to float16 once, at the end

    def _grow(self, capacity: int) -> None:
        grown = self._memory((capacity, *self._spec.picture_shape), self._spec.dtype)
        grown[: len(self._tensor)] = self._tensor
        self._painted_for += [None] * (capacity - len(self._painted_for))
        self._tensor = grown
