"""Readers of labelled pictures: what they take generously, and what they refuse in a sentence."""

from __future__ import annotations

import csv
import gzip
import json
import struct
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from models.sets import caviar_clips, coco_folder, mot_video
from streamer.errors import ArtifactError
from tests.clips import read_number, write_clip, write_sound

WH = (64, 48)


def picture(wh: tuple[int, int] = WH, bgr: tuple[int, int, int] = (10, 20, 30)) -> np.ndarray:
    return np.full((wh[1], wh[0], 3), bgr, np.uint8)


def a_folder(tmp_path: Path, **changes: Any) -> Path:
    """Two pictures, a person and a crowd in the first, nothing in the second."""
    (tmp_path / "images").mkdir(exist_ok=True)
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(tmp_path / "images" / name), picture())
    coco = {
        "images": [{"id": 7, "file_name": "a.png", "split": "val"}, {"id": 9, "file_name": "b.png", "split": "train"}],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 3, "bbox": [1, 2, 10, 20]},
            {"id": 2, "image_id": 7, "category_id": 90, "bbox": [0, 0, 64, 48], "iscrowd": 1},
        ],
        "categories": [{"id": 3, "name": "person"}, {"id": 90, "name": "hair drier"}],
    }
    (tmp_path / "annotations.json").write_text(json.dumps(coco | changes))
    return tmp_path


def box(**changes: Any) -> dict[str, list[dict[str, Any]]]:
    return {"annotations": [{"id": 5, "image_id": 7, "category_id": 3, "bbox": [1, 2, 10, 20]} | changes]}


def test_a_coco_folder_gives_its_pictures_boxes_and_names(tmp_path):
    shots = coco_folder(a_folder(tmp_path))
    first, second = shots
    assert len(shots) == 2
    assert first.name == "a.png"
    assert first.image.shape == (48, 64, 3)
    assert first.image[0, 0].tolist() == [30, 20, 10], "RGB"
    assert first.boxes.tolist() == [[1, 2, 11, 22], [0, 0, 64, 48]]
    assert first.labels == ("person", "hair drier")
    assert first.ignored.tolist() == [False, True]
    assert first.known == {"person", "hair drier"}
    assert second.boxes.shape == (0, 4)
    assert second.labels == ()
    assert [shot.name for shot in shots] == ["a.png", "b.png"], "a set can be gone through again"


def test_a_split_is_a_part_and_a_class_may_be_said_to_be_unlabelled(tmp_path):
    [shot] = coco_folder(a_folder(tmp_path), "train", labelled=["person"])
    assert shot.name == "b.png"
    assert shot.known == {"person"}


@pytest.mark.parametrize("place", ["images/deep/a.png", "deep/a.png"])
@pytest.mark.parametrize("name", ["deep/a.png", "deep\\a.png"])
def test_a_file_name_may_have_folders_of_its_own(tmp_path, place, name):
    folder = a_folder(tmp_path, images=[{"id": 7, "file_name": name}])
    (folder / place).parent.mkdir(parents=True)
    (folder / "images" / "a.png").rename(folder / place)
    [shot] = coco_folder(folder)
    assert len(shot.boxes) == 2


def test_a_file_name_with_folders_is_found_where_the_pictures_lie_flat(tmp_path):
    [shot] = coco_folder(a_folder(tmp_path, images=[{"id": 7, "file_name": "/data/train2017/a.png"}]))
    assert len(shot.boxes) == 2


def test_quoted_ids_a_byte_order_mark_and_foreign_keys_do_no_harm(tmp_path):
    folder = a_folder(
        tmp_path, info={"year": 2026}, **box(image_id="7", category_id=3.0, segmentation=[[1, 2, 3]], iscrowd=None)
    )
    text = (folder / "annotations.json").read_text()
    (folder / "annotations.json").write_text(text, encoding="utf-8-sig")
    first, _ = coco_folder(folder)
    assert first.labels == ("person",)
    assert first.ignored.tolist() == [False]


def test_boxes_end_at_the_pictures_edge_and_what_has_no_area_is_left_out(tmp_path):
    boxes = [[-5, -5, 10, 10], [60, 40, 30, 30], [64, 10, 5, 5], [10, 10, 0, 5]]
    annotations = [{"id": i, "image_id": 7, "category_id": 3, "bbox": each} for i, each in enumerate(boxes)]
    shots = coco_folder(a_folder(tmp_path, annotations=annotations))
    assert next(iter(shots)).boxes.tolist() == [[0, 0, 5, 5], [60, 40, 64, 48]]
    assert shots.notes == ("1 annotation(s) without width or height are left out",)


@pytest.mark.parametrize(
    "image",
    [picture()[..., 0], picture().astype(np.uint16) * 256, np.dstack([picture(), np.full((48, 64), 9, np.uint8)])],
    ids=["grey", "16 bits", "alpha"],
)
def test_any_png_becomes_eight_bit_rgb(tmp_path, image):
    folder = a_folder(tmp_path)
    cv2.imwrite(str(folder / "images" / "a.png"), image)
    first = next(iter(coco_folder(folder)))
    assert first.image.shape == (48, 64, 3)
    assert first.image.dtype == np.uint8
    assert first.image[0, 0, 2] == 10


def lying_jpeg(file: Path) -> None:
    """64×48 as it lies, dark but for its top left corner, with an EXIF tag that asks for a quarter turn clockwise."""
    image = picture()
    image[:16, :16] = 255
    jpeg = cv2.imencode(".jpg", image)[1].tobytes()
    exif = b"Exif\0\0MM\0*\0\0\0\x08" + struct.pack(">HHHIHHI", 1, 0x0112, 3, 1, 6, 0, 0)
    file.write_bytes(jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:])


@pytest.mark.parametrize(
    ("stated", "shape", "bright"),
    [({}, (64, 48, 3), (4, -4)), ({"width": 48, "height": 64}, (64, 48, 3), (4, -4)),
     ({"width": 64, "height": 48}, (48, 64, 3), (4, 4))],
)  # fmt: skip
def test_a_picture_is_turned_by_its_exif_unless_the_stated_size_says_how_it_was_labelled(
    tmp_path, stated, shape, bright
):
    folder = a_folder(tmp_path, images=[{"id": 7, "file_name": "a.jpg", **stated}], **box())
    lying_jpeg(folder / "images" / "a.jpg")
    [shot] = coco_folder(folder)
    assert shot.image.shape == shape
    assert shot.image[bright].mean() > 200


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (box(bbox=[1, 2, float("nan"), 4]), "annotation 5: bbox .* is no box"),
        (box(bbox=[1, 2, 1e999, 4]), "annotation 5: bbox .* is no box"),
        (box(bbox=[1, 2, -3, 4]), "annotation 5: bbox .* is no box"),
        (box(bbox=[1, 2, 3]), r"annotations\.0\.bbox"),
        (box(bbox=None), r"annotations\.0\.bbox: Input should be a valid list"),
        (box(bbox=[100, 2, 3, 4]), "annotation 5: .* outside its picture of 64×48"),
        (box(category_id=4), "annotation 5: category_id 4 is not among"),
        (box(image_id=1), "not one annotation"),
        ({"annotations": [{"id": 1}]}, "Field required .and 2 more"),
        ({"images": []}, "lists no images"),
        ({"images": [{"id": 7, "file_name": "a.png"}, {"id": 7, "file_name": "b.png"}]}, "two images have the id 7"),
        ({"images": [{"id": 7, "file_name": "z.png"}]}, "1 of 1 pictures are missing, the first: images/z.png"),
        ({"images": [{"id": 7, "file_name": "a.png", "width": 640, "height": 480}]}, "states 640×480.* has 64×48"),
        ({"images": "all"}, "not in COCO form: images"),
        ({"categories": None}, "not in COCO form: categories"),
    ],
)
def test_what_is_wrong_with_a_coco_file_is_a_sentence_with_its_place(tmp_path, changes, said):
    folder = a_folder(tmp_path, **changes)
    with pytest.raises(ArtifactError, match=said):
        list(coco_folder(folder))


@pytest.mark.parametrize("text", ["", "{", "[]", "nonsense", "[" * 100_000, "\x00"])
def test_what_is_no_coco_file_at_all_is_a_sentence_too(tmp_path, text):
    folder = a_folder(tmp_path)
    (folder / "annotations.json").write_text(text)
    with pytest.raises(ArtifactError, match=r"annotations\.json: not"):
        coco_folder(folder)


def test_missing_places_and_splits_are_named(tmp_path):
    with pytest.raises(ArtifactError, match="nowhere: does not exist"):
        coco_folder(tmp_path / "nowhere")
    with pytest.raises(ArtifactError, match=r"cannot be read \(No such file"):
        coco_folder(tmp_path)
    folder = a_folder(tmp_path)
    with pytest.raises(ArtifactError, match=r"annotations\.json: is a file"):
        coco_folder(folder / "annotations.json")
    with pytest.raises(ArtifactError, match="no image of the split 'test'; there are train, val"):
        coco_folder(folder, "test")
    with pytest.raises(ArtifactError, match="its images name no split"):
        coco_folder(a_folder(tmp_path, images=[{"id": 7, "file_name": "a.png"}]), "val")


@pytest.mark.parametrize("damage", [b"", b"\xff\xd8\xff\xe0 not much of a picture"])
def test_a_damaged_picture_is_named(tmp_path, damage):
    folder = a_folder(tmp_path)
    (folder / "images" / "b.png").write_bytes(damage)
    with pytest.raises(ArtifactError, match=r"b\.png: cannot be read as a picture"):
        list(coco_folder(folder))


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    """Twelve numbered frames of 320×240."""
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", frames=12)


def truth_of(tmp_path: Path, text: str) -> Path:
    (tmp_path / "gt.txt").write_text(text)
    return tmp_path / "gt.txt"


def test_a_video_is_taken_up_to_the_last_frame_of_its_truth(tmp_path, clip):
    shots = mot_video(
        clip, truth_of(tmp_path, "1,1,10,20,30,40\n8,1,20,20,30,40,1,-1,-1,-1\n8,2,0,0,4,4,1\n"), 2.0, every=7
    )
    first, second = shots
    assert len(shots) == 2
    assert [read_number(shot.image) for shot in shots] == [0, 7]
    assert first.boxes.tolist() == [[20, 40, 80, 120]]
    assert second.boxes.tolist() == [[40, 40, 100, 120], [0, 0, 8, 8]]
    assert second.labels == ("person", "person")
    assert first.known == {"person"}


def test_frames_without_rows_between_others_hold_nobody(tmp_path, clip):
    shots = list(mot_video(clip, truth_of(tmp_path, "# frame id …\n\n3 1 10 20 30 40\n")))
    assert [len(shot.boxes) for shot in shots] == [0, 0, 1]


def test_rows_of_other_things_are_left_out_and_people_not_to_be_considered_are_ignored(tmp_path, clip):
    rows = ["1,1,10,10,9,9,1,1,1", "1,2,30,10,9,9,0,3,1", "1,3,50,10,9,9,0,8,1", "1,4,70,10,9,9,0,-1,-1"]
    [shot] = mot_video(clip, truth_of(tmp_path, "\n".join(rows)))
    assert shot.boxes[:, 0].tolist() == [10, 50, 70]
    assert shot.ignored.tolist() == [False, True, True]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no box of a person"),
        ("1,1,10,20,30", "line 1: 5 column"),
        ("1,1,10,20,30,40\nframe,id,left,top,width,height", "line 2: could not convert .* expected numbers"),
        ("0,1,10,20,30,40", "line 1: .* frames count from 1"),
        ("1.5,1,10,20,30,40", "line 1: .* is no box"),
        ("1,1,nan,20,30,40", "line 1: .* is no box"),
        ("1,1,10,20,0,40", "line 1: .* is no box"),
        ("1,1,1000,20,30,40", "1 of 1 boxes × 1 lie outside the video's 320×240 pixels, the first in frame 1"),
        ("13,1,10,20,30,40", "ends after 12 pictures, but its truth goes on to picture 13"),
    ],
)
def test_what_is_wrong_with_a_truth_file_is_a_sentence_with_its_line(tmp_path, clip, text, said):
    with pytest.raises(ArtifactError, match=said):
        list(mot_video(clip, truth_of(tmp_path, text)))


def test_a_video_that_is_none_is_named(tmp_path, clip):
    truth = truth_of(tmp_path, "1,1,10,20,30,40")
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "cut.mp4").write_bytes(clip.read_bytes()[:2000])
    sound = write_sound(tmp_path / "sound.mp4")
    for name in ("text.mp4", "empty.mp4", "cut.mp4", "missing.mp4"):
        with pytest.raises(ArtifactError, match=f"{name}: cannot be opened as a video"):
            mot_video(tmp_path / name, truth)
    with pytest.raises(ArtifactError, match="cannot be opened as a video"):
        mot_video(tmp_path, truth)
    with pytest.raises(ArtifactError, match="holds no video"):
        mot_video(sound, truth)
    truth.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ArtifactError, match=r"gt\.txt: no text"):
        mot_video(clip, truth)


def test_caviar_boxes_people_of_the_fullest_labelling_and_no_bags(tmp_path):
    (tmp_path / "clips").mkdir()
    write_clip(tmp_path / "clips" / "Walk_f000100-000103.mp4", frames=4, first_number=100)
    (tmp_path / "split.json").write_text('{"train": [], "val": ["Walk"]}')
    (tmp_path / "clips.csv").write_text(
        "sequence,split,file,first_frame,last_frame,frames\nWalk,val,Walk_f000100-000103.mp4,100,103,4\n"
    )
    rows = [
        ("Walk", "gt1", 102, 1, 50, 60, 10, 20, "walker"),
        ("Walk", "gt2", 102, 1, 51, 61, 10, 20, "walker"),
        ("Walk", "gt2", 102, 2, -5, 0, 10, 20, "browser"),
        ("Walk", "gt2", 102, 3, 90, 90, 10, 20, "leaving object"),
    ]
    with gzip.open(tmp_path / "objects.csv.gz", "wt", newline="") as file:
        table = csv.writer(file)
        table.writerow(("sequence", "gt_file", "frame", "track_id", "x1", "y1", "w", "h", "role"))
        table.writerows(rows)
    first, second = shots = caviar_clips(tmp_path, "val", every=2)
    assert len(shots) == 2
    assert [read_number(shot.image) for shot in (first, second)] == [100, 102]
    assert first.boxes.shape == (0, 4)
    assert second.boxes.tolist() == [[51, 61, 61, 81], [0, 0, 5, 20]]
    with pytest.raises(ArtifactError, match="no split 'test'; there are train, val"):
        caviar_clips(tmp_path, "test")
    (tmp_path / "objects.csv.gz").write_bytes(b"no gzip")
    with pytest.raises(ArtifactError, match="not the CAVIAR set"):
        caviar_clips(tmp_path, "val")


@pytest.mark.needs("shared")
def test_the_yardsticks_hold_what_they_always_held(shared):
    from models.detector.yardsticks import evaluation_sets

    sets = evaluation_sets(shared / "data")
    assert [len(shots) for shots in sets.values()] == [69, 44, 187, 128]
