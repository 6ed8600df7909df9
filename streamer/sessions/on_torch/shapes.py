"""ONNX operators that move values about without computing with them, as torch has them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from streamer.sessions.on_torch.operators import Attributes, Operator, axes_of, ints


def _axis(attributes: Attributes, default: int = 0) -> int:
    return int(attributes.get("axis", default))


def _concat(attributes: Attributes, *tensors: Tensor) -> Tensor:
    return torch.cat(tensors, _axis(attributes))


def _constant(attributes: Attributes) -> Tensor:
    for name in ("value", "value_float", "value_int", "value_floats", "value_ints"):
        if name in attributes:
            return torch.as_tensor(attributes[name])
    raise ValueError(f"a Constant with {', '.join(attributes)} is not supported")


def _filled(attributes: Attributes, shape: Tensor) -> Tensor:
    value = torch.as_tensor(attributes.get("value", 0.0))
    return torch.full(ints(shape) or [], value.reshape(-1)[0].item(), dtype=value.dtype)


def _expand(_: Attributes, x: Tensor, shape: Tensor) -> Tensor:
    return x.expand(torch.broadcast_shapes(x.shape, ints(shape) or []))


def _flatten(attributes: Attributes, x: Tensor) -> Tensor:
    axis = _axis(attributes, 1) % (x.ndim + 1)
    rows = 1
    for size in x.shape[:axis]:
        rows *= size
    return x.reshape(rows, -1)


def _gather(attributes: Attributes, x: Tensor, indices: Tensor) -> Tensor:
    axis = _axis(attributes) % x.ndim
    flat = indices.to(x.device).reshape(-1)
    picked = torch.index_select(x, axis, torch.where(flat < 0, flat + x.shape[axis], flat))
    return picked.reshape(*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])


def _reshape(attributes: Attributes, x: Tensor, shape: Tensor) -> Tensor:
    wanted = ints(shape) or []
    if not attributes.get("allowzero", 0):
        wanted = [x.shape[i] if size == 0 else size for i, size in enumerate(wanted)]
    return x.reshape(wanted)


def _shape(attributes: Attributes, x: Tensor) -> Tensor:
    start, end = (int(attributes.get(k, d)) for k, d in (("start", 0), ("end", x.ndim)))
    return torch.tensor(list(x.shape)[start:end], dtype=torch.int64)


def _slice(
    _: Attributes, x: Tensor, starts: Tensor, ends: Tensor, axes: Tensor | None = None, steps: Tensor | None = None
) -> Tensor:
    begin, until = ints(starts) or [], ints(ends) or []
    over = ints(axes) or list(range(len(begin)))
    by = ints(steps) or [1] * len(begin)
    chosen: list[Any] = [slice(None)] * x.ndim
    for axis, first, last, step in zip(over, begin, until, by, strict=True):
        if step < 1:  # torch counts upwards only
            picked = torch.arange(x.shape[axis])[::1].numpy()[first : _open(last) : step].copy()
            x = torch.index_select(x, axis % x.ndim, torch.from_numpy(picked).to(x.device))
        else:
            chosen[axis] = slice(first, last, step)
    return x[tuple(chosen)]


def _open(last: int) -> int | None:
    """ONNX writes "down to the first one" as a number far below -size; Python has None for it."""
    return None if last < -(1 << 30) else last


def _split(attributes: Attributes, x: Tensor, sizes: Tensor | None = None) -> tuple[Tensor, ...]:
    axis, given = _axis(attributes), attributes.get("split")
    wanted = ints(sizes) if given is None else list(given)
    if wanted is None:
        parts = int(attributes.get("num_outputs", 0)) or int(attributes["outputs"])
        whole, rest = divmod(x.shape[axis], -(-x.shape[axis] // parts))
        wanted = [-(-x.shape[axis] // parts)] * whole + ([rest] if rest else [])
    parts_of: tuple[Tensor, ...] = torch.split(x, wanted, axis)
    return parts_of


def _squeeze(attributes: Attributes, x: Tensor, axes: Tensor | None = None) -> Tensor:
    over = axes_of(attributes, axes)
    return x.squeeze() if over is None else x.squeeze(tuple(over))


def _tile(_: Attributes, x: Tensor, times: Tensor) -> Tensor:
    return x.repeat(*(ints(times) or []))


def _transpose(attributes: Attributes, x: Tensor) -> Tensor:
    order = attributes.get("perm") or list(range(x.ndim))[::-1]
    return x.permute(*order)


def _unsqueeze(attributes: Attributes, x: Tensor, axes: Tensor | None = None) -> Tensor:
    over = axes_of(attributes, axes) or []
    for axis in sorted(each % (x.ndim + len(over)) for each in over):
        x = x.unsqueeze(axis)
    return x


def _best(attributes: Attributes, x: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
    largest, ordered = bool(attributes.get("largest", 1)), bool(attributes.get("sorted", 1))
    values, indices = torch.topk(x, (ints(k) or [0])[0], _axis(attributes, -1), largest, ordered)
    return values, indices


MOVING: dict[str, Operator] = {
    "Concat": _concat,
    "Constant": _constant,
    "ConstantOfShape": _filled,
    "Expand": _expand,
    "Flatten": _flatten,
    "Gather": _gather,
    "GatherElements": lambda a, x, i: torch.gather(x, _axis(a), torch.where(i < 0, i + x.shape[_axis(a)], i)),
    "Range": lambda _, first, last, step: torch.arange(first.item(), last.item(), step.item(), dtype=first.dtype),
    "Reshape": _reshape,
    "Shape": _shape,
    "Slice": _slice,
    "Split": _split,
    "Squeeze": _squeeze,
    "Tile": _tile,
    "TopK": _best,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
