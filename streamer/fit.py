"""How a source picture is laid into a model's input, and how boxes find their way back.

Capture uses it to convert a frame straight to the size at which the model will see it; detect uses it to map
boxes back to source pixels; training uses it so that both see the same picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Align = Literal["centre", "top_left"]
Mode = Literal["letterbox", "stretch"]


@dataclass(frozen=True, slots=True)
class Fit:
    """Where a source picture lies inside a model's input.

    source_wh, content_wh, canvas_wh: (width, height) in pixels of the source picture, of the resized picture, and of
    the whole input. offset_xy: top-left corner of the content on the canvas. Scales are exact ratios of the
    sizes, per axis, because content sizes are whole pixels.
    """

    source_wh: tuple[int, int]
    content_wh: tuple[int, int]
    canvas_wh: tuple[int, int]
    offset_xy: tuple[int, int]

    @property
    def scale_xy(self) -> tuple[float, float]:
        """Canvas pixels per source pixel."""
        return self.content_wh[0] / self.source_wh[0], self.content_wh[1] / self.source_wh[1]

    def to_source(self, boxes_xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32 (N, 4) canvas pixels → float32 (N, 4) source pixels, clipped to the source picture."""
        offset, scale, most = _corners(self)
        out = (boxes_xyxy - offset) / scale
        np.clip(out, 0, most, out=out)
        return out.astype(np.float32, copy=False)

    def to_canvas(self, boxes_xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32 (N, 4) source pixels → float32 (N, 4) canvas pixels: the inverse of to_source."""
        offset, scale, _ = _corners(self)
        out = boxes_xyxy * scale + offset
        return out.astype(np.float32, copy=False)


@lru_cache(maxsize=256)
def _corners(fit: Fit) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Offset, scale and the source picture's far corner, each for both corners of a box: asked for in every frame."""
    (sx, sy), (ox, oy), (w, h) = fit.scale_xy, fit.offset_xy, fit.source_wh
    return (
        np.array([ox, oy, ox, oy], np.float32),
        np.array([sx, sy, sx, sy], np.float32),
        np.array([w, h, w, h], np.float32),
    )


@dataclass(frozen=True, slots=True)
class InputFit:
    """How one model wants any picture laid into its input: part of its manifest."""

    canvas_wh: tuple[int, int]
    mode: Mode = "letterbox"
    align: Align = "centre"
    pad_value: int = 114

    def of(self, source_wh: tuple[int, int]) -> Fit:
        """The fit of one source size; raises ValueError for a picture without area."""
        (sw, sh), (cw, ch) = source_wh, self.canvas_wh
        if sw < 1 or sh < 1:
            raise ValueError(f"a picture needs area; got {sw}×{sh}")
        if self.mode == "stretch":
            return Fit(source_wh, self.canvas_wh, self.canvas_wh, (0, 0))
        scale = min(cw / sw, ch / sh)
        content = (max(1, min(cw, round(sw * scale))), max(1, min(ch, round(sh * scale))))
        spare = (cw - content[0], ch - content[1])
        offset = (0, 0) if self.align == "top_left" else (spare[0] // 2, spare[1] // 2)
        return Fit(source_wh, content, self.canvas_wh, offset)
