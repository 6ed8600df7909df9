"""From a float32 folder to one in fewer bits, by command: written whole and proved, or not at all."""

from __future__ import annotations

import argparse
import hashlib
import json

import cv2
import numpy as np
import pytest

from export import precision_command
from export.calibration import Method
from export.limits import INT8, Limits
from export.parity import ParityError
from export.precision import Proof, convert_to_fp16, convert_to_int8
from streamer.artifacts import InputSpec, Manifest, OutputSpec, Thresholds, load_artifact
from streamer.detect import load_detector
from streamer.errors import ArtifactError, ConfigError
from streamer.model_folder import write_model_folder
from tests.export.graphs import pictures, small_detector


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model folder with the small detector; what it shows is random, but it is the same every time."""
    graph = small_detector().SerializeToString()
    manifest = Manifest(
        name="small",
        sha256=hashlib.sha256(graph).hexdigest(),
        layout="streamer",
        labels=("person", "car"),
        input=InputSpec(name="images", dtype="uint8", layout="NHWC", channels="RGB", size=(64, 32)),
        outputs=(
            OutputSpec(name="boxes", dtype="float32", shape=("batch", 128, 4)),
            OutputSpec(name="scores", dtype="float32", shape=("batch", 128, 2)),
        ),
        thresholds=Thresholds(min_score=0.3, track_score=0.6, nms_iou=0.6),
        precision="fp32",
        opset=17,
        licence="Apache-2.0",
        provenance={"data": "none"},
        metrics={"ap50": 0.5},
    )
    return write_model_folder(manifest, graph, tmp_path_factory.mktemp("models") / "small").folder


@pytest.fixture(scope="module")
def views(tmp_path_factory):
    """A folder of pictures, as a person has them."""
    place = tmp_path_factory.mktemp("views")
    for i, picture in enumerate(pictures(16)):
        cv2.imwrite(str(place / f"{i:02}.png"), picture)
    return place


def command(*arguments) -> int:
    parser = argparse.ArgumentParser()
    precision_command.add_parser(parser.add_subparsers(required=True))
    args = parser.parse_args([str(each) for each in arguments])
    return args.handler(args)


def test_int8_writes_a_folder_that_the_service_runs(folder, views, tmp_path, capsys):
    out = tmp_path / "made"
    assert command("int8", folder, "--calibrate", views, "--count", 16, "--method", "minmax", "--out", out) == 0
    manifest = load_artifact(out).manifest
    assert (manifest.precision, manifest.name) == ("int8", "small-int8")
    assert manifest.provenance["data"] == "none"
    assert manifest.provenance["converted_from"]["calibration_pictures"] == 12
    assert manifest.provenance["converted_from"]["sha256"] == load_artifact(folder).manifest.sha256
    assert set(manifest.metrics) == {"run_cpu_ms_one_thread"}  # what was measured of another graph is not claimed
    assert manifest.parity["pictures"] == 4
    assert manifest.parity["objects"] > 0
    assert manifest.parity["task"] == "not measured"
    load_detector(out).warm_up()
    shown = capsys.readouterr()
    assert "have a partner of IoU 0.9" in shown.out
    assert "the drop of AP50 was not measured" in " ".join(shown.err.split())


def test_fp16_writes_a_folder_that_the_service_runs(folder, views, tmp_path):
    out = tmp_path / "made"
    assert command("fp16", folder, "--pictures", views, "--out", out) == 0
    manifest = load_artifact(out).manifest
    assert manifest.precision == "fp16"
    assert manifest.parity["mean_partner_iou"] > 0.995
    assert manifest.provenance["converted_from"]["headroom"] > 4
    load_detector(out).warm_up()


def test_fp16_is_tried_on_drawn_streets_where_no_pictures_are_named(folder, tmp_path):
    assert command("fp16", folder, "--out", tmp_path / "made") == 0
    assert load_artifact(tmp_path / "made").manifest.parity["pictures"] == 24


def test_average_precision_is_measured_where_labels_are_given(folder, views, tmp_path, capsys):
    (tmp_path / "data" / "images").mkdir(parents=True)
    images, boxes = [], []
    for i, picture in enumerate(pictures(6, seed=5)):
        cv2.imwrite(str(tmp_path / "data" / "images" / f"{i}.png"), picture)
        images.append({"id": i, "file_name": f"{i}.png", "width": 64, "height": 32})
        boxes.append({"id": i, "image_id": i, "category_id": 1, "bbox": [8, 8, 16, 16], "area": 256, "iscrowd": 0})
    said = {"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "person"}]}
    (tmp_path / "data" / "annotations.json").write_text(json.dumps(said))
    out = tmp_path / "made"
    assert command("fp16", folder, "--pictures", views, "--data", tmp_path / "data", "--out", out) == 0
    task = load_artifact(out).manifest.parity["task"]
    assert task["ap50_before"].keys() == {"person"}
    assert abs(task["mean_ap50_drop"]) <= 0.002
    assert "AP50 drops by" in capsys.readouterr().out


def test_without_a_method_the_closest_wins(folder, tmp_path):
    reference = load_artifact(folder)
    proof = Proof(pictures=pictures(3, seed=5), limits=INT8)
    artifact, _ = convert_to_int8(reference, pictures(8), proof, tmp_path / "made")
    assert artifact.manifest.provenance["converted_from"]["calibration"] in {each.value for each in Method}


def test_the_command_offers_every_method():
    assert set(precision_command.METHODS) == {each.value for each in Method}


def test_a_failed_proof_leaves_nothing_behind(folder, tmp_path):
    reference = load_artifact(folder)
    proof = Proof(pictures=pictures(2), limits=Limits(relative=1e-9))
    with pytest.raises(ParityError, match="differs by"):
        convert_to_fp16(reference, proof, tmp_path / "made")
    with pytest.raises(ParityError, match="differs by"):
        convert_to_int8(reference, pictures(4), proof, tmp_path / "made", Method.MINMAX)
    assert list(tmp_path.iterdir()) == []


def test_a_labelled_set_on_which_it_fails_leaves_nothing_behind(folder, tmp_path):
    falling = iter([{"person": 0.8}, {"person": 0.5}])
    proof = Proof(pictures=pictures(2), limits=INT8, task=lambda _: next(falling))
    with pytest.raises(ParityError, match=r"AP50: drops by 0\.3000"):
        convert_to_int8(load_artifact(folder), pictures(4), proof, tmp_path / "made", Method.MINMAX)
    assert list(tmp_path.iterdir()) == []


def test_only_a_float32_folder_is_a_beginning(folder, views, tmp_path):
    command("fp16", folder, "--pictures", views, "--out", tmp_path / "half")
    with pytest.raises(ArtifactError, match="is fp16 already; name the fp32 folder"):
        command("int8", tmp_path / "half", "--calibrate", views, "--out", tmp_path / "made")


def test_what_exists_is_not_overwritten(folder, views, tmp_path):
    with pytest.raises(ArtifactError, match="exists already"):
        command("int8", folder, "--calibrate", views, "--out", tmp_path)


def test_too_few_pictures_are_refused(folder, views, tmp_path):
    with pytest.raises(ConfigError, match="--count must be 8 or more"):
        command("int8", folder, "--calibrate", views, "--count", 4, "--out", tmp_path / "made")
    (tmp_path / "few").mkdir()
    cv2.imwrite(str(tmp_path / "few" / "one.png"), np.zeros((32, 64, 3), np.uint8))
    with pytest.raises(ConfigError, match="only 1 picture"):
        command("int8", folder, "--calibrate", tmp_path / "few", "--out", tmp_path / "made")
