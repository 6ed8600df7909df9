"""The stem on packed pixels gives what the plain one gives."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from export.packed_stem import pack_stem
from tests.export.graphs import model, run


def stem(width=32, height=12, size=3, stride=2, pad=1, bias=True, relu=True, **attributes):
    rng = np.random.default_rng(size * 10 + stride)
    constants = {"w": rng.normal(size=(5, 3, size, size)).astype(np.float32)}
    inputs = ["x", "w"]
    if bias:
        constants["b"] = rng.normal(size=5).astype(np.float32)
        inputs.append("b")
    nodes = [
        helper.make_node("Conv", inputs, ["sum"], name="stem", strides=[stride] * 2, pads=[pad] * 4, **attributes),
        helper.make_node("Relu" if relu else "Neg", ["sum"], ["y"], name="after"),
    ]
    return model(
        nodes,
        constants,
        {"x": (TensorProto.FLOAT, ("batch", 3, height, width))},
        {"y": (TensorProto.FLOAT, ("n", "c", "h", "w"))},
    )


@settings(max_examples=60, deadline=None)
@given(
    size=st.integers(1, 7),
    stride=st.sampled_from([1, 2, 4]),
    shift=st.integers(0, 3),
    groups=st.integers(3, 8),
    height=st.integers(9, 14),
    bias=st.booleans(),
    relu=st.booleans(),
)
def test_every_stem_that_is_packed_gives_the_same_maps(size, stride, shift, groups, height, bias, relu):
    plain = stem(groups * 4, height, size, stride, max(0, size // 2 - shift), bias, relu)
    packed = onnx.ModelProto.FromString(plain.SerializeToString())
    changed = pack_stem(packed)
    x = np.random.default_rng(3).normal(size=(2, 3, height, groups * 4)).astype(np.float32)
    np.testing.assert_allclose(run(packed, {"x": x})["y"], run(plain, {"x": x})["y"], rtol=1e-4, atol=1e-4)
    if size in (3, 5) and shift == 0:
        assert changed


def test_the_usual_stem_reads_twelve_channels():
    packed = stem()
    assert pack_stem(packed)
    [weights] = [each for each in packed.graph.initializer if each.name.endswith("/weights")]
    assert list(weights.dims) == [10, 12, 3, 2]
    assert not any(each.name == "w" for each in packed.graph.initializer)


@pytest.mark.parametrize(
    "unfit",
    [
        {"width": 34},
        {"stride": 3},
        {"dilations": [2, 2], "pad": 2},
        {"width": "w"},
        {"stride": 2, "pad": 0, "size": 5},
    ],
    ids=["width", "stride", "dilation", "unknown width", "other width out"],
)
def test_a_stem_that_does_not_fit_is_left_alone(unfit):
    graph = stem(**unfit)
    before = graph.SerializeToString()
    assert not pack_stem(graph)
    assert graph.SerializeToString() == before


def test_a_picture_that_others_read_too_is_left_alone():
    graph = stem()
    graph.graph.node.append(helper.make_node("Neg", ["x"], ["negative"], name="other"))
    assert not pack_stem(graph)
