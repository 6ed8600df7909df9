"""Half precision: feature maps in half, boxes and scores never."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from export.fp16 import headroom, to_fp16
from tests.export.graphs import model, pictures, run, small_detector


def types_of(graph: bytes) -> dict[str, int]:
    inferred = onnx.shape_inference.infer_shapes(onnx.load_from_string(graph))
    known = [*inferred.graph.input, *inferred.graph.output, *inferred.graph.value_info]
    return {each.name: each.type.tensor_type.elem_type for each in known}


@pytest.fixture(scope="module")
def single() -> onnx.ModelProto:
    return small_detector()


@pytest.fixture(scope="module")
def half(single: onnx.ModelProto) -> bytes:
    return to_fp16(single.SerializeToString())


def test_feature_maps_are_halved_and_the_tail_is_not(half):
    types = types_of(half)
    assert {types[name] for name in ("stem", "joined", "mixed", "sides")} == {TensorProto.FLOAT16}
    assert {types[name] for name in ("away", "away.px", "low", "high", "logits.rows")} == {TensorProto.FLOAT}


def test_inputs_and_outputs_keep_their_types(half, single):
    def ports(graph):
        return [(each.name, each.type) for each in (*graph.graph.input, *graph.graph.output)]

    assert ports(onnx.load_from_string(half)) == ports(single)


def test_it_says_the_same_for_one_picture_and_for_many(half, single):
    images = np.stack(pictures(4))
    expected, together = run(single, {"images": images}), run(half, {"images": images})
    for name, truth in expected.items():
        np.testing.assert_allclose(together[name], truth, rtol=0.01, atol=0.05)
        alone = np.concatenate([run(half, {"images": images[i : i + 1]})[name] for i in range(4)])
        np.testing.assert_allclose(alone, together[name], rtol=0.01, atol=0.05)


def test_coordinates_are_finer_than_half_precision_could_hold(half):
    """Right-hand edges lie between 256 and 512 px, where half precision knows quarters of a pixel only."""
    wide = to_fp16(small_detector(wh=(416, 32)).SerializeToString())
    boxes = run(wide, {"images": np.stack(pictures(1, (416, 32)))})["boxes"]
    far = boxes[boxes > 256]
    assert len(far) > 100
    assert np.mean(np.abs(far * 4 - np.round(far * 4)) > 0.01) > 0.5


def test_weights_take_half_the_room(half, single):
    assert len(half) < 0.75 * len(single.SerializeToString())  # of a graph this small, much is not weights


def test_weights_that_half_precision_cannot_hold_are_refused():
    weights = {"w": np.full((4, 8, 1, 1), 1e5, np.float32)}
    shape = ("batch", 8, 4, 4)
    graph = model(
        [helper.make_node("Conv", ["x", "w"], ["y"])],
        weights,
        {"x": (TensorProto.FLOAT, shape)},
        {"y": (TensorProto.FLOAT, ("batch", 4, 4, 4))},
    )
    with pytest.raises(ValueError, match="'w' holds 100000; half precision ends at 65504"):
        to_fp16(graph.SerializeToString())


def test_a_tensor_that_a_branch_reads_keeps_its_type():
    def branch(name, node):
        out = helper.make_tensor_value_info(name, TensorProto.FLOAT, ("n", 8, 4, 4))
        return helper.make_graph([node], name, [], [out])

    nodes = [
        helper.make_node("Relu", ["x"], ["early"]),
        helper.make_node(
            "If", ["flag"], ["picked"],
            then_branch=branch("then", helper.make_node("Identity", ["early"], ["then"])),
            else_branch=branch("else", helper.make_node("Neg", ["early"], ["else"])),
        ),
        helper.make_node("Conv", ["picked", "w"], ["y"]),
    ]  # fmt: skip
    graph = model(
        nodes,
        {"w": np.random.default_rng(0).normal(size=(4, 8, 1, 1)).astype(np.float32)},
        {"x": (TensorProto.FLOAT, ("batch", 8, 4, 4)), "flag": (TensorProto.BOOL, ())},
        {"y": (TensorProto.FLOAT, ("batch", 4, 4, 4))},
    )
    x = np.random.default_rng(1).normal(size=(2, 8, 4, 4)).astype(np.float32)
    half = to_fp16(graph.SerializeToString())
    for flag in (True, False):
        feed = {"x": x, "flag": np.array(flag)}
        np.testing.assert_allclose(run(half, feed)["y"], run(graph, feed)["y"], rtol=0.01, atol=0.01)


def test_headroom_tells_how_near_a_feature_map_comes_to_overflow_and_leaves_the_tail_out():
    weights = {"w1": np.ones((8, 1, 2, 2), np.float32), "w2": np.full((4, 8, 1, 1), 1 / 1024, np.float32)}
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["map"]),
        helper.make_node("Conv", ["map", "w2"], ["logits"]),
        helper.make_node("Exp", ["logits"], ["y"]),
    ]
    ports = {"x": (TensorProto.FLOAT, ("batch", 1, 3, 3))}, {"y": (TensorProto.FLOAT, ("batch", 4, 2, 2))}
    graph = model(nodes, weights, *ports).SerializeToString()
    seen = [np.full((1, 1, 3, 3), value, np.float32) for value in (-5, 409.4)]
    assert run(graph, {"x": seen[1]})["y"].max() > 300_000
    assert headroom(graph, seen) == pytest.approx(65504 / 1637.6)
