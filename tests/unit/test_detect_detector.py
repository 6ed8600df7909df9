"""The whole detector on tiny real graphs: frames in, source pixels out."""

from __future__ import annotations

import hashlib
import threading

import numpy as np
import onnx
import pytest

from streamer.artifacts import InputSpec, Manifest, OutputSpec, Thresholds
from streamer.detect import load_detector
from streamer.errors import ArtifactError, InferenceError
from streamer.model_folder import write_model_folder
from streamer.sessions.batch_sizes import BatchSizes
from streamer.types import Detections, Frame
from tests.fakes import StillPicture
from tests.onnx_models import BOXES, SCORES, brightness_graph, graph_of, streamer_graph, write_tiny


def a_frame_for(detector, source_wh=(64, 64), image=None, camera="gate", index=0) -> Frame:
    fit = detector.input_fit.of(source_wh)
    image = np.zeros((fit.content_wh[1], fit.content_wh[0], 3), np.uint8) if image is None else image
    return Frame(camera, "s", index, image, source_wh, 0.0, 0.0, 0.0, StillPicture(image))


def rows(detections: Detections) -> list[tuple[str, float, list[float]]]:
    named = [detections.labels[i] for i in detections.class_ids]
    return list(
        zip(
            named, (round(float(s), 4) for s in detections.scores), detections.boxes_xyxy.round(3).tolist(), strict=True
        )
    )


def test_boxes_come_out_in_source_pixels_by_falling_score(tmp_path):
    detector = load_detector(write_tiny(tmp_path / "tiny").folder)
    detector.warm_up()
    [found] = detector.detect([a_frame_for(detector, (64, 64))])
    # The canvas is 32×32, so pixels double. The second look at the person is suppressed, the flat box has area 0 × 4.
    assert rows(found) == [
        ("person", 0.9, [4.0, 4.0, 24.0, 44.0]),
        ("car", 0.7, [32.0, 8.0, 60.0, 60.0]),
        ("car", 0.6, [4.0, 4.0, 24.0, 44.0]),
    ]
    assert detector.model_name == "tiny"
    assert detector.model_hash == hashlib.sha256(streamer_graph()).hexdigest()


def test_padding_is_no_part_of_the_picture(tmp_path):
    detector = load_detector(write_tiny(tmp_path / "tiny").folder)
    # 64×32 lies at y 8-24 of the canvas: scale 0.5, offset 8.
    [found] = detector.detect([a_frame_for(detector, (64, 32))])
    assert rows(found) == [
        ("person", 0.9, [4.0, 0.0, 24.0, 28.0]),
        ("car", 0.7, [32.0, 0.0, 60.0, 32.0]),
        ("car", 0.6, [4.0, 0.0, 24.0, 28.0]),
    ]


def test_a_box_in_the_padding_alone_is_no_object(tmp_path):
    boxes = np.array([[2, 0, 12, 7], [2, 10, 12, 20]], np.float32)
    scores = np.array([[0.9, 0], [0.8, 0]], np.float32)
    outputs = (
        OutputSpec(name="boxes", dtype="float32", shape=("batch", 2, 4)),
        OutputSpec(name="scores", dtype="float32", shape=("batch", 2, 2)),
    )
    detector = load_detector(write_tiny(tmp_path / "t", streamer_graph(boxes, scores), outputs=outputs).folder)
    [found] = detector.detect([a_frame_for(detector, (64, 32))])
    assert rows(found) == [("person", 0.8, [4.0, 4.0, 24.0, 24.0])]


def brightness_detector(tmp_path, batch="any"):
    graph = brightness_graph()
    return load_detector(
        write_tiny(
            tmp_path / "bright",
            graph,
            labels=("thing",),
            input=InputSpec(name="images", dtype="uint8", layout="NHWC", channels="RGB", size=(32, 32), batch=batch),
            outputs=(
                OutputSpec(name="boxes", dtype="float32", shape=("batch", 1, 4)),
                OutputSpec(name="scores", dtype="float32", shape=("batch", 1, 1)),
            ),
        ).folder
    )


def coloured(detector, red, green, blue, index=0, source=(320, 320)):
    w, h = detector.input_fit.of(source).content_wh
    image = np.empty((h, w, 3), np.uint8)
    image[:] = (red, green, blue)
    return a_frame_for(detector, source, image, index=index)


@pytest.mark.parametrize("batch", ["any", 1])
def test_each_frame_of_a_batch_gets_its_own_answer_in_order(tmp_path, batch):
    detector = brightness_detector(tmp_path, batch)
    frames = [coloured(detector, i, 2 * i, 31, index=i) for i in range(1, 7)]
    found = detector.detect(frames)
    # The corners are mean red, mean green, mean blue and the maximum; source pixels are ten times as many.
    assert [d.boxes_xyxy.round(2).tolist() for d in found] == [
        [[10.0 * i, 20.0 * i, 310.0, 310.0]] for i in range(1, 7)
    ]
    assert detector.timings.runs == (1 if batch == "any" else 6)
    assert detector.timings.frames == 6
    singly = [detector.detect([frame])[0] for frame in frames]
    assert [rows(d) for d in singly] == [rows(d) for d in found]


def test_others_are_woken_once_before_the_first_run_of_a_batch(tmp_path):
    detector = brightness_detector(tmp_path, 1)
    runs: list[int] = []
    frames = [coloured(detector, 1, 2, 31, index=i) for i in range(3)]
    detector.detect(frames, lambda: runs.append(detector.timings.runs))
    assert runs == [0]
    detector.detect([], lambda: runs.append(-1))
    assert runs == [0]


def test_no_frames_is_no_work(tmp_path):
    detector = brightness_detector(tmp_path)
    assert detector.detect([]) == []
    assert detector.timings.runs == 0


def test_frames_of_many_sizes_share_a_batch(tmp_path):
    detector = load_detector(write_tiny(tmp_path / "tiny").folder)
    sizes = [(64, 64), (64, 32), (1920, 1080), (10, 300)]
    together = detector.detect([a_frame_for(detector, size) for size in sizes])
    assert [rows(d) for d in together] == [rows(detector.detect([a_frame_for(detector, size)])[0]) for size in sizes]
    for size, found in zip(sizes, together, strict=True):
        assert (found.boxes_xyxy <= np.array([*size, *size])).all()
        assert (found.boxes_xyxy >= 0).all()


def test_many_threads_get_their_own_answers(tmp_path):
    detector = brightness_detector(tmp_path)
    wrong: list[int] = []

    def ask(i: int) -> None:
        for _ in range(20):
            [found] = detector.detect([coloured(detector, i, i, 31)])
            if not np.allclose(found.boxes_xyxy, [[10 * i, 10 * i, 310, 310]], atol=0.1):
                wrong.append(i)

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not wrong


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["boxes", "scores"])
def test_nan_and_infinity_never_reach_the_tracker(tmp_path, poison, where):
    boxes, scores = BOXES.copy(), SCORES.copy()
    (boxes if where == "boxes" else scores)[0, 0] = poison
    detector = load_detector(write_tiny(tmp_path / "tiny", streamer_graph(boxes, scores)).folder)
    [found] = detector.detect([a_frame_for(detector)])
    assert np.isfinite(found.boxes_xyxy).all()
    assert np.isfinite(found.scores).all()
    # The poisoned row is gone, so the weaker look at the same person stays.
    assert ("person", 0.8, [6.0, 4.0, 24.0, 44.0]) in rows(found)
    never_reaches_the_floor = where == "scores" and poison == -np.inf
    assert detector.timings.strange_rows == (0 if never_reaches_the_floor else 1)


def test_outputs_of_nothing_but_nan_are_no_objects(tmp_path):
    graph = streamer_graph(np.full_like(BOXES, np.nan), np.full_like(SCORES, np.nan))
    detector = load_detector(write_tiny(tmp_path / "tiny", graph).folder)
    [found] = detector.detect([a_frame_for(detector)])
    assert len(found) == 0
    assert detector.timings.strange_rows == 5


def test_a_frame_prepared_for_another_model_is_refused_by_camera_and_frame(tmp_path):
    detector = load_detector(write_tiny(tmp_path / "tiny").folder)
    wrong = a_frame_for(detector, (64, 64), np.zeros((10, 10, 3), np.uint8), camera="yard", index=7)
    with pytest.raises(InferenceError, match=r"camera 'yard', frame 7: .*\(32, 32, 3\).*\(10, 10, 3\)"):
        detector.detect([wrong])


def test_at_most_so_many_objects_come_out(tmp_path):
    limits = Thresholds(min_score=0.1, track_score=0.5, nms_iou=0.5, max_objects=2)
    detector = load_detector(write_tiny(tmp_path / "tiny", thresholds=limits).folder)
    [found] = detector.detect([a_frame_for(detector)])
    assert [round(float(s), 2) for s in found.scores] == [0.9, 0.7]


def test_without_nms_everything_above_the_floor_stays(tmp_path):
    limits = Thresholds(min_score=0.1, track_score=0.5, nms_iou=None)
    detector = load_detector(write_tiny(tmp_path / "tiny", thresholds=limits).folder)
    [found] = detector.detect([a_frame_for(detector)])
    assert [round(float(s), 2) for s in found.scores] == [0.9, 0.8, 0.7, 0.6]


def test_half_precision_ends_at_the_door(tmp_path):
    graph = streamer_graph(BOXES.astype(np.float16), SCORES.astype(np.float16))
    outputs = (
        OutputSpec(name="boxes", dtype="float16", shape=("batch", 5, 4)),
        OutputSpec(name="scores", dtype="float16", shape=("batch", 5, 2)),
    )
    detector = load_detector(write_tiny(tmp_path / "tiny", graph, outputs=outputs, precision="fp16").folder)
    detector.warm_up()
    [found] = detector.detect([a_frame_for(detector)])
    assert found.scores.dtype == np.float32
    assert found.boxes_xyxy.dtype == np.float32
    assert len(found) == 3


def test_further_outputs_such_as_embeddings_are_left_alone(tmp_path):
    graph = graph_of({"boxes": BOXES, "scores": SCORES, "embedding": np.ones(16, np.float32)})
    outputs = (
        OutputSpec(name="boxes", dtype="float32", shape=("batch", 5, 4)),
        OutputSpec(name="scores", dtype="float32", shape=("batch", 5, 2)),
        OutputSpec(name="embedding", dtype="float32", shape=("batch", 16)),
    )
    detector = load_detector(write_tiny(tmp_path / "tiny", graph, outputs=outputs).folder)
    detector.warm_up()
    [found] = detector.detect([a_frame_for(detector)])
    assert len(found) == 3


def test_timings_only_rise_and_tell_run_from_the_rest(tmp_path):
    detector = load_detector(write_tiny(tmp_path / "tiny").folder)
    before = detector.timings
    detector.detect([a_frame_for(detector)] * 3)
    after = detector.timings
    assert (after.frames, after.runs) == (3, 1)
    for part in ("prepare_s", "run_s", "decode_s"):
        assert getattr(after, part) > getattr(before, part)
    assert detector.run_seconds_total == after.run_s


# The other layouts, from graph to source pixels: the picture is 128×64 on a canvas of 64×64, one object of class 1 at
# 16, 24 – 48, 40 in canvas pixels. Letterboxed in the centre (offset 16, scale 0.5) that is 32, 16 – 96, 48.
LETTERBOXED, STRETCHED = [32.0, 16.0, 96.0, 48.0], [32.0, 24.0, 96.0, 40.0]


def logit(p):
    return np.log(p / (1 - p))


def yolox_outputs():
    raw = np.zeros((84, 7), np.float32)
    cell = 3 * 8 + 4  # stride 8, row 3, column 4
    raw[cell] = [0.0, 1.0, np.log(4), np.log(2), 0.8, 0.0, 0.9]  # centre 32, 32; 32×16
    return {"output": raw}, (1, 3, 64, 64), ("batch", 84, 7)


def fastestdet_outputs():
    raw = np.zeros((7, 4, 4), np.float32)
    raw[:, 2, 2] = [0.8, 0.0, 0.0, logit(0.5), logit(0.25), 0.0, 0.9]
    return {"758": raw}


def yolov8_outputs():
    raw = np.zeros((6, 84), np.float32)
    raw[:, 5] = [32, 32, 32, 16, 0.0, 0.72]
    return {"output0": raw}


def detr_outputs():
    logits = np.full((10, 2), -9, np.float32)
    boxes = np.full((10, 4), 0.5, np.float32)
    boxes[3], logits[3, 1] = [0.5, 0.5, 0.5, 0.25], logit(0.72)
    return {"pred_boxes": boxes, "logits": logits}


def third_party(layout, outputs, roles, normalised, mode, align, batch="any"):
    graph = graph_of(
        outputs,
        input_name="x",
        input_shape=("batch" if batch == "any" else 1, 3, 64, 64),
        input_dtype="float32",
        repeat=layout != "torchvision",
    )
    front = () if layout == "torchvision" else ("batch" if batch == "any" else 1,)
    scale = 1 / 255 if normalised else 1.0
    nms_iou = None if layout in ("detr", "torchvision") else 0.5
    manifest = Manifest(
        name=layout,
        sha256=hashlib.sha256(graph).hexdigest(),
        layout=layout,
        labels=("person", "car"),
        input=InputSpec(
            name="x", dtype="float32", layout="NCHW", channels="BGR", size=(64, 64), batch=batch,
            mode=mode, align=align, scale=(scale, scale, scale),
        ),
        outputs=tuple(
            OutputSpec(name=name, dtype=str(value.dtype), shape=(*front, *value.shape), role=role)
            for (name, value), role in zip(outputs.items(), roles, strict=True)
        ),
        thresholds=Thresholds(min_score=0.3, track_score=0.5, nms_iou=nms_iou),
        precision="fp32",
        opset=17,
        licence="none",
    )  # fmt: skip
    return manifest, graph


TORCHVISION = {
    "boxes": np.array([[16, 24, 48, 40], [0, 0, 9, 9]], np.float32),
    "labels": np.array([1, 0], np.int64),
    "scores": np.array([0.72, 0.1], np.float32),
}


@pytest.mark.parametrize("batch", ["any", 1])
@pytest.mark.parametrize(
    ("layout", "outputs", "roles", "mode", "align", "expected"),
    [
        ("yolox", yolox_outputs()[0], ["predictions"], "letterbox", "centre", LETTERBOXED),
        ("fastestdet", fastestdet_outputs(), ["predictions"], "stretch", "top_left", STRETCHED),
        ("yolov8", yolov8_outputs(), ["predictions"], "letterbox", "centre", LETTERBOXED),
        ("detr", detr_outputs(), ["boxes", "logits"], "stretch", "top_left", STRETCHED),
        ("torchvision", TORCHVISION, ["boxes", "labels", "scores"], "letterbox", "centre", LETTERBOXED),
    ],
)
def test_every_layout_from_graph_to_source_pixels(tmp_path, layout, outputs, roles, mode, align, expected, batch):
    if layout == "torchvision" and batch == "any":
        batch = 1
    manifest, graph = third_party(layout, outputs, roles, True, mode, align, batch)
    detector = load_detector(write_model_folder(manifest, graph, tmp_path / layout).folder)
    detector.warm_up()
    for found in detector.detect([a_frame_for(detector, (128, 64))] * 2):
        assert [detector.labels[i] for i in found.class_ids] == ["car"]
        if layout == "fastestdet":
            assert found.scores == pytest.approx([0.8**0.6 * 0.9**0.4], rel=1e-5)
            # A cell's own corner is the centre: 2 of 4 cells, so the middle; half as wide, a quarter as high.
            np.testing.assert_allclose(found.boxes_xyxy, [[32, 24, 96, 40]], atol=1e-3)
        else:
            assert found.scores == pytest.approx([0.72], rel=1e-5)
            np.testing.assert_allclose(found.boxes_xyxy, [expected], atol=1e-3)


def test_torchvision_without_a_batch_axis_takes_pictures_one_by_one(tmp_path):
    graph = graph_of(TORCHVISION, input_name="x", input_shape=(3, 64, 64), input_dtype="float32", repeat=False)
    manifest, _ = third_party("torchvision", TORCHVISION, ["boxes", "labels", "scores"], True, "letterbox", "centre", 1)
    manifest = manifest.model_copy(
        update={
            "sha256": hashlib.sha256(graph).hexdigest(),
            "input": manifest.input.model_copy(update={"batch": "none"}),
        }
    )
    detector = load_detector(write_model_folder(manifest, graph, tmp_path / "t").folder)
    detector.warm_up()
    for found in detector.detect([a_frame_for(detector, (128, 64))] * 3):
        np.testing.assert_allclose(found.boxes_xyxy, [LETTERBOXED], atol=1e-3)


def test_a_class_id_without_a_label_stops_with_both_sides(tmp_path):
    outputs = TORCHVISION | {"labels": np.array([7, 0], np.int64)}
    manifest, graph = third_party("torchvision", outputs, ["boxes", "labels", "scores"], True, "letterbox", "centre", 1)
    detector = load_detector(write_model_folder(manifest, graph, tmp_path / "t").folder)
    with pytest.raises(InferenceError, match="gave class id 7, but its manifest has 2 labels"):
        detector.detect([a_frame_for(detector, (128, 64))])


def test_scores_above_one_are_found_before_the_first_frame(tmp_path):
    graph = streamer_graph(BOXES, SCORES * 10)
    detector = load_detector(write_tiny(tmp_path / "tiny", graph).folder)
    with pytest.raises(ArtifactError, match=r"scores must lie in \[0, 1\]; a run gave 9.*sigmoid"):
        detector.warm_up()


def test_a_batch_axis_that_is_free_in_name_only_is_found_before_the_first_frame(tmp_path):
    model = onnx.load_model_from_string(streamer_graph())
    tile = next(node for node in model.graph.node if node.output[0] == "boxes")
    tile.output[0] = "all_boxes"
    model.graph.node.append(onnx.helper.make_node("Slice", ["all_boxes", "zero", "one"], ["boxes"]))
    detector = load_detector(write_tiny(tmp_path / "tiny", model.SerializeToString()).folder)
    with pytest.raises(ArtifactError, match=r"expects \(2, 5, 4\) for 2 pictures, a run gave \(1, 5, 4\)"):
        detector.warm_up()


@pytest.mark.parametrize("n", range(1, 10))
def test_runs_padded_to_prepared_sizes_find_the_same(tmp_path, n):
    """What a GPU needs for recorded launches; a slot of padding is never anybody's picture."""
    detector = brightness_detector(tmp_path)
    # The box is (mean red, mean green, mean blue, most): every picture has one of its own.
    frames = [a_frame_for(detector, (32, 32), np.full((32, 32, 3), (i, i + 1, i + 9), np.uint8)) for i in range(n)]
    plain = [rows(found) for found in detector.detect(frames)]
    assert plain == [[("thing", 1.0, [i, i + 1, i + 9, i + 9])] for i in range(n)]
    detector._session.batch_sizes = BatchSizes((2, 4))
    assert [rows(found) for found in detector.detect(frames)] == plain
    assert detector.timings.runs == 1 + -(-n // 4)
