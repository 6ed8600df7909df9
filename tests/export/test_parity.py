"""Three tiers of proof: what is alike passes, what is not is refused in a sentence that says where and by how much."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from export.limits import FP16, INT8, Limits
from export.parity import ParityError, prove
from streamer.artifacts import Artifact, OutputSpec
from tests.onnx_models import BOXES, SCORES, streamer_graph, write_tiny

PICTURES = [np.full((32, 32, 3), value, np.uint8) for value in (0, 100, 200, 255)]


@pytest.fixture
def reference(tmp_path) -> Artifact:
    return write_tiny(tmp_path / "reference")


def other(tmp_path, boxes=BOXES, scores=SCORES, **changes) -> Artifact:
    return write_tiny(tmp_path / "other", streamer_graph(np.float32(boxes), np.float32(scores)), **changes)


def test_a_model_is_like_itself(reference, tmp_path):
    parity = prove(reference.folder, other(tmp_path).folder, PICTURES, FP16)
    assert parity.largest_difference == {"boxes": 0, "scores": 0}
    assert parity.objects == 3 * len(PICTURES)  # a person, two cars; the person seen twice is suppressed
    assert parity.partner_share == parity.worst_partner_iou == parity.mean_partner_iou == 1
    assert parity.mean_score_difference == 0
    assert parity.task is None


def test_what_was_measured_fits_into_a_manifest(reference, tmp_path):
    scores = iter([{"person": 0.8, "car": math.nan}, {"person": 0.79, "car": math.nan}])
    said = prove(reference.folder, other(tmp_path).folder, PICTURES, INT8, lambda _: next(scores)).as_dict()
    assert json.loads(json.dumps(said, allow_nan=False)) == said
    assert said["task"] == {"ap50_before": {"person": 0.8}, "ap50_after": {"person": 0.79}, "mean_ap50_drop": 0.01}
    assert said["against"].startswith("tiny, fp32, sha256 ")


def test_without_a_labelled_set_the_manifest_says_so(reference, tmp_path):
    assert prove(reference.folder, other(tmp_path).folder, PICTURES, INT8).as_dict()["task"] == "not measured"


@pytest.mark.parametrize(
    ("changed", "limits", "says"),
    [
        ({"boxes": BOXES + 0.3}, Limits(differences={"boxes": 0.2}), "output 'boxes': differs by 0.3, allowed 0.2"),
        ({"boxes": BOXES * 1.5}, FP16, r"output 'boxes': differs by 0.5 of its own size .*, allowed 0.05"),
        ({"boxes": np.where(BOXES > 29, np.nan, BOXES)}, INT8, "output 'boxes': the graph gives NaN or infinity"),
        ({"scores": SCORES[:, ::-1]}, Limits(relative=9), "8 of 12 shown boxes have no partner of IoU 0.99"),
        ({"boxes": BOXES + np.float32([0.4, 0, 0.4, 0])}, FP16, "12 of 12 .* at most 0 may lack one"),
        ({"scores": SCORES - 0.25}, Limits(relative=9), "12 of 12 shown boxes have no partner"),
        (
            {"scores": SCORES - 0.015},
            FP16,
            "scores differ by 0.0150 in the mean, allowed 0.01",
        ),
    ],
    ids=["absolute", "relative", "nan", "classes", "edges", "lost", "scores"],
)
def test_what_differs_is_refused(reference, tmp_path, changed, limits, says):
    with pytest.raises(ParityError, match=says):
        prove(reference.folder, other(tmp_path, **changed).folder, PICTURES, limits)


def test_an_edge_within_its_limit_is_near_whatever_the_box_is_small(reference, tmp_path):
    moved = BOXES + np.float32([0.2, 0, 0.2, 0])  # IoU 0.96 for a box of 10 px
    parity = prove(reference.folder, other(tmp_path, boxes=moved).folder, PICTURES, Limits(edge_px=0.25, mean_iou=0.9))
    assert parity.partner_share == 1
    assert parity.worst_partner_iou < 0.97


def test_other_names_types_and_shapes_are_refused(reference, tmp_path):
    changed = tmp_path / "reversed"
    outputs = {"scores": SCORES, "boxes": BOXES}
    from tests.onnx_models import graph_of

    write_tiny(changed, graph_of(outputs))
    with pytest.raises(
        ParityError, match=r"outputs: expected \['boxes', 'scores'\], the graph has \['scores', 'boxes'\]"
    ):
        prove(reference.folder, changed, PICTURES, INT8)
    fewer = tmp_path / "fewer"
    specs = tuple(OutputSpec(name=n, dtype="float32", shape=("batch", 4, k)) for n, k in (("boxes", 4), ("scores", 2)))
    write_tiny(fewer, streamer_graph(BOXES[:4], SCORES[:4]), outputs=specs)
    with pytest.raises(
        ParityError, match=r"output 'boxes': expected the shape \(1, 5, 4\), the graph gives \(1, 4, 4\)"
    ):
        prove(reference.folder, fewer, PICTURES, INT8)
    half = tmp_path / "half"
    specs = tuple(OutputSpec(name=n, dtype="float16", shape=("batch", 5, k)) for n, k in (("boxes", 4), ("scores", 2)))
    write_tiny(half, graph_of({"boxes": np.float16(BOXES), "scores": np.float16(SCORES)}), outputs=specs)
    with pytest.raises(ParityError, match="output 'boxes': expected float32, the graph gives float16"):
        prove(reference.folder, half, PICTURES, INT8)


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        (
            {"person": 0.8, "car": 0.6},
            {"person": 0.77, "car": 0.595},
            "AP50: drops by 0.0175 in the mean over classes, ",
        ),
        ({"person": 0.8, "car": 0.6}, {"person": 0.84, "car": 0.54}, "AP50 of 'car': drops by 0.0600, allowed 0.05"),
        ({"person": 0.8}, {}, "AP50: drops by 0.8000"),
        ({"person": math.nan}, {"person": math.nan}, "no class of the labelled set is one of the model's"),
    ],
    ids=["mean", "class", "gone", "nothing to measure"],
)
def test_a_drop_of_average_precision_is_refused(reference, tmp_path, before, after, says):
    made = other(tmp_path)
    given = {reference.folder: before, made.folder: after}
    with pytest.raises(ParityError, match=says):
        prove(reference.folder, made.folder, PICTURES, INT8, lambda folder: given[folder])


def test_where_nothing_is_shown_the_second_tier_says_that_it_saw_nothing(tmp_path):
    for name in ("reference", "made"):
        write_tiny(tmp_path / name, streamer_graph(BOXES, SCORES * np.float32(0.1)))
    parity = prove(tmp_path / "reference", tmp_path / "made", PICTURES, INT8)
    assert parity.objects == 0
    assert parity.as_dict()["partners"] == "not measured"


def test_without_pictures_there_is_no_proof(reference, tmp_path):
    with pytest.raises(ParityError, match="without pictures"):
        prove(reference.folder, other(tmp_path).folder, [], INT8)
