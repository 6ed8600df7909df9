"""Eight bits: what runs in integers, what stays in floats, and that both say nearly the same."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.calibration import Method
from export.int8 import to_int8
from streamer.artifacts import InputSpec
from tests.export.graphs import model, pictures, run, small_detector


@pytest.fixture(scope="module")
def single() -> bytes:
    return small_detector().SerializeToString()


@pytest.fixture(scope="module")
def quantised(single: bytes) -> bytes:
    return to_int8(single, pictures(12), method=Method.MINMAX)


def as_run(graph: bytes, folder: Path) -> list[onnx.NodeProto]:
    """The nodes that ONNX Runtime really executes."""
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(folder / "optimised.onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    return list(onnx.load(folder / "optimised.onnx").graph.node)


def test_every_layer_but_the_last_ones_runs_in_integers(quantised, tmp_path):
    kinds = Counter(node.op_type for node in as_run(quantised, tmp_path))
    assert kinds["QLinearConv"] == 5
    assert kinds["Conv"] + kinds["FusedConv"] == 2  # sides and logits
    assert kinds["QLinearConcat"] == 1
    assert kinds["QLinearAdd"] == 1
    assert kinds["Relu"] == 0


def test_pixels_go_into_the_first_convolution_as_they_come(quantised, tmp_path):
    nodes = as_run(quantised, tmp_path)
    assert not {"Cast", "QuantizeLinear"} & {node.op_type for node in nodes}
    assert [node.op_type for node in nodes][:2] == ["Reshape", "QLinearConv"]
    graph = onnx.load_from_string(quantised).graph
    [first] = [node for node in graph.node if node.op_type == "Conv"][:1]
    [given] = [node for node in graph.node if first.input[0] in node.output]
    constants = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    assert constants[given.input[1]] == pytest.approx(1 / 64)
    assert constants[given.input[2]] == 128


def test_boxes_scores_and_maps_stay_near(single, quantised):
    images = np.stack(pictures(6, seed=7))
    expected, found = run(single, {"images": images}), run(quantised, {"images": images})
    for name, truth in expected.items():
        assert found[name].dtype == truth.dtype
        assert found[name].shape == truth.shape
        assert np.abs(found[name] - truth).mean() < 0.05 * np.abs(truth).mean(), name


def test_many_pictures_give_what_single_ones_give(quantised):
    images = np.stack(pictures(3, seed=8))
    together = run(quantised, {"images": images})
    for i in range(3):
        alone = run(quantised, {"images": images[i : i + 1]})
        for name, values in together.items():
            np.testing.assert_allclose(alone[name][0], values[i], rtol=1e-4, atol=1e-4)


def test_the_same_pictures_give_the_same_bytes(single, quantised):
    assert to_int8(single, pictures(12), method=Method.MINMAX) == quantised


@pytest.mark.parametrize("method", list(Method))
def test_every_method_of_calibration_works(single, method):
    graph = to_int8(single, pictures(6), method=method)
    images = np.stack(pictures(2, seed=9))
    expected, found = run(single, {"images": images})["scores"], run(graph, {"images": images})["scores"]
    assert np.abs(found - expected).mean() < 0.05


def test_weights_use_seven_bits_and_a_scale_per_channel(quantised):
    """Eight-bit weights overflow the 16-bit sums of processors with AVX2 and no VNNI."""
    weights = [
        each for each in onnx.load_from_string(quantised).graph.initializer if each.data_type == TensorProto.INT8
    ]
    values = [numpy_helper.to_array(each) for each in weights if len(each.dims) == 4]
    assert len(values) == 5
    for each in values:
        assert np.abs(each.astype(np.int32)).max() <= 64
        assert (np.abs(each.astype(np.int32)).reshape(len(each), -1).max(1) >= 63).all()


def test_an_old_graph_is_lifted_to_an_operator_set_that_can_say_it(single):
    old = to_int8(small_detector(opset=13).SerializeToString(), pictures(4), method=Method.MINMAX)
    assert {each.version for each in onnx.load_from_string(old).opset_import} == {13}


def test_a_graph_fed_with_normalised_floats_is_calibrated_through_its_manifest():
    """Input as YOLOX wants it: NCHW, BGR; the scale of the input tensor is exactly a pixel's step."""
    rng = np.random.default_rng(2)
    constants = {
        "w1": rng.normal(0, 0.3, (8, 3, 3, 3)).astype(np.float32),
        "w2": rng.normal(0, 0.3, (4, 8, 1, 1)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["images", "w1"], ["a"], pads=[1] * 4, strides=[2, 2]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "w2"], ["y"]),
    ]
    graph = model(
        nodes,
        constants,
        {"images": (TensorProto.FLOAT, (1, 3, 32, 64))},
        {"y": (TensorProto.FLOAT, (1, 4, 16, 32))},
    )
    spec = InputSpec(
        name="images", dtype="float32", layout="NCHW", channels="BGR", size=(64, 32), batch=1, scale=(0.5, 0.5, 0.5)
    )
    dark = [picture // 4 for picture in pictures(4)]  # calibration need not have seen white
    quantised = to_int8(graph.SerializeToString(), dark, spec, Method.MINMAX)
    opened = onnx.load_from_string(quantised).graph
    [first] = [node for node in opened.node if node.input[0] == "images"]
    assert first.op_type == "QuantizeLinear"
    constants = {each.name: numpy_helper.to_array(each) for each in opened.initializer}
    assert constants[first.input[1]] == pytest.approx(0.5)
    assert constants[first.input[2]] == 0


@pytest.mark.parametrize(("ratio", "scales"), [(1.5, 1), (10.0, 2)], ids=["near", "far"])
def test_maps_that_meet_share_a_scale_where_their_ranges_are_near(ratio, scales):
    rng = np.random.default_rng(4)
    weights = np.abs(rng.normal(0, 0.1, (8, 3, 3, 3))).astype(np.float32)
    constants = {
        "w1": weights,
        "w2": weights * np.float32(ratio),
        "w3": rng.normal(size=(4, 16, 1, 1)).astype(np.float32),
    }
    constants |= {"w0": rng.normal(size=(16, 16, 1, 1)).astype(np.float32)}
    nodes = [
        helper.make_node("Conv", ["images", "w1"], ["a"]),
        helper.make_node("Conv", ["images", "w2"], ["b"]),
        helper.make_node("Concat", ["a", "b"], ["c"], axis=1),
        helper.make_node("Conv", ["c", "w0"], ["d"]),
        helper.make_node("Conv", ["d", "w3"], ["y"]),
    ]
    graph = model(
        nodes,
        constants,
        {"images": (TensorProto.FLOAT, (1, 3, 16, 16))},
        {"y": (TensorProto.FLOAT, (1, 4, 14, 14))},
    )
    spec = InputSpec(name="images", dtype="float32", layout="NCHW", channels="RGB", size=(16, 16), batch=1)
    quantised = onnx.load_from_string(to_int8(graph.SerializeToString(), pictures(4, (16, 16)), spec, Method.MINMAX))
    values = {each.name: numpy_helper.to_array(each) for each in quantised.graph.initializer}
    made_by = {output: node for node in quantised.graph.node for output in node.output}
    [concat] = [node for node in quantised.graph.node if node.op_type == "Concat"]
    assert len({float(values[made_by[name].input[1]]) for name in concat.input}) == scales


def test_without_pictures_or_layers_it_says_so(single):
    with pytest.raises(ValueError, match="needs pictures to calibrate on"):
        to_int8(single, [])
    bare = model(
        [helper.make_node("Cast", ["images"], ["y"], to=TensorProto.FLOAT)],
        {},
        {"images": (TensorProto.UINT8, ("batch", 32, 64, 3))},
        {"y": (TensorProto.FLOAT, ("batch", 32, 64, 3))},
    )
    with pytest.raises(ValueError, match="no layers that could run in int8"):
        to_int8(bare.SerializeToString(), pictures(2))
