"""ONNX operators as torch has them: element by element, sums over axes, products.

Each takes the node's tensors (None for one that is left out) and its attributes, and means what the ONNX operator of
its name means in opsets 11 to 21 (tests hold every one to ONNX Runtime). Numbers that only steer (axes, shapes) are
tensors on the CPU, so that reading them waits for no GPU.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

Attributes = Mapping[str, Any]  # numbers, lists of them, text or an array: what the operator has there
Operator = Callable[..., Any]

TYPES = {
    1: torch.float32, 2: torch.uint8, 3: torch.int8, 6: torch.int32, 7: torch.int64, 9: torch.bool,
    10: torch.float16, 11: torch.float64,
}  # fmt: skip


def ints(tensor: Tensor | None) -> list[int] | None:
    """Steering numbers as Python's; None where they are left out."""
    return None if tensor is None else [int(each) for each in tensor.reshape(-1).tolist()]


def axes_of(attributes: Attributes, axes: Tensor | None) -> list[int] | None:
    """Axes, which old opsets have as an attribute and new ones as an input."""
    given = attributes.get("axes")
    return ints(axes) if given is None else list(given)


def _reduction(reduce: Callable[[Tensor, list[int], bool], Tensor]) -> Operator:
    def operator(attributes: Attributes, x: Tensor, axes: Tensor | None = None) -> Tensor:
        over = axes_of(attributes, axes)
        if over is None or not over:
            if attributes.get("noop_with_empty_axes", 0):
                return x
            over = list(range(x.ndim))
        return reduce(x, over, bool(attributes.get("keepdims", 1)))

    return operator


def _least(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    return torch.amin(x, axes, keepdim=keep)


def _most(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    return torch.amax(x, axes, keepdim=keep)


def _cast(attributes: Attributes, x: Tensor) -> Tensor:
    return x.to(TYPES[int(attributes["to"])])


def _clip(attributes: Attributes, x: Tensor, least: Tensor | None = None, most: Tensor | None = None) -> Tensor:
    low = attributes.get("min") if least is None else least.item()
    high = attributes.get("max") if most is None else most.item()
    return torch.clamp(x, low, high)


def _softmax(attributes: Attributes, x: Tensor) -> Tensor:
    return torch.softmax(x, int(attributes.get("axis", -1)))


def _gemm(attributes: Attributes, a: Tensor, b: Tensor, c: Tensor | None = None) -> Tensor:
    a = a.T if attributes.get("transA", 0) else a
    b = b.T if attributes.get("transB", 0) else b
    product = float(attributes.get("alpha", 1.0)) * (a @ b)
    return product if c is None else product + float(attributes.get("beta", 1.0)) * c


def _normalised(
    attributes: Attributes, x: Tensor, scale: Tensor, shift: Tensor, mean: Tensor, variance: Tensor
) -> Tensor:
    return F.batch_norm(x, mean, variance, scale, shift, False, 0.0, float(attributes.get("epsilon", 1e-5)))


def _div(a: Tensor, b: Tensor) -> Tensor:
    return torch.div(a, b) if a.is_floating_point() else torch.div(a, b, rounding_mode="trunc")


def _several(combine: Callable[[Tensor, Tensor], Tensor]) -> Operator:
    def operator(_: Attributes, first: Tensor, *others: Tensor) -> Tensor:
        for other in others:
            first = combine(first, other)
        return first

    return operator


def _plain(compute: Callable[..., Tensor]) -> Operator:
    return lambda _, *tensors: compute(*tensors)


def _number(attributes: Attributes, name: str, default: float) -> float:
    return float(attributes.get(name, default))


ELEMENTWISE: dict[str, Operator] = {
    "Abs": _plain(torch.abs),
    "Add": _plain(torch.add),
    "And": _plain(torch.logical_and),
    "BatchNormalization": _normalised,
    "Cast": _cast,
    "Ceil": _plain(torch.ceil),
    "Clip": _clip,
    "Div": _plain(_div),
    "Equal": _plain(torch.eq),
    "Erf": _plain(torch.erf),
    "Exp": _plain(torch.exp),
    "Floor": _plain(torch.floor),
    "Gemm": _gemm,
    "Greater": _plain(torch.gt),
    "HardSigmoid": lambda a, x: torch.clamp(_number(a, "alpha", 0.2) * x + _number(a, "beta", 0.5), 0, 1),
    "HardSwish": _plain(F.hardswish),
    "Identity": lambda _, x: x,
    "LeakyRelu": lambda a, x: F.leaky_relu(x, _number(a, "alpha", 0.01)),
    "Less": _plain(torch.lt),
    "Log": _plain(torch.log),
    "MatMul": _plain(torch.matmul),
    "Max": _several(torch.maximum),
    "Min": _several(torch.minimum),
    "Mul": _plain(torch.mul),
    "Neg": _plain(torch.neg),
    "Not": _plain(torch.logical_not),
    "Pow": _plain(torch.pow),
    "ReduceMax": _reduction(_most),
    "ReduceMean": _reduction(lambda x, axes, keep: torch.mean(x, axes, keepdim=keep)),
    "ReduceMin": _reduction(_least),
    "ReduceSum": _reduction(lambda x, axes, keep: torch.sum(x, axes, keepdim=keep, dtype=x.dtype)),
    "Relu": _plain(torch.relu),
    "Sigmoid": _plain(torch.sigmoid),
    "Softmax": _softmax,
    "Softplus": _plain(F.softplus),
    "Sqrt": _plain(torch.sqrt),
    "Sub": _plain(torch.sub),
    "Sum": _several(torch.add),
    "Tanh": _plain(torch.tanh),
    "Where": _plain(torch.where),
}
