"""The net behind the drawn demo: a small anchor-free detector with one grid of cells, eight pixels apart.

Dense 3×3 convolutions go down to a stride of 32, so that a cell knows the whole car it lies in, and come back up to a
stride of 8, where every cell names a score per class and one box. Input and output are those of the house's own layout
"streamer": pixels as they come, boxes and scores ready to use.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LABELS = ("person", "car")
CANVAS_WH = (384, 224)
STRIDE_PX = 8
_WIDTHS = (16, 28, 44, 64, 80)
_RARE = 0.01
"""An untrained score: most cells hold nothing, so the first loss is not all about saying so."""


def _conv(inside: int, outside: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inside, outside, 3, stride, 1, bias=False), nn.BatchNorm2d(outside, momentum=0.03), nn.ReLU()
    )


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(_conv(width, width), _conv(width, width))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class DrawnNet(nn.Module):
    """uint8 (B, H, W, 3) RGB → boxes float32 (B, N, 4) xyxy canvas pixels, scores float32 (B, N, K) in [0, 1].

    H and W are multiples of 32; N = H / 8 · W / 8, row by row.
    """

    def __init__(self, classes: int = len(LABELS)) -> None:
        super().__init__()
        a, b, c, d, e = _WIDTHS
        self.stem = nn.Sequential(_conv(3, a, 2), _conv(a, b, 2))
        self.eighth = nn.Sequential(_conv(b, c, 2), _Residual(c))
        self.sixteenth = nn.Sequential(_conv(c, d, 2), _Residual(d))
        self.bottom = nn.Sequential(_conv(d, e, 2), _conv(e, e))
        self.up_sixteenth = nn.Conv2d(e, d, 1)
        self.mix_sixteenth = _conv(d, d)
        self.up_eighth = nn.Conv2d(d, c, 1)
        self.mix_eighth = _conv(c, c)
        self.score_head = nn.Sequential(_conv(c, c), nn.Conv2d(c, classes, 1))
        self.box_head = nn.Sequential(_conv(c, c), nn.Conv2d(c, 4, 1))
        nn.init.constant_(self.score_head[-1].bias, float(torch.logit(torch.tensor(_RARE))))
        nn.init.normal_(self.box_head[-1].weight, std=0.01)
        # From a cell's centre and a size of e^1.2 strides (27 px): near the middle of what there is to find.
        self.box_head[-1].bias.data = torch.tensor([0.0, 0.0, 0.8, 1.4])

    def cells(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Decoded boxes (B, N, 4) in canvas pixels and score logits (B, N, K): what the loss works on."""
        x = images.permute(0, 3, 1, 2).to(torch.float32) * (1 / 64) - 2.0
        eighth = self.eighth(self.stem(x))
        sixteenth = self.sixteenth(eighth)
        bottom = self.bottom(sixteenth)
        up = F.interpolate(self.up_sixteenth(bottom), scale_factor=2.0, mode="nearest")
        sixteenth = self.mix_sixteenth(sixteenth + up)
        up = F.interpolate(self.up_eighth(sixteenth), scale_factor=2.0, mode="nearest")
        eighth = self.mix_eighth(eighth + up)
        logits = self.score_head(eighth).flatten(2).transpose(1, 2)
        offsets = self.box_head(eighth).flatten(2).transpose(1, 2).float()
        centres = cell_centres(images.shape[2], images.shape[1], offsets.device)
        middle = centres + offsets[..., :2] * STRIDE_PX
        half = torch.exp(offsets[..., 2:].clamp(-3.0, 4.5)) * (STRIDE_PX / 2)
        return torch.cat([middle - half, middle + half], -1), logits.float()

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Boxes and scores, as the service reads them."""
        boxes, logits = self.cells(images)
        return boxes, logits.sigmoid()


def cell_centres(width_px: int, height_px: int, device: torch.device) -> Tensor:
    """Float32 (N, 2): where the cells of a canvas are, x and y in canvas pixels, row by row."""
    xs = (torch.arange(width_px // STRIDE_PX, device=device, dtype=torch.float32) + 0.5) * STRIDE_PX
    ys = (torch.arange(height_px // STRIDE_PX, device=device, dtype=torch.float32) + 0.5) * STRIDE_PX
    y, x = torch.meshgrid(ys, xs, indexing="ij")
    return torch.stack([x, y], -1).reshape(-1, 2)
