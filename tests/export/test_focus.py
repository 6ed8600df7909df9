"""A Focus stem that became one convolution gives what it gave before; anything else is left alone."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from export.focus import merge_focus
from tests.export.graphs import model, run

GRIDS = [(0, 0), (1, 0), (0, 1), (1, 1)]
END = 2**63 - 1


def focus(order=GRIDS, size=3, pad=1, chained=True, bias=True, step=2, stride=1, wh=(16, 12)):
    """A picture's grids in some order → Conv → Relu; slices one axis at a time, or both at once."""
    rng = np.random.default_rng(size)
    constants = {"w": rng.normal(size=(5, 12, size, size)).astype(np.float32)}
    constants |= {name: np.array(value, np.int64) for name, value in {
        "0": [0], "1": [1], "end": [END], "rows": [2], "columns": [3], "step": [step],
        "both": [2, 3], "ends": [END, END], "steps": [step, step],
    }.items()}  # fmt: skip
    nodes = []
    for n, (row, column) in enumerate(order):
        if chained:
            nodes.append(helper.make_node("Slice", ["x", str(row), "end", "rows", "step"], [f"rows{n}"]))
            nodes.append(helper.make_node("Slice", [f"rows{n}", str(column), "end", "columns", "step"], [f"grid{n}"]))
        else:
            constants[f"from{n}"] = np.array([row, column], np.int64)
            nodes.append(helper.make_node("Slice", ["x", f"from{n}", "ends", "both", "steps"], [f"grid{n}"]))
    nodes.append(helper.make_node("Concat", [f"grid{n}" for n in range(4)], ["joined"], axis=1))
    if bias:
        constants["b"] = rng.normal(size=5).astype(np.float32)
    inputs = ["joined", "w", *(["b"] if bias else [])]
    nodes.append(helper.make_node("Conv", inputs, ["sum"], strides=[stride] * 2, pads=[pad] * 4))
    nodes.append(helper.make_node("Relu", ["sum"], ["y"]))
    used = {name for node in nodes for name in node.input}
    return model(
        nodes,
        {name: value for name, value in constants.items() if name in used},
        {"x": (TensorProto.FLOAT, ("batch", 3, wh[1], wh[0]))},
        {"y": (TensorProto.FLOAT, ("batch", "c", "h", "w"))},
    )


@settings(max_examples=40, deadline=None)
@given(
    order=st.sampled_from(list(permutations(GRIDS))),
    size=st.sampled_from([1, 3, 5]),
    pad=st.integers(0, 2),
    chained=st.booleans(),
    bias=st.booleans(),
)
def test_a_merged_focus_gives_the_same_maps_without_slices(order, size, pad, chained, bias):
    plain = focus(order, size, pad, chained, bias)
    merged = onnx.ModelProto.FromString(plain.SerializeToString())
    assert merge_focus(merged)
    assert [node.op_type for node in merged.graph.node] == ["Conv", "Relu"]
    x = np.random.default_rng(3).normal(size=(2, 3, 12, 16)).astype(np.float32)
    np.testing.assert_allclose(run(merged, {"x": x})["y"], run(plain, {"x": x})["y"], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "other",
    [
        {"order": [(0, 0), (0, 0), (0, 1), (1, 1)]},  # one grid twice, another never
        {"stride": 2},
        {"step": 3, "wh": (15, 9)},
    ],
)
def test_what_only_looks_like_a_focus_is_left_as_it_was(other):
    plain = focus(**other)
    seen = onnx.ModelProto.FromString(plain.SerializeToString())
    assert not merge_focus(seen)
    assert seen == plain
