"""The second look: a classifier of colours, built by hand, confirms, rejects and renames boxes that were drawn."""

from __future__ import annotations

import hashlib

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from streamer.artifacts import InputSpec
from streamer.detect.classifier import open_classifier
from streamer.detect.classifier_artifact import ClassifierManifest, load_classifier
from streamer.detect.second_look import SecondLook, SecondLooks
from streamer.errors import ArtifactError
from streamer.fit import InputFit
from streamer.model_folder import write_model_folder
from streamer.model_kinds import kind_of
from streamer.types import Detections
from streamer.zoo import find_model
from tests.drawn_squares import drawn, seen
from tests.onnx_models import write_tiny

LABELS = ("person", "car")
CLASSES = ("person", "car", "")  # what is mostly red, green, blue
SURE = 0.1
"""Logits per grey level: of clearly coloured crops the classifier is sure, of grey ones it is not."""


def colour_graph(output="logits"):
    """uint8 NHWC (batch, 16, 16, 3) → (batch, 3): mean red, green and blue, scaled."""
    nodes = [
        helper.make_node("Cast", ["crops"], ["as_float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["as_float"], ["rgb"], axes=[1, 2], keepdims=0),
        helper.make_node("Mul", ["rgb", "sure"], ["logits"]),
    ]
    if output == "probabilities":
        nodes.append(helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1))
    graph = helper.make_graph(
        nodes,
        "colours",
        [helper.make_tensor_value_info("crops", TensorProto.UINT8, ("batch", 16, 16, 3))],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ("batch", 3))],
        [numpy_helper.from_array(np.array(SURE, np.float32), "sure")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def write_colours(folder, output="logits", manifest_output=None, **changes):
    graph = colour_graph(output)
    values = {
        "name": "colours",
        "sha256": hashlib.sha256(graph).hexdigest(),
        "labels": CLASSES,
        "input": InputSpec(name="crops", dtype="uint8", layout="NHWC", channels="RGB", size=(16, 16), mode="stretch"),
        "output": manifest_output or output,
        "gives": output,
        "margin": 0.0,
        "opset": 17,
        "licence": "none",
    }
    return write_model_folder(ClassifierManifest(**(values | changes)), graph, folder).folder


class Told:
    """A detector that tells what it was told to, camera by camera."""

    labels = LABELS
    input_fit = InputFit((96, 72))

    def __init__(self, **rows):
        self._rows = rows

    def detect(self, frames, before_run=None):
        return [self._one(self._rows.get(frame.camera, [])) for frame in frames]

    def _one(self, rows):
        if not rows:
            return Detections.none(LABELS)
        boxes, scores, labels = zip(*rows, strict=True)
        ids = np.array([LABELS.index(label) for label in labels])
        return Detections(np.array(boxes, np.float32), np.array(scores, np.float32), ids, LABELS)


RED, GREEN, BLUE, GREY = (10, 10, 40, 40), (60, 10, 90, 40), (10, 50, 40, 70), (60, 50, 90, 70)


def picture():
    image = drawn((96, 72), [("red", *RED), ("green", *GREEN)])
    image[BLUE[1] : BLUE[3], BLUE[0] : BLUE[2]] = (0, 0, 255)
    image[GREY[1] : GREY[3], GREY[0] : GREY[2]] = 128
    return image


def rows_of(found):
    return [(LABELS[i], tuple(map(int, box))) for i, box in zip(found.class_ids, found.boxes_xyxy, strict=True)]


@pytest.mark.parametrize("output", ["logits", "probabilities"])
def test_doubtful_boxes_are_confirmed_renamed_rejected_or_left(tmp_path, output):
    classifier = open_classifier(write_colours(tmp_path / "colours", output))
    told = Told(gate=[(RED, 0.4, "person"), (GREEN, 0.3, "person"), (BLUE, 0.25, "person"), (GREY, 0.2, "person")])
    detector = SecondLooks(told, {"gate": SecondLook(classifier, frozenset({"person"}), 0.5)})
    [found] = detector.detect([seen(picture(), told.input_fit)])
    assert rows_of(found) == [("person", RED), ("car", GREEN), ("person", GREY)]
    # The classifier is certain (1.0): the mean of both is the root of what the detector said.
    assert found.scores == pytest.approx([0.4**0.5, 0.3**0.5, 0.2], abs=1e-3)


def test_sure_boxes_other_labels_and_other_cameras_are_left_alone(tmp_path):
    classifier = open_classifier(write_colours(tmp_path / "colours"))
    gate = [(BLUE, 0.9, "person"), (BLUE, 0.3, "car"), (BLUE, 0.05, "person")]
    told = Told(gate=gate, yard=[(BLUE, 0.3, "person")], hall=[(BLUE, 0.3, "person"), (RED, 0.2, "person")])
    look = SecondLook(classifier, frozenset({"person"}), 0.5)
    detector = SecondLooks(told, {"gate": look, "hall": look})
    frames = [seen(picture(), told.input_fit, camera) for camera in ("yard", "gate", "hall")]
    yard, of_gate, hall = detector.detect(frames)
    assert rows_of(yard) == [("person", BLUE)]
    assert of_gate.scores == pytest.approx([0.9, 0.3, 0.05])
    assert rows_of(hall) == [("person", RED)]


def test_one_crop_at_a_time_gives_the_same(tmp_path):
    one = InputSpec(
        name="crops", dtype="uint8", layout="NHWC", channels="RGB", size=(16, 16), mode="stretch", batch="any"
    )
    together = open_classifier(write_colours(tmp_path / "any", input=one))
    crops = [picture()[y1:y2, x1:x2] for x1, y1, x2, y2 in (RED, GREEN, BLUE, GREY)]
    told = together.classify(crops)
    assert told.argmax(axis=1)[:3].tolist() == [0, 1, 2]
    np.testing.assert_allclose(told, np.concatenate([together.classify([crop]) for crop in crops]), atol=1e-6)
    assert together.classify([]).shape == (0, 3)


def test_a_classifier_is_told_from_a_detector_and_each_refused_in_the_other_s_place(tmp_path):
    folder = write_colours(tmp_path / "colours")
    assert kind_of(folder) == "classifier"
    with pytest.raises(ArtifactError, match=r"colours is a classifier, not a detector: name it under detect\.second"):
        find_model(folder, kind="detector")
    with pytest.raises(ArtifactError, match="tiny is a detector, not a classifier"):
        load_classifier(write_tiny(tmp_path / "tiny").folder)


def test_what_is_wrong_with_a_classifier_is_said(tmp_path):
    with pytest.raises(ArtifactError, match=r"the manifest expects 'answer'; the graph has 'logits'"):
        open_classifier(write_colours(tmp_path / "a", manifest_output="answer"))
    folder = write_colours(tmp_path / "b", gives="probabilities")
    with pytest.raises(ArtifactError, match=r"must sum to 1.*logits"):
        open_classifier(folder)
    (folder / "model.onnx").write_bytes(b"other")
    with pytest.raises(ArtifactError, match="sha256 mismatch"):
        load_classifier(folder)
    with pytest.raises(ArtifactError, match="expected a classifier"):
        load_classifier(tmp_path / "nowhere")
