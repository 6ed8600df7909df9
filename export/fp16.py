"""A float32 graph → the same graph with weights and feature maps in half precision.

For GPUs, where it halves memory traffic and doubles arithmetic. ONNX Runtime's processor kernels compute it in float32,
with casts in between: it runs there, and no faster. Inputs and outputs keep names, types and shapes.

Half precision has eleven bits: near 416 px its steps are 0.25 px, so the tail (see `anatomy`), where distances become
boxes, stays in float32, as does everything that has no business in half. ONNX Runtime's own converter sends the result
of every float32 node through half precision on its way to the next one, which is what must not happen here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from export.anatomy import Anatomy, reads
from export.calibration import Method, measure_ranges
from export.prepare import prepared
from export.traces import without_traces

LARGEST = float(np.finfo(np.float16).max)

_IN_HALF = frozenset({
    "Add", "AveragePool", "BatchNormalization", "Clip", "Concat", "Conv", "ConvTranspose", "Div", "Elu", "Erf",
    "Flatten", "Gather", "Gelu", "Gemm", "GlobalAveragePool", "HardSigmoid", "HardSwish", "Identity",
    "LayerNormalization", "LeakyRelu", "MatMul", "MaxPool", "Mish", "Mul", "PRelu", "Pad", "Relu", "Reshape", "Resize",
    "Sigmoid", "Slice", "Softmax", "Softplus", "Split", "Squeeze", "Sub", "Tanh", "Transpose", "Unsqueeze",
})  # fmt: skip
_DATA_ONLY = frozenset({"Resize"})
"""Nodes whose further float inputs are settings, and float32 by the specification."""


def to_fp16(graph: bytes) -> bytes:
    """The graph in half precision. Raises ValueError where weights would overflow, naming the largest."""
    model = prepared(graph)
    anatomy = Anatomy(model)
    model = onnx.shape_inference.infer_shapes(model)
    _Halving(model, anatomy).run()
    del model.graph.value_info[:]
    onnx.checker.check_model(without_traces(model), full_check=True)
    return bytes(model.SerializeToString())


class _Halving:
    """One pass over a graph, node by node in its order."""

    def __init__(self, model: ModelProto, anatomy: Anatomy) -> None:
        self._graph = graph = model.graph
        known = (*graph.input, *graph.output, *graph.value_info)
        self._types = {each.name: each.type.tensor_type.elem_type for each in known}
        self._types |= {each.name: each.data_type for each in graph.initializer}
        self._constants = {each.name: each for each in graph.initializer}
        self._outputs = {each.name for each in graph.output}
        # What a branch or a loop body reads from outside is read there by its own name: it keeps its type.
        captured = {name for node in graph.node for name in set(reads(node)) - set(node.input)}
        self._halved = {
            node.name
            for node in graph.node
            if node.op_type in _IN_HALF and node.name not in anatomy.tail and captured.isdisjoint(node.output)
        }
        self._copies: dict[tuple[str, int], str] = {}
        self._half: set[str] = set()  # float tensors that are now in half precision
        self._nodes: list[NodeProto] = []

    def run(self) -> None:
        """Rewrite the graph in place."""
        for node in list(self._graph.node):
            halved = node.name in self._halved
            for i, name in enumerate(node.input):
                if self._types.get(name) != TensorProto.FLOAT:
                    continue
                if halved and not (i and node.op_type in _DATA_ONLY):
                    node.input[i] = self._as(name, TensorProto.FLOAT16)
                else:
                    node.input[i] = self._as(name, TensorProto.FLOAT)
            self._nodes.append(node)
            if not halved:
                continue
            for i, name in enumerate(node.output):
                if self._types.get(name) != TensorProto.FLOAT:
                    continue
                if name in self._outputs:
                    node.output[i] = f"{name}/half"
                    self._cast(node.output[i], name, TensorProto.FLOAT)
                    self._copies[name, TensorProto.FLOAT16] = node.output[i]
                else:
                    self._half.add(name)
        del self._graph.node[:]
        self._graph.node.extend(self._nodes)
        used = {name for node in self._graph.node for name in reads(node)} | self._outputs
        for constant in [each for each in self._graph.initializer if each.name not in used]:
            self._graph.initializer.remove(constant)

    def _as(self, name: str, wanted: int) -> str:
        """The tensor of that name in that type: itself, a constant rounded now, or one cast for all who ask."""
        if (name in self._half) == (wanted == TensorProto.FLOAT16):
            return name
        if (name, wanted) not in self._copies:
            copy = f"{name}/{'half' if wanted == TensorProto.FLOAT16 else 'single'}"
            if name in self._constants:
                self._graph.initializer.append(_rounded(self._constants[name], copy))
            else:
                self._cast(name, copy, wanted)
            self._copies[name, wanted] = copy
        return self._copies[name, wanted]

    def _cast(self, name: str, to_name: str, to: int) -> None:
        self._nodes.append(helper.make_node("Cast", [name], [to_name], f"{to_name}/cast", to=to))


def _rounded(constant: TensorProto, name: str) -> TensorProto:
    values = numpy_helper.to_array(constant)
    largest = float(np.abs(values).max(initial=0.0))
    if largest > LARGEST:
        raise ValueError(f"'{constant.name}' holds {largest:g}; half precision ends at {LARGEST:g}")
    return numpy_helper.from_array(values.astype(np.float16), name)


def headroom(graph: bytes, tensors: Iterable[NDArray[Any]]) -> float:
    """How many times larger the halved values of a float32 graph could be before half precision overflows.

    tensors: what the net is fed with, one run each. A processor that computes half precision in float32 would not
    notice an overflow; a GPU would. The tail is not halved, so its values do not count.
    """
    model = prepared(graph)
    tail = Anatomy(model).tail
    early = [node for node in model.graph.node if node.name not in tail and node.op_type in _IN_HALF]
    ranges = measure_ranges(model, sorted({node.op_type for node in early}), tensors, Method.MINMAX)
    ends = [abs(end) for node in early for name in node.output if name in ranges for end in ranges[name]]
    return LARGEST / max(ends, default=LARGEST)
