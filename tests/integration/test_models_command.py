"""`streamer models` as a person runs it: what it prints, what it leaves on disk, how it exits."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from streamer.artifacts import load_artifact
from streamer.behaviour.features import FEATURES, STEP_S
from streamer.behaviour.motion import MOTION
from streamer.detect import load_detector
from streamer.detect.coco import COCO_80, COCO_91
from streamer.model_kinds import MANIFEST_FILE
from streamer.zoo import BUNDLED, bundled_model
from tests.behaviour_heads import SCENE_NAMES, STATE, TinyNet, write_tiny_head
from tests.models_command import run
from tests.onnx_models import graph_of, streamer_graph, write_tiny

# Another head than the tiny one, for scenes.
MELEE = {
    "net": TinyNet(3, 3, probs=2),
    "task": "scene",
    "name": "melee",
    "features": SCENE_NAMES,
    "predicted": SCENE_NAMES,
    "labels": ("fight", "peace"),
}


def edit(folder, **keys):
    path = folder / MANIFEST_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | keys))


def write_yolov8(path, k=2, n=189, size=("height", "width"), batch="batch"):
    raw = np.zeros((4 + k, n), np.float32)
    graph = graph_of({"output0": raw}, input_name="images", input_shape=(batch, 3, *size), input_dtype="float32")
    path.write_bytes(graph)
    return path


def test_verify_of_a_good_folder_exits_0(tmp_path, capsys):
    code, out, _ = run(capsys, "verify", write_tiny(tmp_path / "tiny").folder)
    assert code == 0
    assert "shapes as promised" in out
    assert "ms per frame" in out


def test_verify_of_a_changed_graph_exits_3_with_both_sides(tmp_path, capsys):
    artifact = write_tiny(tmp_path / "tiny")
    artifact.graph_path.write_bytes(streamer_graph(opset=16))
    code, _, err = run(capsys, "verify", artifact.folder)
    assert code == 3
    assert f"the manifest expects {artifact.manifest.sha256}, the file has " in err


def test_show_tells_what_the_manifest_says_and_json_is_the_manifest(tmp_path, capsys):
    artifact = write_tiny(tmp_path / "tiny")
    code, out, _ = run(capsys, "show", artifact.folder)
    assert code == 0
    for part in ("tiny", "person, car", "32×32", "letterbox", artifact.manifest.sha256):
        assert part in out
    _, out, _ = run(capsys, "show", "--json", artifact.folder)
    assert json.loads(out) == json.loads((artifact.folder / MANIFEST_FILE).read_text())


def test_list_shows_every_folder_and_does_not_stumble_over_a_broken_one(tmp_path, capsys):
    write_tiny(tmp_path / "one")
    write_tiny(tmp_path / "two", name="other")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / MANIFEST_FILE).write_text("{")
    (tmp_path / "no-model").mkdir()
    code, out, _ = run(capsys, "list", tmp_path)
    assert code == 0
    assert "tiny" in out
    assert "other" in out
    assert "unreadable" in out
    code, _, err = run(capsys, "list", tmp_path / "nowhere")
    assert code == 2
    assert "no such folder" in err


def test_list_shows_heads_beside_detectors(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    write_tiny(tmp_path / "sharp")
    write_tiny_head(tmp_path / "stroll")
    write_tiny_head(tmp_path / "melee", **MELEE)
    write_tiny_head(tmp_path / "spoilt")
    edit(tmp_path / "spoilt", step_s=-1)
    code, out, _ = run(capsys, "list", tmp_path)
    assert code == 0
    rows = {line.split()[0]: " ".join(line.split()) for line in out.splitlines()}
    steps = f"{STEP_S:g} s steps"
    assert rows["stroll"] == (
        f"stroll (tiny) track head {len(FEATURES)} features, {steps} walking, running, fallen fp32 Apache-2.0"
    )
    assert rows["melee"] == f"melee scene head 3 features, {steps} fight, peace fp32 Apache-2.0"
    assert "32×32" in rows["sharp"]
    assert rows["spoilt"] == "spoilt unreadable"
    assert "step_s: input should be greater than 0" in out


def test_show_of_a_head_tells_what_it_says_and_json_is_the_manifest(tmp_path, capsys):
    head = write_tiny_head(
        tmp_path / "stroll",
        embedding_of=(load_artifact(bundled_model()).manifest.sha256, "0" * 64),
        parity={"steps": 200}, metrics={"auc": 0.75}, provenance={"script": "by hand"},
    )  # fmt: skip
    code, out, _ = run(capsys, "show", head.folder)
    assert code == 0
    rows = dict(re.split(r"  +", line, maxsplit=1) for line in out.splitlines())
    assert rows["folder"] == str(head.folder)
    assert rows["task"] == "track: one row per track"
    assert rows["labels"] == "3: walking, running, fallen"
    assert rows["features"] == f"{len(FEATURES)}, the first {len(MOTION)} foretold"
    assert rows["step"] == f"{STEP_S:g} s"
    assert rows["state"] == f"{STATE} numbers per row"
    assert re.fullmatch(
        rf"of {BUNDLED}, sha256 \w{{64}}; of a detector that is not here, sha256 0{{64}}", rows["embeddings"]
    )
    assert (rows["parity.steps"], rows["metrics.auc"], rows["provenance.script"]) == ("200", "0.75", "by hand")
    _, out, _ = run(capsys, "show", "--json", head.folder)
    assert json.loads(out) == json.loads((head.folder / MANIFEST_FILE).read_text())


def test_verify_of_a_good_head_exits_0(tmp_path, capsys):
    code, out, _ = run(capsys, "verify", write_tiny_head(tmp_path / "stroll").folder)
    assert code == 0
    assert f"the {len(FEATURES)} that this version computes" in out
    assert "inputs, outputs and opset 18 as the manifest says" in out
    assert "ms per step of 200 tracks" in out
    assert "stroll: good" in out


def test_verify_of_a_head_with_a_changed_graph_exits_3_with_both_sides(tmp_path, capsys):
    head = write_tiny_head(tmp_path / "stroll")
    head.graph_path.write_bytes(TinyNet(seed=1).graph())
    code, _, err = run(capsys, "verify", head.folder)
    assert code == 3
    assert f"the manifest expects {head.manifest.sha256}, the file has " in err


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (
            {"state_width": STATE + 1},
            f"input 'state': shape: the manifest expects (batch, {STATE + 1}), the graph has ",
        ),
        ({"features": (*FEATURES[:-1], "charm")}, f"should be '{FEATURES[-1]}' and is 'charm'"),
        (MELEE, "was trained on 3 features, this version makes "),
    ],
)
def test_verify_of_a_head_that_does_not_fit_exits_3(tmp_path, capsys, keys, said):
    code, out, err = run(capsys, "verify", write_tiny_head(tmp_path / "misfit", **keys).folder)
    assert code == 3
    assert said in err
    assert "good" not in out


def test_adopt_of_a_heads_graph_says_what_a_detector_would_take(tmp_path, capsys):
    head = write_tiny_head(tmp_path / "stroll")
    code, _, err = run(capsys, "adopt", head.graph_path, "--layout", "streamer", "--out", tmp_path / "net")
    assert code == 3
    assert "a detector here takes one input, the pictures; this graph takes 'features', 'state'" in err
    assert not (tmp_path / "net").exists()


def test_adopt_reads_the_graph_and_takes_the_familys_customs(tmp_path, capsys):
    (tmp_path / "names.txt").write_text("person\ncar\n")
    file = write_yolov8(tmp_path / "my net.onnx", size=(64, 64))
    code, out, err = run(
        capsys, "adopt", file, "--layout", "yolov8", "--out", tmp_path / "zoo" / "net",
        "--labels", tmp_path / "names.txt", "--licence", "MIT",
    )  # fmt: skip
    assert (code, err) == (0, "")
    assert "2 labels" in out
    manifest = load_artifact(tmp_path / "zoo" / "net").manifest
    assert manifest.name == "my-net"
    assert manifest.labels == ("person", "car")
    assert manifest.opset == 17
    assert manifest.licence == "MIT"
    assert manifest.input.shape == ("batch", 3, 64, 64)
    assert (manifest.input.channels, manifest.input.mode, manifest.input.align) == ("RGB", "letterbox", "centre")
    assert manifest.input.scale == pytest.approx([1 / 255] * 3)
    assert [(o.name, o.as_role, o.shape) for o in manifest.outputs] == [("output0", "predictions", ("batch", 6, 189))]


def test_adopt_needs_a_size_where_the_graph_leaves_it_free(tmp_path, capsys):
    (tmp_path / "names.txt").write_text("person\ncar\n")
    file = write_yolov8(tmp_path / "net.onnx")
    arguments = ["adopt", file, "--layout", "yolov8", "--out", tmp_path / "net", "--labels", tmp_path / "names.txt"]
    code, _, err = run(capsys, *arguments)
    assert code == 3
    assert "choose one with --size WxH" in err
    code, _, _ = run(capsys, *arguments, "--size", "96x64")
    assert code == 0
    assert load_detector(tmp_path / "net").input_fit.canvas_wh == (96, 64)


@pytest.mark.parametrize(
    ("layout", "options", "said"),
    [
        ("yolov8", (), r"output 'output0' (predictions) must have the shape (any, 84, any) or (any, any, 84)"),
        ("yolox", (), r"must have the shape (any, 84, 85)"),
        ("fastestdet", (), "not of layout fastestdet: it needs outputs for predictions; the graph has 'output0'"),
        ("detr", (), "not of layout detr: it needs outputs for boxes, logits; the graph has 'output0' (batch, 6, 189)"),
        ("torchvision", (), "not of layout torchvision"),
        ("streamer", (), "not of layout streamer"),
        ("yolov8", ("--size", "32x32"), "--size is 32x32, but the graph has 64x64"),
    ],
)
def test_adopt_of_another_layout_exits_3_with_both_sides_and_writes_nothing(tmp_path, capsys, layout, options, said):
    file = write_yolov8(tmp_path / "net.onnx", size=(64, 64))
    code, _, err = run(capsys, "adopt", file, "--layout", layout, "--out", tmp_path / "out" / "net", *options)
    assert code == 3
    assert said in err
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def test_adopt_refuses_a_fixed_batch_of_several(tmp_path, capsys):
    file = write_yolov8(tmp_path / "net.onnx", size=(64, 64), batch=4)
    code, _, err = run(capsys, "adopt", file, "--layout", "yolov8", "--out", tmp_path / "net")
    assert code == 3
    assert "takes 4 pictures at once" in err


def test_adopt_never_overwrites(tmp_path, capsys):
    folder = write_tiny(tmp_path / "tiny").folder
    before = (folder / MANIFEST_FILE).read_bytes()
    (tmp_path / "names.txt").write_text("person\ncar\n")
    file = write_yolov8(tmp_path / "net.onnx", size=(64, 64))
    code, _, err = run(capsys, "adopt", file, "--layout", "yolov8", "--out", folder, "--labels", tmp_path / "names.txt")
    assert code == 3
    assert "exists already" in err
    assert (folder / MANIFEST_FILE).read_bytes() == before


@pytest.mark.parametrize(
    ("content", "said"), [(b"", "not an ONNX model"), (b"hello", "not a whole ONNX model"), (None, "cannot be read")]
)
def test_adopt_of_what_is_no_model_exits_3(tmp_path, capsys, content, said):
    if content is not None:
        (tmp_path / "net.onnx").write_bytes(content)
    code, _, err = run(capsys, "adopt", tmp_path / "net.onnx", "--layout", "yolox", "--out", tmp_path / "net")
    assert code == 3
    assert said in err


def test_adopt_with_labels_that_cannot_be_read_exits_2(tmp_path, capsys):
    file = write_yolov8(tmp_path / "net.onnx", size=(64, 64))
    code, _, err = run(
        capsys, "adopt", file, "--layout", "yolov8", "--out", tmp_path / "net", "--labels", tmp_path / "none.txt"
    )
    assert code == 2
    assert "one class name per line" in err


@pytest.mark.parametrize(("columns", "labels"), [(80, COCO_80), (91, COCO_91), (92, COCO_91)])
def test_adopt_of_a_detr_tells_softmax_from_sigmoid_and_the_numbering_by_the_class_count(
    tmp_path, capsys, columns, labels
):
    outputs = {"pred_boxes": np.full((10, 4), 0.5, np.float32), "logits": np.zeros((10, columns), np.float32)}
    graph = graph_of(outputs, input_name="x", input_shape=("batch", 3, 64, 64), input_dtype="float32")
    (tmp_path / "detr.onnx").write_bytes(graph)
    code, _, err = run(capsys, "adopt", tmp_path / "detr.onnx", "--layout", "detr", "--out", tmp_path / "detr")
    assert (code, err) == (0, "")
    manifest = load_artifact(tmp_path / "detr").manifest
    assert manifest.labels == labels
    assert manifest.thresholds.nms_iou is None
    assert (manifest.input.mean[0] != 0) == (columns == 92)  # the original DETR wants ImageNet's mean


def test_adopt_of_a_torchvision_export_leaves_the_number_of_objects_free(tmp_path, capsys):
    outputs = {
        "boxes": np.array([[1, 2, 3, 4], [5, 6, 7, 8], [1, 1, 9, 9], [0, 0, 4, 4]], np.float32),
        "labels": np.array([1, 3, 1, 1], np.int64),
        "scores": np.array([0.9, 0.8, 0.3, 0.2], np.float32),
    }
    declared = {"boxes": ("objects", 4), "labels": ("objects",), "scores": ("objects",)}
    graph = graph_of(
        outputs, input_name="x", input_shape=(1, 3, 64, 64), input_dtype="float32", repeat=False, declared=declared
    )
    (tmp_path / "ssd.onnx").write_bytes(graph)
    code, _, err = run(capsys, "adopt", tmp_path / "ssd.onnx", "--layout", "torchvision", "--out", tmp_path / "ssd")
    assert (code, err) == (0, "")
    manifest = load_artifact(tmp_path / "ssd").manifest
    assert manifest.labels == COCO_91
    assert manifest.input.batch == 1


def test_coco_in_both_numberings():
    assert len(COCO_80) == 80
    assert len(COCO_91) == 91
    assert tuple(label for label in COCO_91 if label) == COCO_80
    # Known ids of COCO's own numbering.
    known = {0: "", 1: "person", 3: "car", 8: "truck", 12: "", 13: "stop sign", 44: "bottle", 90: "toothbrush"}
    assert {i: COCO_91[i] for i in known} == known


@pytest.mark.needs("shared")
@pytest.mark.parametrize(
    ("file", "layout", "size", "batch"),
    [
        ("yolox_nano/yolox_nano.onnx", "yolox", (416, 416), 1),
        ("yolox_nano/yolox_nano_dynbatch.onnx", "yolox", (416, 416), "any"),
        ("fastestdet/FastestDet.onnx", "fastestdet", (352, 352), 1),
    ],
)
def test_the_reference_detectors_are_adopted_out_of_the_box(tmp_path, capsys, shared, file, layout, size, batch):
    code, _, err = run(
        capsys, "adopt", shared / "data" / "models" / file, "--layout", layout, "--out", tmp_path / "net"
    )
    assert (code, err) == (0, "")
    manifest = load_artifact(tmp_path / "net").manifest
    assert (manifest.input.size, manifest.input.batch, manifest.labels) == (size, batch, COCO_80)
    assert run(capsys, "verify", tmp_path / "net")[0] == 0
