"""A graph that is not what its manifest says is refused before the first frame, with both sides."""

from __future__ import annotations

import sys

import numpy as np
import onnx
import pytest

from streamer.artifacts import InputSpec, OutputSpec
from streamer.detect import load_detector
from streamer.errors import ArtifactError, ConfigError, InferenceError
from tests.onnx_models import BOXES, SCORES, streamer_graph, write_tiny


def an_input(**changes):
    values = {"name": "images", "dtype": "uint8", "layout": "NHWC", "channels": "RGB", "size": (32, 32)}
    return InputSpec(**(values | changes))


def outputs(boxes=("batch", 5, 4), scores=("batch", 5, 2), dtype="float32", names=("boxes", "scores")):
    return (
        OutputSpec(name=names[0], dtype=dtype, shape=boxes, role="boxes"),
        OutputSpec(name=names[1], dtype="float32", shape=scores, role="scores"),
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"input": an_input(name="x")}, "the manifest expects one, 'x'; the graph has 'images'"),
        ({"input": an_input(dtype="float32")}, "'images': dtype: the manifest expects float32, the graph has uint8"),
        ({"input": an_input(size=(64, 32))}, r"expects \(batch, 32, 64, 3\), the graph has \(batch, 32, 32, 3\)"),
        ({"input": an_input(layout="NCHW")}, r"expects \(batch, 3, 32, 32\), the graph has \(batch, 32, 32, 3\)"),
        ({"outputs": outputs(names=("rects", "scores"))}, "expects 'rects'; the graph has 'boxes', 'scores'"),
        ({"outputs": outputs(dtype="float16")}, "'boxes': dtype: the manifest expects float16, the graph has float32"),
        ({"outputs": outputs(("batch", 6, 4), ("batch", 6, 2))},
         r"expects \(batch, 6, 4\), the graph has \(batch, 5, 4\)"),
        ({"labels": ("person", "car", "bus")}, r"must have the shape \(any, 5, 3\).*manifest says \(batch, 5, 2\)"),
        ({"labels": ("person", "car", "bus"), "outputs": outputs(scores=("batch", 5, 3))},
         r"expects \(batch, 5, 3\), the graph has \(batch, 5, 2\)"),
        ({"outputs": outputs()[:1]}, "needs an output with role 'scores'"),
        ({"opset": 11}, "opset mismatch: the manifest expects 11, the graph uses 17"),
        ({"layout": "yolox"}, "layout yolox: needs an output with role 'predictions'"),
        ({"layout": "detr"}, "layout detr: needs an output with role 'logits'"),
    ],
)  # fmt: skip
def test_both_sides_of_a_mismatch_are_named(tmp_path, changes, said):
    folder = write_tiny(tmp_path / "tiny", **changes).folder
    with pytest.raises(ArtifactError, match=said) as caught:
        load_detector(folder)
    assert caught.value.exit_code == 3


def test_a_graph_for_one_picture_is_not_taken_for_any_number(tmp_path):
    graph = streamer_graph(input_shape=(1, 32, 32, 3))
    with pytest.raises(ArtifactError, match=r"expects \(batch, 32, 32, 3\), the graph has \(1, 32, 32, 3\)"):
        load_detector(write_tiny(tmp_path / "tiny", graph).folder)


def test_several_differences_come_at_once(tmp_path):
    folder = write_tiny(tmp_path / "tiny", input=an_input(dtype="float32"), outputs=outputs(dtype="float16")).folder
    with pytest.raises(ArtifactError) as caught:
        load_detector(folder)
    assert "input 'images': dtype" in str(caught.value)
    assert "output 'boxes': dtype" in str(caught.value)


@pytest.mark.parametrize("cut", [3, 100, 0.5, -20])
def test_a_truncated_graph_with_a_hash_of_its_own_is_refused(tmp_path, cut):
    graph = streamer_graph()
    graph = graph[: int(len(graph) * cut) if isinstance(cut, float) else cut]
    with pytest.raises(ArtifactError, match=r"model\.onnx"):
        load_detector(write_tiny(tmp_path / "tiny", graph).folder)


def test_weights_in_files_beside_the_graph_are_refused(tmp_path):
    model = onnx.load_model_from_string(streamer_graph())
    path = tmp_path / "external.onnx"
    onnx.save_model(model, str(path), save_as_external_data=True, size_threshold=0, location="weights.bin")
    folder = write_tiny(tmp_path / "tiny", path.read_bytes()).folder
    (folder / "weights.bin").write_bytes((tmp_path / "weights.bin").read_bytes())
    with pytest.raises(ArtifactError, match="lie in another file"):
        load_detector(folder)


@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
def test_a_configured_gpu_that_is_not_there_is_not_ready_and_never_the_cpu(tmp_path, provider):
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime has GPU providers")
    with pytest.raises(InferenceError, match=f"not ready: the provider '{provider}'.*offers .*CPUExecutionProvider"):
        load_detector(write_tiny(tmp_path / "tiny").folder, provider=provider)


def test_a_machine_without_onnx_runtime_is_told_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ConfigError, match=r"pip install 'streamer\[cpu\]'"):
        load_detector(write_tiny(tmp_path / "tiny").folder)


def test_a_graph_that_fails_while_running_is_an_inference_error(tmp_path):
    # 5 boxes reshaped by the number of pictures: impossible for two.
    nodes_graph = onnx.load_model_from_string(streamer_graph())
    tile = next(node for node in nodes_graph.graph.node if node.output[0] == "boxes")
    tile.op_type = "Reshape"
    detector = load_detector(write_tiny(tmp_path / "tiny", nodes_graph.SerializeToString()).folder)
    with pytest.raises((InferenceError, ArtifactError), match=r"model\.onnx"):
        detector.warm_up()


def test_the_shapes_of_the_tiny_world_are_as_the_tests_think():
    assert BOXES.shape == (5, 4)
    assert SCORES.shape == (5, 2)
    assert BOXES.dtype == SCORES.dtype == np.float32
