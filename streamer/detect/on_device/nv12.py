"""How an NV12 picture becomes a small RGB one, as matrices: the same for every device, and testable on none.

Shrinking is separable, so it is `rows @ plane @ columns` with the weights of a bilinear filter that widens as the
picture shrinks (swscale's BILINEAR, Pillow's and torch's antialiased bilinear); most weights are 0, and a GPU does not
care. Colours after ITU-R BT.601 and BT.709: R = Y + 2(1-Kr)V, B = Y + 2(1-Kb)U, and G is what is left.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from streamer.types import Colours

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Shrinking:
    """What turns the planes of one kind of picture into content_wh of RGB.

    luma_rows float32 (h, H), luma_columns (P, w); chroma_rows (h, H/2), chroma_columns (P/2, w): P is the pitch of a
    row in bytes, and what lies beyond the picture has weight 0. colours (3, 3), applied from the right to (Y, U, V),
    offset (3,): grey levels 0-255.
    """

    luma_rows: Floats
    luma_columns: Floats
    chroma_rows: Floats
    chroma_columns: Floats
    colours: Floats
    offset: Floats


@lru_cache(maxsize=64)
def shrinking(
    source_wh: tuple[int, int], pitch: tuple[int, int], content_wh: tuple[int, int], colours: Colours
) -> Shrinking:
    """For pictures of one size; pitch: bytes from row to row of the two planes. Kept: cameras are of few sizes."""
    (width, height), (w, h) = source_wh, content_wh
    to_rgb, offset = colour_matrix(colours)
    return Shrinking(
        bilinear(height, h),
        _widened(bilinear(width, w), pitch[0]).T.copy(),
        bilinear(height // 2, h),
        _widened(bilinear(width // 2, w), pitch[1] // 2).T.copy(),
        to_rgb,
        offset,
    )


def bilinear(size: int, out: int) -> Floats:
    """float32 (out, size): weights by which pixels of a line become out pixels; each row sums to 1."""
    step = size / out
    reach = max(step, 1.0)
    middles = (np.arange(out) + 0.5) * step - 0.5
    weights = np.clip(1.0 - np.abs(np.arange(size)[None] - middles[:, None]) / reach, 0.0, None)
    weights /= weights.sum(axis=1, keepdims=True)
    return weights.astype(np.float32)


def colour_matrix(colours: Colours) -> tuple[Floats, Floats]:
    """float32 (3, 3) and (3,): (Y, U, V) @ matrix + offset is (R, G, B), all from 0 to 255."""
    kr, kb = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722), "bt2020": (0.2627, 0.0593)}[colours.standard]
    kg = 1.0 - kr - kb
    black, luma, chroma = (0.0, 1.0, 1.0) if colours.full_range else (16.0, 255 / 219, 255 / 224)
    red_v, blue_u = 2 * (1 - kr) * chroma, 2 * (1 - kb) * chroma
    matrix = np.array(
        [[luma, luma, luma], [0.0, -blue_u * kb / kg, blue_u], [red_v, -red_v * kr / kg, 0.0]], np.float64
    )
    return matrix.astype(np.float32), (-np.array([black, 128.0, 128.0]) @ matrix).astype(np.float32)


def _widened(weights: Floats, to: int) -> Floats:
    return np.pad(weights, ((0, 0), (0, to - weights.shape[1])))
