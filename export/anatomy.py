"""Where a detector's graph learns and where it only calculates: which nodes may lose precision, and which must not.

A *layer* is a convolution or matrix product with weights of its own. From the first to the last of them a graph carries
feature maps, which bear rounding well. Before the first, pixels are normalised; behind the last, in the *tail*, scores
become probabilities and distances become boxes. Coordinates are what reduced precision ruins first (half precision
knows steps of 0.25 px at 416 px), and the tail costs next to nothing: it is always left in float32.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from onnx import AttributeProto, GraphProto, ModelProto, NodeProto

LAYER_TYPES = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
LEAST_WEIGHTS = 32
"""A product with fewer constants is arithmetic, not a layer: the expectation over a distance's bins is one of these."""


class Anatomy:
    """One graph, read once; nodes are known by name afterwards.

    layers: names of all layers, in the graph's order. last_layers: those that no further layer builds on.
    tail: names of the nodes behind them, and of all others that no layer builds on. normalising: nodes that no layer
    comes before, and that some layer builds on.
    """

    def __init__(self, model: ModelProto) -> None:
        graph = model.graph
        name_nodes(graph)
        weights = {each.name: prod(each.dims) for each in graph.initializer}
        layers = [node for node in graph.node if _is_layer(node, weights)]
        self.layers = tuple(node.name for node in layers)
        among = set(self.layers)

        built_on: set[str] = set()  # tensors that some layer, near or far, takes in
        leads_on: set[str] = set()
        for node in reversed(graph.node):
            if any(name in built_on for name in node.output):
                leads_on.add(node.name)
            if node.name in among or node.name in leads_on:
                built_on.update(reads(node))
        self.last_layers = tuple(name for name in self.layers if name not in leads_on)
        self.tail = frozenset(node.name for node in graph.node if node.name not in leads_on and node.name not in among)

        learnt: set[str] = set()  # tensors that some layer had a part in
        early = set()
        for node in graph.node:
            if node.name in among or any(name in learnt for name in reads(node)):
                learnt.update(node.output)
            elif node.name in leads_on:
                early.add(node.name)
        self.normalising = frozenset(early)


def name_nodes(graph: GraphProto) -> None:
    """Give every node a name of its own, in place: exporters may leave them out, or use one twice."""
    taken: set[str] = set()
    for number, node in enumerate(graph.node):
        if not node.name or node.name in taken:
            node.name = f"{node.op_type}_{number}"
            while node.name in taken:
                node.name += "_"
        taken.add(node.name)


def reads(node: NodeProto) -> Iterator[str]:
    """Every tensor that a node takes in, those that only its branches and loop bodies use included."""
    yield from (name for name in node.input if name)
    for attribute in node.attribute:
        for graph in (
            [attribute.g] if attribute.type == AttributeProto.GRAPH
            else attribute.graphs if attribute.type == AttributeProto.GRAPHS
            else []
        ):  # fmt: skip
            for inner in graph.node:
                yield from reads(inner)


def _is_layer(node: NodeProto, weights: dict[str, int]) -> bool:
    return node.op_type in LAYER_TYPES and any(weights.get(name, 0) >= LEAST_WEIGHTS for name in node.input[:2])
