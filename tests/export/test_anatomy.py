"""Where a graph learns and where it only calculates."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, helper

from export.anatomy import Anatomy
from tests.export.graphs import model, small_detector


def named(graph, names):
    """What the nodes of these names give."""
    return {output for node in graph.graph.node if node.name in names for output in node.output}


def test_box_decoding_and_probabilities_are_tail_and_feature_maps_are_not():
    graph = small_detector()
    anatomy = Anatomy(graph)
    tail = named(graph, anatomy.tail)
    assert {"away", "away.px", "low", "high", "boxes", "logits.rows", "scores"} <= tail
    assert tail.isdisjoint({"stem", "joined", "feature_map", "sides", "logits", "normalised"})


def test_the_last_layers_are_those_that_no_layer_builds_on():
    graph = small_detector()
    anatomy = Anatomy(graph)
    assert named(graph, anatomy.last_layers) == {"sides", "logits"}
    assert len(anatomy.layers) == 7


def test_what_comes_before_the_first_layer_is_known():
    graph = small_detector()
    assert named(graph, Anatomy(graph).normalising) == {"planes", "floats", "scaled", "normalised"}


def test_an_expectation_over_bins_is_no_layer():
    """A convolution with eight constants, as in YOLOv8, belongs to the tail like any arithmetic."""
    constants = {
        "w": np.ones((8, 4, 3, 3), np.float32),
        "bins": np.arange(8, dtype=np.float32).reshape(1, 8, 1, 1),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["sides"], name="learnt", pads=[1, 1, 1, 1]),
        helper.make_node("Softmax", ["sides"], ["shares"], name="shares", axis=1),
        helper.make_node("Conv", ["shares", "bins"], ["y"], name="expectation"),
    ]
    shape = ("batch", 4, 8, 8)
    graph = model(nodes, constants, {"x": (TensorProto.FLOAT, shape)}, {"y": (TensorProto.FLOAT, ("batch", 1, 8, 8))})
    anatomy = Anatomy(graph)
    assert anatomy.layers == anatomy.last_layers == ("learnt",)
    assert anatomy.tail == {"shares", "expectation"}


def test_nodes_without_names_and_with_the_same_name_can_be_told_apart():
    graph = small_detector()
    for node in graph.graph.node:
        node.name = "same" if node.op_type == "Relu" else ""
    Anatomy(graph)
    names = [node.name for node in graph.graph.node]
    assert len(set(names)) == len(names)
    assert all(names)


def test_a_layer_inside_a_branch_keeps_what_it_reads_out_of_the_tail():
    inner = helper.make_graph(
        [helper.make_node("Identity", ["early"], ["then"])], "yes", [],
        [helper.make_tensor_value_info("then", TensorProto.FLOAT, ("n", 4, 8, 8))],
    )  # fmt: skip
    other = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["else"])], "no", [],
        [helper.make_tensor_value_info("else", TensorProto.FLOAT, ("n", 4, 8, 8))],
    )  # fmt: skip
    nodes = [
        helper.make_node("Exp", ["x"], ["early"], name="early"),
        helper.make_node("If", ["flag"], ["picked"], name="if", then_branch=inner, else_branch=other),
        helper.make_node("Conv", ["picked", "w"], ["y"], name="layer"),
        helper.make_node("Exp", ["y"], ["z"], name="late"),
    ]
    shape = ("batch", 4, 8, 8)
    graph = model(
        nodes,
        {"w": np.ones((16, 4, 1, 1), np.float32)},
        {"x": (TensorProto.FLOAT, shape), "flag": (TensorProto.BOOL, ())},
        {"z": (TensorProto.FLOAT, ("n", "c", "h", "w"))},
    )
    assert Anatomy(graph).tail == {"late"}
