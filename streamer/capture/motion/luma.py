"""A decoded picture's brightness at low resolution, straight from its Y plane: what motion is judged on.

Neither colours nor swscale: the plane is averaged in place. Halving again and again is the fast way (OpenCV has vector
code for it alone): 0.08 ms of a 720p picture instead of 0.63 for the same means in one step; each halving rounds, so
that a mean may be off by one grey level.
"""

from __future__ import annotations

import sys

import cv2
import numpy as np
from av import VideoFrame
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

LONG_SIDE = 160
"""Cells along the longer side, nearly: blocks are whole pixels, so that it may be between 107 and 240."""


def small_luma(frame: VideoFrame) -> NDArray[np.uint8]:
    """uint8 (h, w), mean brightness of square blocks of pixels, the longer side about LONG_SIDE blocks.

    The picture as it is stored, not turned upright. What is left over at the right and lower edge, less than a block,
    is not looked at. Limited and full range stay what they are. Formats without a luma plane of their own (packed,
    RGB) are converted to grey first.
    """
    plane = _luma_plane(frame)
    height, width = plane.shape
    block = max(1, round(max(height, width) / LONG_SIDE))
    # A strip thinner than a block is still a picture: its blocks are as high as it is.
    high, wide = min(block, height), min(block, width)
    rows, columns = height // high, width // wide
    means: NDArray[np.uint8] | NDArray[np.uint16] = plane[: rows * high, : columns * wide]
    while high % 2 == 0 and wide % 2 == 0:
        high, wide = high // 2, wide // 2
        means = _shrunk(means, rows * high, columns * wide)
    if high > 1 or wide > 1:
        means = _shrunk(means, rows, columns)
    if means.dtype == np.uint16:
        return (means >> _surplus_bits(frame)).astype(np.uint8)
    # Without blocks to average it is still the decoder's own memory, which must not be held on to.
    return means.astype(np.uint8, copy=block == 1)


def _shrunk(
    means: NDArray[np.uint8] | NDArray[np.uint16], rows: int, columns: int
) -> NDArray[np.uint8] | NDArray[np.uint16]:
    smaller: NDArray[np.uint8] | NDArray[np.uint16] = cv2.resize(means, (columns, rows), interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    return smaller


def _luma_plane(frame: VideoFrame) -> NDArray[np.uint8] | NDArray[np.uint16]:
    if not _has_luma_plane(frame):
        frame = VideoReformatter().reformat(frame, format="gray")
    plane = frame.planes[0]
    depth = np.dtype(np.uint8 if frame.format.components[0].bits == 8 else np.uint16)
    return np.ndarray(
        (frame.height, frame.width), depth, buffer=memoryview(plane), strides=(plane.line_size, depth.itemsize)
    )


def _has_luma_plane(frame: VideoFrame) -> bool:
    """True where plane 0 holds nothing but luma, in 8 bits or in native words of 16."""
    layout = frame.format
    if not layout.components or layout.is_rgb or layout.has_palette or layout.is_bit_stream:
        return False
    if layout.is_big_endian != (sys.byteorder == "big") and layout.components[0].bits > 8:
        return False
    return layout.components[0].bits <= 16 and (layout.is_planar or len(layout.components) == 1)


def _surplus_bits(frame: VideoFrame) -> int:
    """How far a 16-bit word is to be shifted right to leave 8 bits: P010 and its kin keep theirs at the upper end."""
    at_upper_end = frame.format.name.startswith(("p0", "p2", "p4"))
    return 8 if at_upper_end else frame.format.components[0].bits - 8
