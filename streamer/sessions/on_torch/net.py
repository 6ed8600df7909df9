"""An ONNX graph as a list of torch calls, one per node; weights once on the device, nothing read back while it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from streamer.errors import ArtifactError
from streamer.sessions.on_torch.graph_file import GraphFile, Node, Value
from streamer.sessions.on_torch.operators import ELEMENTWISE, Operator
from streamer.sessions.on_torch.shapes import MOVING
from streamer.sessions.on_torch.windows import WINDOWS

OPERATORS: Mapping[str, Operator] = {**ELEMENTWISE, **MOVING, **WINDOWS}

_FLOAT, _FLOAT16 = 1, 10
_QUANTISED = {"QuantizeLinear", "DequantizeLinear", "QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger"}
# Inputs that only steer: numbers that Python needs, so they stay on the CPU.
_STEERING = {
    "Clip": {1, 2}, "ConstantOfShape": {0}, "Expand": {1}, "Pad": {1, 2, 3}, "Range": {0, 1, 2}, "ReduceMax": {1},
    "ReduceMean": {1}, "ReduceMin": {1}, "ReduceSum": {1}, "Reshape": {1}, "Resize": {1, 2, 3}, "Slice": {1, 2, 3, 4},
    "Split": {1}, "Squeeze": {1}, "Tile": {1}, "TopK": {1}, "Unsqueeze": {1},
}  # fmt: skip
_INDEXING = {"Gather": 1, "GatherElements": 1}


@dataclass(frozen=True, slots=True)
class _Step:
    operator: Operator
    node: Node
    attributes: Mapping[str, Value]
    forget: tuple[str, ...]  # what nobody needs behind this step


class TorchNet:
    """A graph on one torch device. halves: floats are computed in half precision. Not for two threads at once."""

    def __init__(self, graph: GraphFile, named: str, device: torch.device, *, halves: bool = False) -> None:
        """Raises ArtifactError, with its name, where an operator is not among OPERATORS."""
        self.device, self.floats = device, torch.float16 if halves else None
        self._named = named
        needed = {each.name for each in graph.outputs}
        forget: list[tuple[str, ...]] = []
        for node in reversed(graph.nodes):
            names = {name for name in node.inputs if name} - needed
            forget.append(tuple(sorted(names - graph.weights.keys())))
            needed |= names
        self._steps = [
            _Step(_operator(node, named), node, self._attributes(node), gone)
            for node, gone in zip(graph.nodes, reversed(forget), strict=True)
        ]
        steering = _steering(graph)
        self._weights = {name: self._weight(value, name in steering) for name, value in graph.weights.items()}

    def run(self, outputs: Sequence[str], feed: Mapping[str, Tensor]) -> list[Tensor]:
        """The named outputs, on the device; feed: on the device. Errors are torch's own, or ValueError."""
        values: dict[str, Any] = dict(self._weights)
        for name, tensor in feed.items():
            values[name] = tensor.to(self.floats) if self.floats and tensor.is_floating_point() else tensor
        with torch.inference_mode():
            for step in self._steps:
                node = step.node
                given = [values[name] if name else None for name in node.inputs]
                made = step.operator(step.attributes, *given)
                values.update(zip(node.outputs, made if isinstance(made, tuple) else (made,), strict=False))
                for name in step.forget:
                    values.pop(name, None)
        return [values[name] for name in outputs]

    def _attributes(self, node: Node) -> Mapping[str, Value]:
        if node.operator == "Split":  # equal parts, as many as there are names
            return {**node.attributes, "outputs": len(node.outputs)}
        if node.operator == "Cast" and self.floats and node.attributes.get("to") == _FLOAT:
            return {**node.attributes, "to": _FLOAT16}  # what the file calls float is what is computed in
        return node.attributes

    def _weight(self, value: NDArray[Any], steers: bool) -> Tensor:
        tensor = torch.from_numpy(np.ascontiguousarray(value).reshape(value.shape))
        if steers:
            return tensor
        return tensor.to(self.device, self.floats if self.floats and tensor.is_floating_point() else tensor.dtype)


def _operator(node: Node, named: str) -> Operator:
    if node.operator in OPERATORS:
        return OPERATORS[node.operator]
    if node.operator in _QUANTISED:
        raise ArtifactError(
            f"{named}: holds {node.operator}: a model in eight bits gains nothing under torch; name the folder that it "
            "was made from"
        )
    raise ArtifactError(
        f"{named}: the torch backend has no operator {node.operator} (node '{node.name}'); run it by ONNX Runtime"
    )


def _steering(graph: GraphFile) -> set[str]:
    """Weights that stay on the CPU: those that steer, and whole numbers unless they pick out of a picture's values."""
    picks = {
        node.inputs[place] for node in graph.nodes for operator, place in _INDEXING.items() if node.operator == operator
    }
    steers = {
        name
        for node in graph.nodes
        for place, name in enumerate(node.inputs)
        if place in _STEERING.get(node.operator, ())
    }
    whole = {name for name, value in graph.weights.items() if value.dtype.kind == "i"}
    return (steers | whole) - (picks - steers)
