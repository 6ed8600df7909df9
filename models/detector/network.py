"""The bundled detector's net: a compact anchor-free CNN for surveillance views, in plain torch.

Dense 3×3 convolutions in cross-stage partial blocks (Wang et al., CSPNet, CVPRW 2020), a path aggregation neck (Liu et
al., PANet, CVPR 2018) over strides 8, 16 and 32, and a decoupled head (Ge et al., YOLOX, 2021) that gives each cell a
score per class and a distribution over the distance to each side of its box (Li et al., Generalized Focal Loss,
NeurIPS 2020). Only ReLU, nearest upsampling, max pooling and concatenation: all of it quantises to integers.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LABELS = ("person", "bicycle", "car", "motorcycle", "bus", "truck")
CANVAS_WH = (384, 288)
STRIDES_PX = (8, 16, 32)
BINS = 12
"""A side lies 0 to 11 strides from the cell's centre: up to 352 px at the coarsest level."""
OUTPUTS = ("boxes", "scores", "frame_embedding", "feature_map")
FEATURE_STRIDE_PX = 16
_RARE = 0.01
"""An untrained score: most cells hold nothing, so the first loss is not all about saying so."""


class Cells(NamedTuple):
    """What the loss works on: one row per cell, level by level, row by row.

    boxes float32 (B, N, 4) xyxy canvas pixels; sides float32 (B, N, 4, BINS) logits over the distance to the left,
    top, right, bottom side in strides; logits float32 (B, N, K).
    """

    boxes: Tensor
    sides: Tensor
    logits: Tensor


def _conv(inside: int, outside: int, size: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inside, outside, size, stride, size // 2, bias=False),
        nn.BatchNorm2d(outside, momentum=0.03),
        nn.ReLU(inplace=True),
    )


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(_conv(width, width), _conv(width, width))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class _Partial(nn.Module):
    """Half of the channels go through the blocks, half go around them."""

    def __init__(self, inside: int, outside: int, depth: int, residual: bool = True) -> None:
        super().__init__()
        half = outside // 2
        self.through = _conv(inside, half, 1)
        self.around = _conv(inside, half, 1)
        block = _Residual if residual else lambda width: _conv(width, width)
        self.blocks = nn.Sequential(*(block(half) for _ in range(depth)))
        self.join = _conv(2 * half, outside, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.join(torch.cat([self.blocks(self.through(x)), self.around(x)], 1))


class _Pyramid(nn.Module):
    """Wide context for the coarsest cells: three poolings in a row (SPPF, after He et al., 2015)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.enter = _conv(width, width // 2, 1)
        self.leave = _conv(width * 2, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        parts = [self.enter(x)]
        for _ in range(3):
            parts.append(F.max_pool2d(parts[-1], 5, 1, 2))
        return self.leave(torch.cat(parts, 1))


class _Head(nn.Module):
    def __init__(self, inside: int, width: int, classes: int) -> None:
        super().__init__()
        self.score = nn.Sequential(_conv(inside, width), nn.Conv2d(width, classes, 1))
        self.side = nn.Sequential(_conv(inside, width), nn.Conv2d(width, 4 * BINS, 1))
        nn.init.constant_(self.score[-1].bias, float(torch.logit(torch.tensor(_RARE))))
        # Untrained, a side is most likely near: about two strides.
        near = torch.linspace(2.0, -2.0, BINS).repeat(4)
        self.side[-1].bias.data.copy_(near)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.score(x), self.side(x)


class DetectorNet(nn.Module):
    """uint8 (B, H, W, 3) RGB → boxes, scores, frame_embedding, feature_map.

    boxes float32 (B, N, 4) xyxy canvas pixels; scores float32 (B, N, K) in [0, 1]; frame_embedding float32 (B, 160):
    the coarsest backbone map, averaged over the picture; feature_map float32 (B, 64, H/16, W/16): the neck's middle
    level, from which a box's embedding is pooled. H and W are multiples of 32; N = (1/64 + 1/256 + 1/1024) · H · W.
    """

    embedding_width, feature_width = 160, 64

    def __init__(self, classes: int = len(LABELS)) -> None:
        super().__init__()
        self.stem = nn.Sequential(_conv(3, 16, stride=2), _conv(16, 32, stride=2), _Partial(32, 32, 1, residual=False))
        self.eighth = nn.Sequential(_conv(32, 64, stride=2), _Partial(64, 64, 1))
        self.sixteenth = nn.Sequential(_conv(64, 128, stride=2), _Partial(128, 128, 2))
        self.bottom = nn.Sequential(_conv(128, 160, stride=2), _Pyramid(160), _Partial(160, 160, 1))
        self.narrow_bottom = _conv(160, 64, 1)
        self.up_sixteenth = _Partial(64 + 128, 64, 1, residual=False)
        self.narrow_sixteenth = _conv(64, 48, 1)
        self.up_eighth = _Partial(48 + 64, 48, 1, residual=False)
        self.down_sixteenth = _conv(48, 48, stride=2)
        self.mix_sixteenth = _Partial(48 + 64, 64, 1, residual=False)
        self.down_bottom = _conv(64, 64, stride=2)
        self.mix_bottom = _Partial(64 + 64, 96, 1, residual=False)
        self.heads = nn.ModuleList(_Head(inside, width, classes) for inside, width in ((48, 32), (64, 48), (96, 64)))
        self.register_buffer("strides_out", torch.arange(BINS, dtype=torch.float32).view(1, 1, -1, 1), persistent=False)

    def _levels(self, images: Tensor) -> tuple[list[Tensor], Tensor, Tensor]:
        x = images.permute(0, 3, 1, 2).to(torch.float32) * (1 / 64) - 2.0
        eighth = self.eighth(self.stem(x))
        sixteenth = self.sixteenth(eighth)
        bottom = self.bottom(sixteenth)
        narrow_bottom = self.narrow_bottom(bottom)
        up = F.interpolate(narrow_bottom, scale_factor=2.0, mode="nearest")
        middle = self.up_sixteenth(torch.cat([up, sixteenth], 1))
        up = F.interpolate(self.narrow_sixteenth(middle), scale_factor=2.0, mode="nearest")
        fine = self.up_eighth(torch.cat([up, eighth], 1))
        middle = self.mix_sixteenth(torch.cat([self.down_sixteenth(fine), middle], 1))
        coarse = self.mix_bottom(torch.cat([self.down_bottom(middle), narrow_bottom], 1))
        return [fine, middle, coarse], bottom, middle

    def _raw(self, levels: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Logits (B, K, N) and sides (B, 4, BINS, N), all levels side by side."""
        logits, sides = zip(*(head(level) for head, level in zip(self.heads, levels, strict=True)), strict=True)
        joined = torch.cat([each.flatten(2) for each in sides], 2).unflatten(1, (4, BINS))
        return torch.cat([each.flatten(2) for each in logits], 2), joined

    def cells(self, images: Tensor) -> Cells:
        """Decoded boxes and raw logits."""
        levels, _, _ = self._levels(images)
        logits, sides = self._raw(levels)
        sides = sides.float()
        away = (sides.softmax(2) * self.strides_out).sum(2)
        boxes = _boxes(away, (images.shape[2], images.shape[1]))
        return Cells(boxes, sides.permute(0, 3, 1, 2), logits.transpose(1, 2).float())

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """As the service reads it, see the class."""
        levels, bottom, middle = self._levels(images)
        logits, sides = self._raw(levels)
        # The same expectation as in cells(), written so that it costs a tenth in ONNX Runtime. A trained net's logits
        # are far below the 88 at which exp would overflow.
        likely = sides.exp()
        away = (likely * self.strides_out).sum(2) / likely.sum(2)
        boxes = _boxes(away, (images.shape[2], images.shape[1]))
        return boxes, logits.transpose(1, 2).sigmoid(), bottom.mean((2, 3)), middle


def _boxes(away: Tensor, canvas_wh: tuple[int, int]) -> Tensor:
    """Distances (B, 4, N) in strides → boxes (B, N, 4) in canvas pixels."""
    grid = cell_grid(canvas_wh, away.device)
    away = away.transpose(1, 2) * grid[:, 2:]
    return torch.cat([grid[:, :2] - away[..., :2], grid[:, :2] + away[..., 2:]], -1)


def cell_grid(canvas_wh: tuple[int, int], device: torch.device) -> Tensor:
    """Float32 (N, 3): centre x, centre y and stride of every cell in canvas pixels, level by level, row by row."""
    parts = []
    for stride in STRIDES_PX:
        xs = (torch.arange(canvas_wh[0] // stride, device=device, dtype=torch.float32) + 0.5) * stride
        ys = (torch.arange(canvas_wh[1] // stride, device=device, dtype=torch.float32) + 0.5) * stride
        y, x = torch.meshgrid(ys, xs, indexing="ij")
        parts.append(torch.stack([x, y, torch.full_like(x, stride)], -1).reshape(-1, 3))
    return torch.cat(parts)
