"""ONNX operators that look at neighbours: convolutions, pools, padding, resizing, as torch has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from streamer.sessions.on_torch.operators import Attributes, Operator, ints

_CONVOLUTIONS = {3: F.conv1d, 4: F.conv2d}
_TRANSPOSED = {3: F.conv_transpose1d, 4: F.conv_transpose2d}


def _list(attributes: Attributes, name: str, default: Sequence[int]) -> list[int]:
    return list(cast(Sequence[int], attributes.get(name, default)))


def _sides(attributes: Attributes, axes: int) -> tuple[list[int], list[int]]:
    """Padding before and after each of so many axes. Raises ValueError for what only a picture's size would tell."""
    if attributes.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        raise ValueError(f"auto_pad {attributes['auto_pad']} is not supported")
    pads = _list(attributes, "pads", [0] * 2 * axes)
    return pads[:axes], pads[axes:]


def _around(x: Tensor, before: list[int], after: list[int], value: float) -> Tensor:
    """torch pads the last axis first."""
    pairs = [number for pair in list(zip(before, after, strict=True))[::-1] for number in pair]
    return F.pad(x, pairs, value=value)


def _conv(attributes: Attributes, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    axes = x.ndim - 2
    before, after = _sides(attributes, axes)
    if before != after:
        x, before = _around(x, before, after, 0.0), [0] * axes
    strides, dilations = _list(attributes, "strides", [1] * axes), _list(attributes, "dilations", [1] * axes)
    groups = int(cast(int, attributes.get("group", 1)))
    return _CONVOLUTIONS[x.ndim](x, weight, bias, strides, before, dilations, groups)


def _conv_transposed(attributes: Attributes, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    axes = x.ndim - 2
    before, after = _sides(attributes, axes)
    if before != after or "output_shape" in attributes:
        raise ValueError("ConvTranspose with uneven pads or an output_shape is not supported")
    strides, dilations = _list(attributes, "strides", [1] * axes), _list(attributes, "dilations", [1] * axes)
    more, groups = _list(attributes, "output_padding", [0] * axes), int(cast(int, attributes.get("group", 1)))
    return _TRANSPOSED[x.ndim](x, weight, bias, strides, before, more, groups, dilations)


def _max_pool(attributes: Attributes, x: Tensor) -> Tensor:
    axes = x.ndim - 2
    before, after = _sides(attributes, axes)
    kernel, strides = _list(attributes, "kernel_shape", []), _list(attributes, "strides", [1] * axes)
    dilations = _list(attributes, "dilations", [1] * axes)
    if before != after or any(2 * pad > side for pad, side in zip(before, kernel, strict=True)):
        x, before = _around(x, before, after, float("-inf")), [0] * axes
    return F.max_pool2d(x, kernel, strides, before, dilations, bool(attributes.get("ceil_mode", 0)))


def _average_pool(attributes: Attributes, x: Tensor) -> Tensor:
    before, after = _sides(attributes, x.ndim - 2)
    if before != after:
        raise ValueError("AveragePool with uneven pads is not supported")
    kernel, strides = _list(attributes, "kernel_shape", []), _list(attributes, "strides", [1] * (x.ndim - 2))
    counted = bool(attributes.get("count_include_pad", 0))
    return F.avg_pool2d(x, kernel, strides, before, bool(attributes.get("ceil_mode", 0)), counted)


def _pad(
    attributes: Attributes, x: Tensor, pads: Tensor, value: Tensor | None = None, axes: Tensor | None = None
) -> Tensor:
    sides = ints(pads) or []
    over = [axis % x.ndim for axis in ints(axes) or range(x.ndim)]
    before, after = [0] * x.ndim, [0] * x.ndim
    for i, axis in enumerate(over):
        before[axis], after[axis] = sides[i], sides[i + len(over)]
    mode = attributes.get("mode", "constant")
    if mode == "constant":
        return _around(x, before, after, 0.0 if value is None else value.item())
    inner = [number for pair in list(zip(before, after, strict=True))[:1:-1] for number in pair]
    return F.pad(x, inner, {"reflect": "reflect", "edge": "replicate"}[str(mode)])


def _resize(
    attributes: Attributes,
    x: Tensor,
    _: Tensor | None = None,
    scales: Tensor | None = None,
    sizes: Tensor | None = None,
) -> Tensor:
    """Nearest and linear on the last two axes, as detectors enlarge feature maps; the rest is refused."""
    mode, where = attributes.get("mode", "nearest"), attributes.get("coordinate_transformation_mode", "half_pixel")
    wanted = ints(sizes)
    factors = [] if scales is None else [float(each) for each in scales.reshape(-1).tolist()]
    out = wanted[2:] if wanted else [int(size * factor) for size, factor in zip(x.shape[2:], factors[2:], strict=True)]
    if mode == "nearest":
        # Whole factors, as feature pyramids have: every way to round picks the same neighbour.
        if any(new % old for new, old in zip(out, x.shape[2:], strict=True)):
            raise ValueError(f"Resize by nearest from {tuple(x.shape[2:])} to {tuple(out)} is not supported")
        return F.interpolate(x, size=out, mode="nearest")
    smooth = bool(attributes.get("antialias", 0))
    # Both scale by the factor that is given, which is not always the ratio of the sizes.
    by = {"scale_factor": factors[2:]} if factors else {"size": out}
    if smooth and not attributes.get("exclude_outside", 0):
        raise ValueError("Resize with antialias counts what lies outside in another way here, unless exclude_outside")
    if mode == "linear" and where in ("half_pixel", "align_corners"):
        return F.interpolate(x, mode="bilinear", align_corners=where == "align_corners", antialias=smooth, **by)
    raise ValueError(f"Resize by {mode} with {where} is not supported")


WINDOWS: dict[str, Operator] = {
    "AveragePool": _average_pool,
    "Conv": _conv,
    "ConvTranspose": _conv_transposed,
    "GlobalAveragePool": lambda _, x: torch.mean(x, tuple(range(2, x.ndim)), keepdim=True),
    "MaxPool": _max_pool,
    "Pad": _pad,
    "Resize": _resize,
}
