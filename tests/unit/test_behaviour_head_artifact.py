"""A head's folder is taken only when all of it is what it says, and only with the features that we make."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from pydantic import ValidationError

from streamer.behaviour.features import FEATURES
from streamer.behaviour.head_artifact import load_head
from streamer.behaviour.step_session import StepSession, open_step
from streamer.errors import ArtifactError, InferenceError
from streamer.model_folder import GRAPH_FILE, write_model_folder
from streamer.model_kinds import MANIFEST_FILE
from tests.behaviour_heads import STATE, TinyNet, manifest_for, write_tiny_head
from tests.onnx_models import write_tiny


@pytest.fixture
def folder(tmp_path):
    return write_tiny_head(tmp_path / "tiny").folder


def edit(folder, key, value):
    path = folder / MANIFEST_FILE
    whole = json.loads(path.read_text())
    whole[key] = value
    path.write_text(json.dumps(whole))


def test_what_was_written_is_read_back_unchanged(folder):
    head = load_head(folder)
    assert head.manifest == manifest_for(TinyNet().graph())
    assert json.loads((folder / MANIFEST_FILE).read_text())["schema"] == "streamer.head/1"
    assert open_step(head, FEATURES).manifest == head.manifest


def test_a_folder_is_never_written_over(folder):
    graph = TinyNet(seed=1).graph()
    with pytest.raises(ArtifactError, match="exists already"):
        write_model_folder(manifest_for(graph), graph, folder)
    assert load_head(folder).manifest == manifest_for(TinyNet().graph())
    assert [each.name for each in folder.parent.iterdir()] == [folder.name]


def test_a_manifest_for_another_graph_is_not_written(tmp_path):
    with pytest.raises(ArtifactError, match="sha256 mismatch"):
        write_model_folder(manifest_for(TinyNet().graph()), TinyNet(seed=1).graph(), tmp_path / "tiny")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("gone", [GRAPH_FILE, MANIFEST_FILE])
def test_a_missing_file_is_named(folder, gone):
    (folder / gone).unlink()
    with pytest.raises(ArtifactError, match=f"a folder without {gone}"):
        load_head(folder)


def test_a_folder_that_is_not_there_is_said(tmp_path):
    with pytest.raises(ArtifactError, match=r"nowhere: expected a behaviour head.*no folder"):
        load_head(tmp_path / "nowhere")


def test_a_detector_is_called_that_and_its_keys_are_not_complained_of(tmp_path):
    said = r"^sharp is a detector, not a track head or scene head: name it under model\.path$"
    with pytest.raises(ArtifactError, match=said):
        load_head(write_tiny(tmp_path / "sharp").folder)


def test_a_changed_graph_is_refused_before_and_after_loading(folder):
    head = load_head(folder)
    (folder / GRAPH_FILE).write_bytes(TinyNet(seed=1).graph())
    with pytest.raises(ArtifactError, match="sha256 mismatch"):
        load_head(folder)
    with pytest.raises(ArtifactError, match="sha256 mismatch"):
        StepSession(head)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("schema", "streamer.head/2", "schema: "),
        ("colour", "red", "colour: unknown key"),
        ("predicted", ["x"], f"predicted: must be the leading features.*number 1 should be '{FEATURES[0]}' and is 'x'"),
        ("labels", ["a", "a"], "labels: each name may come once; found twice: a"),
        ("task", "scene", "a scene head needs 'fight'"),
        ("state_width", 0, "state_width: "),
        ("step_s", "0.2", "step_s: "),
        ("usual", {"charm": [0, 1, 2]}, "usual: names unknown features: charm"),
        ("embedding_of", ["abc"], "embedding_of.0: "),
    ],
)
def test_a_manifest_that_makes_no_sense_is_refused_by_key(folder, key, value, said):
    edit(folder, key, value)
    with pytest.raises(ArtifactError, match=rf"manifest\.json: not a head that this version can use:\n  .*{said}"):
        load_head(folder)


def test_a_head_for_other_features_is_refused_with_both_named(folder):
    ours = (*FEATURES[:3], "charm", *FEATURES[4:])
    with pytest.raises(ArtifactError, match=rf"number 4 should be 'charm' and is '{FEATURES[3]}'") as caught:
        open_step(load_head(folder), ours)
    assert caught.value.exit_code == 3
    with pytest.raises(ArtifactError, match=rf"makes {len(FEATURES) - 1}; number {len(FEATURES)} should be nothing"):
        open_step(load_head(folder), FEATURES[:-1])


@pytest.mark.parametrize(
    ("changes", "declared", "said"),
    [
        (
            {"state_width": 7},
            {},
            r"input 'state': shape: the manifest expects \(batch, 7\), .* has \(batch, 5\)",
        ),
        ({"labels": ("a", "b", "c", "d")}, {}, r"output 'probs': shape: the manifest expects \(batch, 4\)"),
        ({"attention_steps": 16}, {}, r"output 'attention': shape: the manifest expects \(batch, 16\)"),
        ({}, {"features": (1, len(FEATURES)), "state": (1, STATE)}, r"expects \(batch, \d+\), the graph has \(1,"),
        ({"opset": 17}, {}, "opset mismatch: the manifest expects 17, the graph uses 18$"),
    ],
)
def test_a_graph_that_is_not_what_the_manifest_says_is_refused(tmp_path, changes, declared, said):
    head = write_tiny_head(tmp_path / "tiny", graph=TinyNet().graph(**declared), **changes)
    with pytest.raises(ArtifactError, match=said):
        StepSession(head)


def test_a_graph_of_other_element_types_is_refused(tmp_path):
    model = onnx.load_model_from_string(TinyNet().graph())
    softmax = next(node for node in model.graph.node if node.output[0] == "probs")
    softmax.output[0] = "single"
    model.graph.node.append(helper.make_node("Cast", ["single"], ["probs"], to=TensorProto.DOUBLE))
    probs = next(each for each in model.graph.output if each.name == "probs")
    probs.type.tensor_type.elem_type = TensorProto.DOUBLE
    head = write_tiny_head(tmp_path / "tiny", graph=model.SerializeToString())
    with pytest.raises(ArtifactError, match=r"output 'probs': dtype: .* expects float32, the graph has float64"):
        StepSession(head)


def test_a_graph_without_an_output_is_refused(tmp_path):
    head = write_tiny_head(tmp_path / "tiny", graph=TinyNet().graph("scene"))
    with pytest.raises(ArtifactError, match="expects 'movement', 'context' too"):
        StepSession(head)


def test_bytes_that_are_no_graph_are_refused(tmp_path):
    with pytest.raises(ArtifactError, match=r"model\.onnx: not a whole ONNX model"):
        StepSession(write_tiny_head(tmp_path / "tiny", graph=b"not a graph"))


def test_a_step_is_the_net_s_step(tmp_path):
    net = TinyNet(seed=3)
    session = StepSession(write_tiny_head(tmp_path / "tiny", net))
    rng = np.random.default_rng(0)
    features = rng.normal(size=(9, len(FEATURES))).astype(np.float32)
    state = rng.normal(size=(9, STATE)).astype(np.float32)
    found, truth = session.step(features, state), net.step(features, state)
    assert set(found) == set(truth)
    for name, tensor in truth.items():
        np.testing.assert_allclose(found[name], tensor, atol=1e-5, err_msg=name)


def test_a_step_of_the_wrong_width_names_the_shapes(tmp_path):
    session = StepSession(write_tiny_head(tmp_path / "tiny"))
    with pytest.raises(InferenceError, match=r"features float32 \(2, 3\), state float32 \(2, 5\)"):
        session.step(np.zeros((2, 3), np.float32), np.zeros((2, STATE), np.float32))


def test_a_manifest_cannot_be_changed():
    with pytest.raises(ValidationError):
        manifest_for(b"").name = "other"
