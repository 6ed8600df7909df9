"""Pictures on a device that torch knows: NVDEC's planes come by DLPack, nothing is copied on the way."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from av import VideoFrame
from numpy.typing import NDArray

from streamer.artifacts import InputSpec
from streamer.detect.on_device.nv12 import Shrinking, shrinking
from streamer.fit import Fit
from streamer.types import Colours, OnDevice


class TorchShrinker:
    """Shrinks decoded pictures where they are (implements stages.PictureShrinker); any thread may ask."""

    def __init__(self, device: str) -> None:
        self._device = torch.device(device)
        self._weights: dict[tuple[object, ...], tuple[torch.Tensor, ...]] = {}

    def shrink(self, frame: VideoFrame, fit: Fit, colours: Colours) -> tuple[NDArray[np.uint8], OnDevice]:
        """uint8 (h, w, 3), RGB, fit.content_wh: here, and where the picture is. The frame is NV12 on this device."""
        y, uv = (torch.from_dlpack(plane) for plane in frame.planes)
        key = (fit, colours)
        if key not in self._weights:
            found = shrinking((y.shape[1], y.shape[0]), (y.shape[1], 2 * uv.shape[1]), fit.content_wh, colours)
            self._weights[key] = _on(found, self._device)
        content = shrink_nv12(y, uv, *self._weights[key])
        return content.to("cpu", copy=True).numpy(), TorchPicture(content)


class TorchPicture:
    """A small RGB picture, uint8 (h, w, 3), as a tensor (implements types.OnDevice)."""

    def __init__(self, content: torch.Tensor) -> None:
        self.content = content

    @property
    def memory(self) -> str:
        """Whose memory it is in, as sessions call it."""
        return f"torch:{self.content.device.type}:{self.content.device.index or 0}"

    def new_batch(self, spec: InputSpec) -> TorchBatch:
        """An empty input for a net, in the same memory."""
        return TorchBatch(spec, self.content.device)


class TorchBatch:
    """A net's input on the device, filled slot by slot (implements on_device.DeviceBatch)."""

    def __init__(self, spec: InputSpec, device: torch.device) -> None:
        self._spec = spec
        self._scale = torch.tensor(spec.scale, device=device)
        self._offset = -torch.tensor(spec.mean, device=device) * self._scale
        self._tensor = torch.empty((0, *spec.picture_shape), dtype=getattr(torch, spec.dtype), device=device)

    def put(self, slot: int, picture: TorchPicture, fit: Fit) -> None:
        """Lay a picture where its fit has it, on padding, in the net's order and type."""
        self._grow(slot + 1)
        self._tensor[slot] = laid(picture.content, fit, self._spec, self._scale, self._offset).to(self._tensor.dtype)

    def tensor(self, first: int, n: int) -> torch.Tensor:
        """n slots from the first on; those never put hold anything."""
        self._grow(first + n)
        return self._tensor[first : first + n]

    def picture(self, slot: int) -> torch.Tensor:
        """One slot without its batch axis."""
        return self._tensor[slot]

    def _grow(self, capacity: int) -> None:
        if capacity > len(self._tensor):
            missing = max(capacity, 2 * len(self._tensor)) - len(self._tensor)
            more = torch.zeros(
                (missing, *self._spec.picture_shape), dtype=self._tensor.dtype, device=self._tensor.device
            )
            self._tensor = torch.cat([self._tensor, more])


def shrink_nv12(
    y: torch.Tensor,
    uv: torch.Tensor,
    luma_rows: torch.Tensor,
    luma_columns: torch.Tensor,
    chroma_rows: torch.Tensor,
    chroma_columns: torch.Tensor,
    colours: torch.Tensor,
    offset: torch.Tensor,
) -> torch.Tensor:
    """uint8 (H, W) and (H/2, W/2, 2) → uint8 (h, w, 3) by the matrices of one Shrinking."""
    luma = luma_rows @ y.float() @ luma_columns
    chroma = chroma_rows @ uv.permute(2, 0, 1).float() @ chroma_columns
    rgb = torch.stack([luma, chroma[0], chroma[1]], dim=-1) @ colours + offset
    return rgb.clamp(0, 255).round().to(torch.uint8)


def laid(content: torch.Tensor, fit: Fit, spec: InputSpec, scale: torch.Tensor, offset: torch.Tensor) -> torch.Tensor:
    """float32 of spec.picture_shape: the picture on its padding, normalised."""
    canvas = torch.full((*fit.canvas_wh[::-1], 3), float(spec.pad_value), device=content.device)
    (x, y), (w, h) = fit.offset_xy, fit.content_wh
    canvas[y : y + h, x : x + w] = content.flip(2) if spec.channels == "BGR" else content
    normalised = canvas if spec.is_raw else canvas * scale + offset
    return normalised.permute(2, 0, 1) if spec.layout == "NCHW" else normalised


def _on(found: Shrinking, device: torch.device) -> tuple[torch.Tensor, ...]:
    names: tuple[Any, ...] = Shrinking.__slots__
    return tuple(torch.from_numpy(getattr(found, name)).to(device) for name in names)
