"""`python -m models.detector.evaluate` from folders to table, JSON and picture; and its sentences where it cannot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from models.detector.evaluate import main
from streamer.artifacts import Thresholds
from tests.clips import write_clip
from tests.onnx_models import write_tiny


def a_set(folder: Path, **changes: Any) -> Path:
    """Two 32×32 pictures for the tiny net, which finds a person (2, 2, 12, 22) and a car (16, 4, 30, 30) anywhere."""
    (folder / "images").mkdir(parents=True)
    for name in ("1.png", "2.png"):
        cv2.imwrite(str(folder / "images" / name), np.full((32, 32, 3), 90, np.uint8))
    coco = {
        "images": [{"id": 1, "file_name": "1.png"}, {"id": 2, "file_name": "2.png", "split": "val"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": [2, 2, 10, 20]},
            {"id": 2, "image_id": 1, "category_id": 8, "bbox": [16, 4, 14, 26]},
            {"id": 3, "image_id": 2, "category_id": 8, "bbox": [16, 4, 14, 26]},
            {"id": 4, "image_id": 2, "category_id": 9, "bbox": [1, 1, 5, 5]},
        ],
        "categories": [{"id": 1, "name": "person"}, {"id": 8, "name": "truck"}, {"id": 9, "name": "dog"}],
    }
    (folder / "annotations.json").write_text(json.dumps(coco | changes))
    return folder


@pytest.fixture
def net(tmp_path) -> Path:
    """The tiny net of tests.onnx_models."""
    return write_tiny(tmp_path / "net").folder


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main([str(each) for each in arguments])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_the_json_holds_what_it_promises_and_null_where_nothing_can_be_said(tmp_path, net, capsys):
    file = tmp_path / "told.json"
    code, out, _ = run(capsys, "--model", net, "--data", a_set(tmp_path / "set"), "--json", file, "--threads", "1,2")
    assert code == 0
    told = json.loads(file.read_text())
    assert told["ap50"] == {"person": 1.0, "truck": None, "dog": None}
    assert told["ap"] == {"person": 1.0, "truck": None, "dog": None}
    assert set(told["ms"]) == set(told["ms_detect"]) == {"1", "2"}
    assert all(0 < told["ms"][n] <= told["ms_detect"][n] for n in ("1", "2"))
    assert told["precision"]["person"] == 0.5
    assert told["recall"]["person"] == 1.0
    assert told["chosen_score"]["person"] == 0.5
    assert told["true_boxes"] == {"person": 1, "truck": 2, "dog": 1}
    assert told["false_per_empty_picture"]["person"] == 1.0
    assert told["pictures"] == 2
    assert "person" in out
    assert "the model has no class 'dog'" in out
    assert "1 thread: " in out
    assert "2 threads: " in out


def test_merged_labels_are_told_under_their_common_name(tmp_path, net, capsys):
    file = tmp_path / "told.json"
    arguments = ("--model", net, "--data", a_set(tmp_path / "set"), "--json", file)
    code, *_ = run(capsys, *arguments, "--merge", "vehicle=car, bus,truck")
    assert code == 0
    told = json.loads(file.read_text())
    assert told["ap50"] == {"person": 1.0, "vehicle": 1.0, "dog": None}
    assert told["merged"] == {"vehicle": ["car", "bus", "truck"]}


def test_another_score_moves_precision_and_recall_only(tmp_path, net, capsys):
    file = tmp_path / "told.json"
    arguments = ("--model", net, "--data", a_set(tmp_path / "set"), "--json", file, "--merge", "vehicle=car,truck")
    assert run(capsys, *arguments, "--score", "0.95")[0] == 0
    told = json.loads(file.read_text())
    assert (told["recall"]["person"], told["precision"]["person"]) == (0.0, None)
    assert told["ap50"]["person"] == 1.0


def test_classes_have_their_own_operating_points(tmp_path, capsys):
    points = Thresholds(min_score=0.1, track_score=0.5, nms_iou=0.5, track_score_by_label={"person": 0.92})
    net, file = write_tiny(tmp_path / "net", thresholds=points).folder, tmp_path / "told.json"
    assert run(capsys, "--model", net, "--data", a_set(tmp_path / "set"), "--json", file)[0] == 0
    assert json.loads(file.read_text())["recall"]["person"] == 0.0


def test_a_video_with_truth_is_a_set_too(tmp_path, net, capsys):
    clip, file = write_clip(tmp_path / "clip.mp4", frames=6, size_wh=(64, 64)), tmp_path / "told.json"
    (tmp_path / "gt.txt").write_text("1,1,2,2,10,20,1,-1,-1,-1\n5,1,2,2,10,20,1,-1,-1,-1\n")
    given = ("--model", net, "--video", clip, "--truth", tmp_path / "gt.txt", "--scale", "2", "--every", "2")
    code, *_ = run(capsys, *given, "--json", file)
    assert code == 0
    told = json.loads(file.read_text())
    assert told["ap50"]["person"] == pytest.approx(1 / 2 + 1 / 2 * 2 / 3, abs=1e-4), "a hit, a miss in frame 3, a hit"
    assert told["pictures"] == 3
    assert told["empty_pictures"] == {"person": 1}


@pytest.mark.needs("torch")  # matplotlib comes with it
def test_the_curves_are_a_picture(tmp_path, net, capsys):
    file = tmp_path / "curves.png"
    assert run(capsys, "--model", net, "--data", a_set(tmp_path / "set"), "--picture", file)[0] == 0
    image = cv2.imread(str(file))
    assert image.shape[0] > 300
    assert image.std() > 5


def broken_sets(folder: Path) -> dict[str, tuple[tuple[object, ...], str]]:
    """What is wrong → (arguments, what is said)."""
    good, bare = a_set(folder / "good"), folder / "bare"
    bare.mkdir()
    not_json = a_set(folder / "not_json")
    (not_json / "annotations.json").write_text("{'images': []}")
    no_picture, no_image = a_set(folder / "no_picture"), a_set(folder / "no_image")
    (no_picture / "images" / "2.png").unlink()
    (no_image / "images" / "2.png").write_bytes(b"not a picture")
    text, columns = folder / "text.mp4", folder / "columns.txt"
    text.write_text("no video")
    columns.write_text("1,2,3\n")
    truth = folder / "gt.txt"
    truth.write_text("1,1,2,2,10,20\n")
    nan = {"id": 4, "image_id": 1, "category_id": 1, "bbox": [float("nan"), 1, 2, 2]}
    away = nan | {"bbox": [500, 1, 2, 2]}
    clip = write_clip(folder / "clip.mp4", frames=2, size_wh=(64, 64))
    return {
        "missing folder": (("--data", folder / "nowhere"), "nowhere: does not exist"),
        "no annotations": (("--data", bare), "annotations.json: cannot be read"),
        "no JSON": (("--data", not_json), "annotations.json: not JSON"),
        "missing picture": (("--data", no_picture), "1 of 2 pictures are missing, the first: images/2.png"),
        "damaged picture": (("--data", no_image), "2.png: cannot be read as a picture"),
        "unknown split": (("--data", good, "--split", "test"), "no image of the split 'test'; there are val"),
        "NaN": (("--data", a_set(folder / "nan", annotations=[nan])), "annotation 4: bbox [nan"),
        "outside": (("--data", a_set(folder / "away", annotations=[away])), "annotation 4: bbox [500"),
        "no video": (("--video", text, "--truth", truth), "text.mp4: cannot be opened as a video"),
        "missing video": (("--video", folder / "no.mp4", "--truth", truth), "no.mp4: cannot be opened as a video"),
        "wrong columns": (("--video", clip, "--truth", columns), "columns.txt, line 1: 3 column(s)"),
        "wrong scale": (("--video", clip, "--truth", truth, "--scale", "99"), "is the scale right?"),
    }


def test_a_set_that_cannot_be_trusted_is_a_sentence_and_exit_3(tmp_path, net, capsys):
    for what, (given, said) in broken_sets(tmp_path).items():
        code, _, err = run(capsys, "--model", net, *given)
        sentence = [line for line in err.splitlines() if line.startswith("evaluate: ")]
        assert (code, len(sentence)) == (3, 1), (what, err)
        assert said in sentence[0], what
        assert "Traceback" not in err, what


def test_a_model_that_cannot_be_trusted_is_a_sentence_and_exit_3(tmp_path, net, capsys):
    good = a_set(tmp_path / "set")
    code, _, err = run(capsys, "--model", tmp_path / "nowhere", "--data", good)
    assert (code, "expected a folder with model.onnx" in err) == (3, True)
    (net / "model.onnx").write_bytes(b"other bytes")
    code, _, err = run(capsys, "--model", net, "--data", good)
    assert (code, "sha256 mismatch" in err) == (3, True)


@pytest.mark.parametrize(
    "given",
    [
        ("--score", "1.5"),
        ("--score", "nan"),
        ("--threads", "0"),
        ("--threads", "1,two"),
        ("--merge", "vehicle"),
        ("--merge", "=car"),
        ("--merge", "vehicle="),
        ("--scale", "0"),
        ("--every", "-1"),
        ("--truth", "gt.txt"),
        ("--video", "clip.mp4"),
    ],
)
def test_wrong_arguments_end_with_2_and_usage(tmp_path, net, capsys, given):
    with pytest.raises(SystemExit) as ended:
        run(capsys, "--model", net, "--data", tmp_path, *given)
    assert ended.value.code == 2


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--merge", "vehicle=car", "--merge", "wheels=car"), "'car' cannot be both 'vehicle' and 'wheels'"),
        (("--json", "nowhere/told.json"), "--json: nowhere/told.json cannot be written: nowhere is not a folder"),
        (("--json", "."), "--json: . cannot be written: it is a folder"),
        (("--picture", "curves.txt"), "--picture: curves.txt should end in .png"),
    ],
)
def test_what_would_fail_at_the_end_is_told_at_the_start_with_2(tmp_path, net, capsys, given, said):
    code, _, err = run(capsys, "--model", net, "--data", a_set(tmp_path / "set"), *given)
    assert code == 2
    assert said in err


@pytest.mark.needs("shared")
def test_an_adopted_detector_scores_what_it_is_known_for(tmp_path, shared, capsys):
    from models.detector.yardsticks import YOLOX_NANO, reference_folders

    folders, file = reference_folders(shared / "data", tmp_path), tmp_path / "told.json"
    coco = shared / "data" / "detection" / "coco128x2"
    code, *_ = run(capsys, "--model", folders[YOLOX_NANO], "--data", coco, "--split", "val", "--json", file)
    assert code == 0
    told = json.loads(file.read_text())
    assert told["ap50"]["person"] == pytest.approx(0.61, abs=0.02)
    assert told["ap50"]["car"] == pytest.approx(0.42, abs=0.03)
    assert told["pictures"] == 128
