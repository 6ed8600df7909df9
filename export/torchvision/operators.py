"""torchvision, with operators that run: its own, or plain torch ones where its own cannot be loaded.

The wheel on the public package index is linked against CUDA. Beside a CPU-only torch its library does not load, and
`import torchvision` ends with "operator torchvision::nms does not exist". The detectors need two of its operators, and
only while torch runs them: in an exported graph both are ONNX's own. Where torchvision imports as it is, nothing here
is touched.
"""

from __future__ import annotations

import importlib
import sys
from functools import cache
from types import ModuleType

import numpy as np
import torch
from torch.nn import functional as F

from streamer.detect.nms import nms as suppress
from streamer.errors import ConfigError

_ROIS_AT_ONCE = 128


def import_torchvision() -> ModuleType:
    """The package, ready to run its detectors. Raises ConfigError where it is missing or does not fit this torch."""
    try:
        return importlib.import_module("torchvision")
    except ModuleNotFoundError:
        raise  # the command line says which extra brings it
    except (ImportError, RuntimeError, AttributeError) as error:
        if "torchvision::nms" not in str(error):
            raise _unfit(error) from error
    _plain_operators()
    try:
        package = importlib.import_module("torchvision")
    except (ImportError, RuntimeError, AttributeError) as error:
        raise _unfit(error) from error
    # Both ask before they call an operator; the second one has its own copy of the question.
    for name in ("torchvision.extension", "torchvision.ops.roi_align"):
        vars(sys.modules[name])["_has_ops"] = _has_operators
    return package


def operators_are_torchvisions() -> bool:
    """True where torchvision brought its own operators, False where the plain ones stand in."""
    return vars(sys.modules["torchvision.extension"])["_has_ops"] is not _has_operators


def plain_nms(boxes: torch.Tensor, scores: torch.Tensor, iou_threshold: float) -> torch.Tensor:
    """torchvision.ops.nms: float (N, 4) xyxy, float (N,) → int64 (K,), rows that stay by falling score."""
    one_class = np.zeros(len(boxes), np.int64)
    boxes, scores = boxes.detach().float(), scores.detach().float()
    rows = suppress(boxes.numpy(), scores.numpy(), one_class, iou_threshold, max(1, len(boxes)))
    return torch.from_numpy(rows)


def plain_roi_align(
    features: torch.Tensor,
    rois: torch.Tensor,
    spatial_scale: float,
    pooled_height: int,
    pooled_width: int,
    sampling_ratio: int,
    aligned: bool,
) -> torch.Tensor:
    """torchvision.ops.roi_align for a fixed sampling ratio (He et al. 2017, arXiv:1703.06870, section 3).

    features float (B, C, H, W), rois float (R, 5): picture, xyxy → float (R, C, pooled_height, pooled_width); every
    value is the mean of sampling_ratio² bilinear samples. Samples more than a pixel outside count as 0, nearer ones
    take the border's value. Raises ValueError for a sampling ratio below 1 (as many samples as the roi is large).
    """
    if sampling_ratio < 1:
        raise ValueError(f"sampling_ratio must be 1 or more; got {sampling_ratio}")
    pooled = (pooled_height, pooled_width)
    parts = [
        _sampled(features, part, spatial_scale, pooled, sampling_ratio, aligned) for part in rois.split(_ROIS_AT_ONCE)
    ]
    return torch.cat(parts) if parts else features.new_zeros((0, features.shape[1], *pooled))


def _sampled(
    features: torch.Tensor, rois: torch.Tensor, scale: float, pooled_hw: tuple[int, int], ratio: int, aligned: bool
) -> torch.Tensor:
    corners = rois[:, 1:] * scale - (0.5 if aligned else 0.0)
    sides = corners[:, 2:] - corners[:, :2]
    if not aligned:
        sides = sides.clamp(min=1.0)
    x = _samples(corners[:, 0], sides[:, 0], pooled_hw[1] * ratio)[:, None, :]
    y = _samples(corners[:, 1], sides[:, 1], pooled_hw[0] * ratio)[:, :, None]
    height, width = features.shape[-2:]
    inside = (x >= -1) & (x <= width) & (y >= -1) & (y <= height)
    # grid_sample counts from -1 at the first pixel's centre to 1 at the last one's.
    grid = torch.stack(torch.broadcast_tensors(x * (2 / max(width - 1, 1)) - 1, y * (2 / max(height - 1, 1)) - 1), -1)
    values = features.new_zeros((len(rois), features.shape[1], *pooled_hw))
    for picture in rois[:, 0].unique().long().tolist():
        of_it = rois[:, 0] == picture
        n = int(of_it.sum())
        # All rois of a picture as one tall grid: one look-up, and no copy of the features for each roi.
        sampled = F.grid_sample(
            features[picture : picture + 1], grid[of_it].flatten(0, 1)[None], padding_mode="border", align_corners=True
        )
        sampled = sampled[0].unflatten(1, (n, -1)) * inside[of_it]
        values[of_it] = F.avg_pool2d(sampled, ratio).transpose(0, 1)
    return values


def _samples(first: torch.Tensor, side: torch.Tensor, n: int) -> torch.Tensor:
    """n places spread evenly over each side: float (R,), float (R,) → float (R, n)."""
    return first[:, None] + side[:, None] * ((torch.arange(n) + 0.5) / n)


def _has_operators() -> bool:
    # A function with a source of its own, not a lambda: torchvision hands it to torch's script compiler.
    return True


@cache
def _plain_operators() -> torch.library.Library:
    """The operators under torchvision's names, for CPU tensors; they last as long as what is returned."""
    library = torch.library.Library("torchvision", "FRAGMENT")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # only asked to exist
    library.define(
        "roi_align(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width, "
        "int sampling_ratio, bool aligned) -> Tensor"
    )
    library.impl("nms", plain_nms, "CPU")
    library.impl("roi_align", plain_roi_align, "CPU")
    return library


def _unfit(error: Exception) -> ConfigError:
    said = str(error).strip().splitlines()
    return ConfigError(
        [
            f"torchvision does not work beside torch {torch.__version__} "
            f"({said[0] if said else type(error).__name__}): each torchvision fits one torch; "
            "pip install 'streamer[train]' brings a pair that fits"
        ]
    )
