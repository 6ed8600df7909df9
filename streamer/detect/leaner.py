"""The same net with less to do: graphs as they are exported, rewritten before they are opened on the CPU.

Weights, inputs, outputs and every value that comes out stay the same, up to the order in which floats are added. What
cannot be recognised stays as it is. YOLOX-nano as published gets 11 % cheaper (docs/performance.md).
"""

from __future__ import annotations

import logging
from itertools import pairwise

import numpy as np

from streamer.onnx_graph import Graph, Node, attributes

_log = logging.getLogger("streamer.detect")

_FLOATS = ("float32", "float16")
_ELEMENTWISE = ("Relu", "LeakyRelu", "Sigmoid", "Mul", "Add", "Clip", "HardSwish", "Resize", "MaxPool")
"""Operations that leave the number of channels of their first input as it is."""


def leaner(model: bytes, named: str) -> bytes:
    """An ONNX model that does the same with less; the bytes themselves where nothing is found. Never raises."""
    try:
        graph = Graph(model)
        if any(node.holds_graphs for node in graph.nodes):  # they read tensors of the outer graph, unseen here
            return model
        found = [
            f"{many} × {what}"
            for what, many in (
                ("slices into a convolution", _slices_into_convolutions(graph)),
                ("large pool out of small ones", _pools_in_a_row(graph)),
                ("convolution before enlarging", _convolutions_before_enlarging(graph)),
            )
            if many
        ]
        if not found:
            return model
        graph.sweep()
        _log.debug("%s is run with less to do: %s", named, ", ".join(found))
        return graph.model()
    except (ValueError, IndexError, TypeError, KeyError, StopIteration) as error:
        _log.info("%s is run as it was exported: %s", named, error)
        return model


def _slices_into_convolutions(graph: Graph) -> int:
    """Every second pixel of every second row, four times, beside each other, then a k×k convolution (YOLOX's focus):
    one convolution of 2k×2k with stride 2, whose weights are the same ones in another order."""
    done = 0
    for conv in [node for node in graph.nodes if node.op == "Conv"]:
        joined, weights = graph.maker(conv.inputs[0]), graph.constant(conv.inputs[1])
        if joined is None or joined.op != "Concat" or joined.ints_of("axis", (0,)) != (1,) or weights is None:
            continue
        starts = [_every_second(graph, name) for name in joined.inputs]
        sources = {start[0] for start in starts if start}
        corners = [start[1:] for start in starts if start]
        if len(sources) != 1 or sorted(corners) != [(0, 0), (0, 1), (1, 0), (1, 1)] or len(starts) != 4:
            continue
        outer, inner, *kernel = weights.shape
        pads = conv.ints_of("pads", (0, 0, 0, 0))
        plain = _is_plain(conv, strides=(1, 1)) and weights.dtype.name in _FLOATS and not inner % 4
        if not plain or len(kernel) != 2:
            continue
        wide = np.zeros((outer, inner // 4, 2 * kernel[0], 2 * kernel[1]), weights.dtype)
        for n, (row, column) in enumerate(corners):
            wide[:, :, row::2, column::2] = weights[:, n * inner // 4 : (n + 1) * inner // 4]
        [source] = sources
        graph.exchange(
            conv,
            [
                Node(
                    "Conv",
                    (source, graph.keep(f"{conv.outputs[0]}/wide", wide), *conv.inputs[2:]),
                    conv.outputs,
                    _convolution((2 * kernel[0], 2 * kernel[1]), (2, 2), tuple(2 * pad for pad in pads)),
                    conv.name,
                )
            ],
        )
        done += 1
    return done


def _every_second(graph: Graph, name: str) -> tuple[str, int, int] | None:
    """Whose rows and columns these are, from which row and which column on; None where they are something else."""
    first: dict[int, int] = {}
    while (node := graph.maker(name)) is not None and node.op == "Slice" and len(node.inputs) == 5:
        starts, ends, axes, steps = (graph.constant(each) for each in node.inputs[1:])
        if starts is None or ends is None or axes is None or steps is None:
            return None
        for start, end, axis, step in zip(*(each.tolist() for each in (starts, ends, axes, steps)), strict=True):
            if step != 2 or start not in (0, 1) or end < np.iinfo(np.int32).max or axis in first:
                return None
            first[axis] = start
        name = node.inputs[0]
    return (name, first[2], first[3]) if first.keys() == {2, 3} else None


def _pools_in_a_row(graph: Graph) -> int:
    """Maxima over 5, 9 and 13 pixels of the same (spatial pyramid pooling): the larger ones are maxima over 5 again."""
    pools: dict[str, list[tuple[int, Node]]] = {}
    for node in graph.nodes:
        if node.op == "MaxPool" and (side := _centred(node)):
            pools.setdefault(node.inputs[0], []).append((side, node))
    done = 0
    for of_one in pools.values():
        of_one.sort(key=lambda each: each[0])
        row = [of_one[0][1]]
        for (small, _), (large, node) in pairwise(of_one):
            side = large - small + 1
            told = {"kernel_shape": (side, side), "strides": (1, 1), "pads": (side // 2,) * 4}
            row.append(Node("MaxPool", row[-1].outputs, node.outputs, attributes(told), node.name))
            done += 1
        if len(row) > 1:
            at = min(graph.nodes.index(node) for _, node in of_one)
            for _, node in of_one:
                graph.exchange(node, [])
            graph.nodes[at:at] = row
    return done


def _centred(node: Node) -> int | None:
    """The side of a square pool that leaves the picture's size as it is; None for any other."""
    side, *other = node.ints_of("kernel_shape", (0,))
    same = other == [side] and side % 2 == 1 and node.ints_of("pads", (0,) * 4) == (side // 2,) * 4
    plain = node.ints_of("ceil_mode", (0,)) == (0,) and node.text_of("auto_pad", "NOTSET") == "NOTSET"
    steps = {node.ints_of(name, (1, 1)) for name in ("strides", "dilations")} == {(1, 1)}
    return side if same and plain and steps and len(node.outputs) == 1 else None


def _convolutions_before_enlarging(graph: Graph) -> int:
    """A 1×1 convolution looks at each pixel alone: of what is enlarged by repeating pixels, it may look at them before.

    conv(concat(enlarge(a), b)) = enlarge(conv_a(a)) + conv_b(b), a quarter of the work for a.
    """
    done = 0
    for joined in [node for node in graph.nodes if node.op == "Concat" and len(node.inputs) == 2]:
        larger, beside = (graph.maker(name) for name in joined.inputs)
        if larger is None or beside is None or not _repeats_pixels(graph, larger):
            continue
        readers, channels = graph.readers(joined.outputs[0]), _channels(graph, larger.inputs[0])
        if not channels or joined.outputs[0] in graph.results or joined.ints_of("axis", (0,)) != (1,):
            continue
        if all(node.op == "Conv" and _is_pointwise(graph, node, channels) for node in readers):
            for conv in readers:
                graph.exchange(conv, _before(graph, conv, larger, joined.inputs[1], channels))
                done += 1
    return done


def _before(graph: Graph, conv: Node, larger: Node, beside: str, channels: int) -> list[Node]:
    weights = graph.constant(conv.inputs[1])
    assert weights is not None
    out, one = conv.outputs[0], _convolution((1, 1), (1, 1), (0, 0, 0, 0))
    halves = (weights[:, :channels], weights[:, channels:])
    first, second = (graph.keep(f"{out}/{name}", half) for name, half in zip(("small", "beside"), halves, strict=True))
    return [
        Node("Conv", (larger.inputs[0], first), (f"{out}/a",), one, f"{out}/a"),
        Node(larger.op, (f"{out}/a", *larger.inputs[1:]), (f"{out}/enlarged",), larger.attributes, f"{out}/enlarged"),
        Node("Conv", (beside, second, *conv.inputs[2:]), (f"{out}/b",), one, f"{out}/b"),
        Node("Add", (f"{out}/enlarged", f"{out}/b"), conv.outputs, (), f"{out}/sum"),
    ]


def _repeats_pixels(graph: Graph, node: Node) -> bool:
    """Whether this enlarges rows and columns by taking the nearest pixel."""
    if node.op != "Resize" or node.text_of("mode", "nearest") != "nearest" or len(node.inputs) != 3:
        return False
    scales = graph.constant(node.inputs[2])
    return scales is not None and scales.shape == (4,) and bool((scales == (1, 1, 2, 2)).all())


def _is_pointwise(graph: Graph, conv: Node, channels: int) -> bool:
    weights = graph.constant(conv.inputs[1])
    return (
        weights is not None
        and weights.dtype.name in _FLOATS
        and weights.shape[2:] == (1, 1)
        and weights.shape[1] > channels
        and _is_plain(conv, strides=(1, 1))
        and conv.ints_of("pads", (0,) * 4) == (0,) * 4
    )


def _is_plain(conv: Node, strides: tuple[int, int]) -> bool:
    """Nothing grouped, nothing spread out, padded as it says."""
    return (
        conv.ints_of("strides", (1, 1)) == strides
        and conv.ints_of("dilations", (1, 1)) == (1, 1)
        and conv.ints_of("group", (1,)) == (1,)
        and conv.text_of("auto_pad", "NOTSET") == "NOTSET"
        and not conv.domain
    )


def _channels(graph: Graph, name: str) -> int | None:
    """How many channels a tensor has, where the convolution that made them tells."""
    node = graph.maker(name)
    while node is not None and node.op in _ELEMENTWISE:
        node = graph.maker(node.inputs[0])
    if node is None or node.op != "Conv":
        return None
    weights = graph.constant(node.inputs[1])
    return None if weights is None else int(weights.shape[0])


def _convolution(kernel: tuple[int, int], strides: tuple[int, int], pads: tuple[int, ...]) -> tuple[bytes, ...]:
    return attributes({"kernel_shape": kernel, "strides": strides, "pads": pads, "dilations": (1, 1)})
