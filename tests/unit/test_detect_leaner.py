"""A rewritten graph gives what the graph gave; what is only nearly the pattern stays as it is. Judge: ONNX Runtime."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from streamer.artifacts import load_artifact
from streamer.detect.leaner import leaner
from streamer.zoo import bundled_model

RNG = np.random.default_rng(3)
END = np.iinfo(np.int64).max


class Drawn:
    """A graph that grows node by node; every method gives the name of what it made."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def do(self, op: str, *inputs: str, **attributes: object) -> str:
        name = f"{op.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], name=name, **attributes))
        return name

    def const(self, values: object, dtype: str = "float32") -> str:
        name = f"constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def conv(self, of: str, inner: int, outer: int, side: int = 1, bias: bool = True, **attributes: object) -> str:
        weights = [self.const(RNG.normal(size=(outer, inner, side, side)))]
        weights += [self.const(RNG.normal(size=outer))] if bias else []
        return self.do("Conv", of, *weights, **{"kernel_shape": [side, side], "pads": [side // 2] * 4, **attributes})

    def every(self, of: str, row: int, column: int, step: int = 2, end: int = END) -> str:
        for axis, start in ((2, row), (3, column)):
            of = self.do("Slice", of, *(self.const([n], "int64") for n in (start, end, axis, step)))
        return of

    def model(self, *outputs: str, channels: int = 3, opset: int = 13) -> bytes:
        told = [helper.make_tensor_value_info(name, TensorProto.FLOAT, list("nchw")) for name in outputs]
        picture = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", channels, 16, 24])
        graph = helper.make_graph(self.nodes, "drawn", [picture], told, self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
        onnx.checker.check_model(model)
        return model.SerializeToString()


def answers(model: bytes, channels: int = 3) -> list[NDArray[np.float32]]:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    picture = np.random.default_rng(5).normal(size=(2, channels, 16, 24)).astype(np.float32)
    return session.run(None, {"x": picture})


def operations(model: bytes) -> Counter[str]:
    return Counter(node.op_type for node in onnx.load_model_from_string(model).graph.node)


def rewritten(model: bytes, channels: int = 3) -> Counter[str]:
    """The operations of the rewritten model, which gives the same."""
    lean = leaner(model, "net")
    onnx.checker.check_model(onnx.load_model_from_string(lean))
    for expected, found in zip(answers(model, channels), answers(lean, channels), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    return operations(lean)


FOCUS = [(0, 0), (1, 0), (0, 1), (1, 1)]


def focus(corners: Sequence[tuple[int, int]] = FOCUS, side: int = 3, **slices: int) -> bytes:
    drawn = Drawn()
    together = drawn.do("Concat", *(drawn.every("x", *corner, **slices) for corner in corners), axis=1)
    return drawn.model(drawn.do("Relu", drawn.conv(together, 12, 8, side)))


@pytest.mark.parametrize("corners", [FOCUS, FOCUS[::-1], [(1, 0), (0, 0), (1, 1), (0, 1)]])
@pytest.mark.parametrize("side", [1, 3, 5])
def test_slices_become_part_of_the_convolution_behind_them(corners, side):
    assert rewritten(focus(corners, side)) == {"Conv": 1, "Relu": 1}


def test_slices_that_are_read_elsewhere_too_stay_for_the_others():
    drawn = Drawn()
    together = drawn.do("Concat", *(drawn.every("x", *corner) for corner in FOCUS), axis=1)
    ops = rewritten(drawn.model(drawn.conv(together, 12, 8, 3), together))
    assert ops["Conv"] == 1
    assert ops["Concat"] == 1


@pytest.mark.parametrize(
    "model",
    [
        focus(end=14),
        focus([(0, 0), (1, 0), (0, 1), (0, 1)]),
        focus(step=4),
    ],
)
def test_other_slices_stay(model):
    assert leaner(model, "net") == model


@pytest.mark.parametrize("sides", [(5, 9, 13), (13, 5, 9), (3, 7), (5, 5, 9)])
def test_large_pools_are_made_of_small_ones(sides):
    drawn = Drawn()
    pools = [
        drawn.do("MaxPool", "x", kernel_shape=[side, side], pads=[side // 2] * 4, strides=[1, 1]) for side in sides
    ]
    model = drawn.model(drawn.do("Concat", "x", *pools, axis=1), pools[0])
    assert rewritten(model) == operations(model)
    kernels = [
        helper.get_node_attr_value(node, "kernel_shape")[0]
        for node in onnx.load_model_from_string(leaner(model, "net")).graph.node
        if node.op_type == "MaxPool"
    ]
    assert sum(kernels) < sum(sides)


def test_pools_that_shrink_the_picture_stay():
    drawn = Drawn()
    pools = [drawn.do("MaxPool", "x", kernel_shape=[side] * 2, pads=[side // 2] * 4, strides=[2, 2]) for side in (3, 5)]
    model = drawn.model(*pools)
    assert leaner(model, "net") == model


def neck(readers: int = 2, side: int = 1, mode: str = "nearest", scale: float = 2.0, bias: bool = True) -> bytes:
    drawn = Drawn()
    small = drawn.do("Relu", drawn.conv(drawn.do("MaxPool", "x", kernel_shape=[2, 2], strides=[2, 2]), 3, 6))
    scales = drawn.const([1, 1, scale, scale])
    how = {"mode": mode, "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    large = drawn.do("Resize", small, "", scales, **how)
    beside = drawn.conv("x", 3, 5) if scale == 2 else drawn.do("Resize", "x", "", drawn.const([1, 1, 1.5, 1.5]), **how)
    together = drawn.do("Concat", large, beside, axis=1)
    inner = 11 if scale == 2 else 9
    return drawn.model(*(drawn.do("Sigmoid", drawn.conv(together, inner, 4, side, bias)) for _ in range(readers)))


@pytest.mark.parametrize("readers", [1, 2])
@pytest.mark.parametrize("bias", [True, False])
def test_what_looks_at_single_pixels_looks_before_they_are_repeated(readers, bias):
    ops = rewritten(neck(readers, bias=bias))
    assert "Concat" not in ops
    assert ops["Resize"] == ops["Add"] == readers
    assert ops["Conv"] == 2 + 2 * readers


@pytest.mark.parametrize("model", [neck(side=3), neck(mode="linear"), neck(scale=3.0)])
def test_what_looks_at_neighbours_and_pixels_that_are_mixed_stay(model):
    assert leaner(model, "net") == model


def test_a_graph_with_graphs_inside_stays():
    drawn = Drawn()
    together = drawn.do("Concat", *(drawn.every("x", *corner) for corner in FOCUS), axis=1)
    out = drawn.conv(together, 12, 8, 3)
    inner = helper.make_graph(
        [helper.make_node("Identity", [together], ["y"])],
        "inner",
        [],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, list("nchw"))],
    )
    chosen = drawn.do("If", drawn.const(True, "bool"), then_branch=inner, else_branch=inner)
    model = drawn.model(out, chosen)
    assert leaner(model, "net") == model


@pytest.mark.parametrize("damaged", [b"", b"\x00", b"not a model", focus()[:200]])
def test_what_is_no_model_is_left_to_whoever_opens_it(damaged):
    assert leaner(damaged, "net") == damaged


def test_the_bundled_model_gives_the_same():
    artifact = load_artifact(bundled_model())
    graph = artifact.read_graph()
    lean = leaner(graph, "bundled")
    w, h = artifact.manifest.input.size
    picture = np.random.default_rng(1).integers(0, 256, (1, h, w, 3), np.uint8)
    both = [
        onnxruntime.InferenceSession(each, providers=["CPUExecutionProvider"]).run(
            None, {artifact.manifest.input.name: picture}
        )
        for each in (graph, lean)
    ]
    assert lean != graph
    for expected, found in zip(*both, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)
