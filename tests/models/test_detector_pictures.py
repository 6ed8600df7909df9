"""What the bundled detector learns from: labels of truth and teacher, canvases, batches."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

with contextlib.suppress(ImportError):  # the marker says so
    import torch

    from models.detector import album as albums
    from models.detector.album import Album, Known, Page, make_album, merge
    from models.detector.augment import blend, mosaic, paste, single, wear
    from models.detector.batches import BatchMaker, as_batch
    from models.detector.drawings import drawn_shots
    from models.detector.held_out import held_out_views
    from models.detector.network import LABELS, STRIDES_PX, cell_grid
    from models.detector.permitted import PERMITTED, PermittedSet
    from models.detector.plan import Plan, Stage, learning_rate, stage_of
    from models.detector.teacher import Opinions, Teacher, _fused
    from models.sets import Shot, mot_video

from streamer.detect.adopt import Wishes, adopt
from streamer.detect.canvas import letterbox
from streamer.detect.layouts import layout_of
from streamer.detect.session import open_session
from tests.conftest import SHARED

pytestmark = pytest.mark.needs("torch")

SOME_SET = "drawn streets"


def a_set(**changes: object) -> PermittedSet:
    return replace(next(each for each in PERMITTED if each.name == SOME_SET), complete=frozenset(), **changes)


def shot(*objects: tuple[tuple[float, float, float, float], str], ignored: bool = False) -> Shot:
    boxes = np.array([box for box, _ in objects], np.float32).reshape(-1, 4)
    names = tuple(label for _, label in objects)
    return Shot("made up", np.zeros((100, 200, 3), np.uint8), boxes, names, np.full(len(names), ignored), None)


def opinions(*found: tuple[tuple[float, float, float, float], str, float]) -> Opinions:
    return Opinions(
        np.array([box for box, _, _ in found], np.float32).reshape(-1, 4),
        np.array([LABELS.index(label) for _, label, _ in found], np.int64),
        np.array([score for _, _, score in found], np.float32),
    )


HERE, THERE = (10.0, 10.0, 40.0, 80.0), (100.0, 20.0, 140.0, 90.0)


def said(known: Known) -> list[tuple[str, bool, bool]]:
    """(label, taught as an object, ignored) of every row."""
    return [
        (LABELS[class_id], not ignored, bool(ignored))
        for class_id, ignored in zip(known.class_ids, known.ignored, strict=True)
    ]


def test_a_sure_find_becomes_a_label_and_a_doubtful_one_a_zone() -> None:
    known = merge(shot(), opinions((HERE, "person", 0.6), (THERE, "person", 0.2), (HERE, "bus", 0.05)), a_set())
    assert said(known) == [("person", True, False), ("person", False, True)]
    assert known.weights[0] == 1.0


def test_vehicles_need_a_surer_teacher_than_people() -> None:
    known = merge(shot(), opinions((HERE, "person", 0.45), (THERE, "truck", 0.45)), a_set())
    assert said(known) == [("person", True, False), ("truck", False, True)]
    assert known.weights[0] == pytest.approx(0.85)


def test_truth_is_not_overruled_by_the_teacher() -> None:
    known = merge(shot((HERE, "car")), opinions((HERE, "truck", 0.9)), a_set())
    assert said(known) == [("car", True, False)]


def test_where_a_class_is_labelled_completely_the_teacher_only_spares() -> None:
    complete = replace(a_set(), complete=frozenset({"car"}))
    known = merge(shot((HERE, "car")), opinions((THERE, "car", 0.9), (THERE, "person", 0.9)), complete)
    assert said(known) == [("car", True, False), ("car", False, True), ("person", True, False)]


def test_a_label_that_is_none_of_ours_is_neither_object_nor_background() -> None:
    known = merge(shot((HERE, "ambulance")), opinions(), a_set())
    assert said(known)[0][1:] == (False, True)
    assert known.any_class.tolist() == [True]


def test_looks_that_agree_outweigh_the_whim_of_one() -> None:
    box = np.array([[10, 10, 50, 90]], np.float32)
    jitter = np.array([[0, 0, 0, 0], [2, 0, 2, 0], [0, 2, 0, 2], [1, 1, 1, 1]], np.float32)
    agreed = _fused(box + jitter, np.zeros(4, np.int64), np.full(4, 0.8, np.float32), whole_looks=4)
    alone = _fused(box, np.zeros(1, np.int64), np.full(1, 0.8, np.float32), whole_looks=4)
    assert len(agreed.scores) == len(alone.scores) == 1
    assert agreed.scores[0] == pytest.approx(0.8)
    assert alone.scores[0] == pytest.approx(0.5)
    assert np.allclose(agreed.boxes[0], [10.75, 10.75, 50.75, 90.75])


def test_classes_are_not_fused_with_each_other() -> None:
    boxes = np.array([[10, 10, 50, 90]] * 2, np.float32)
    fused = _fused(boxes, np.array([2, 5], np.int64), np.array([0.8, 0.7], np.float32), whole_looks=1)
    assert sorted(fused.class_ids.tolist()) == [2, 5]


VTEST = (SHARED / "data/videos/vtest_480x360.mp4", SHARED / "data/tracking/vtest_pets/gt_first69.txt", 480 / 768)


@pytest.mark.needs("shared")
def test_the_teacher_says_what_the_service_says_of_the_same_net(tmp_path: Path) -> None:

    folder = SHARED / "data" / "models" / "yolox_nano"
    adopted = adopt(folder / "yolox_nano.onnx", "yolox", tmp_path / "yolox", Wishes())
    image = next(iter(mot_video(*VTEST))).image
    canvas, _ = letterbox(image, adopted.manifest.input.fit)
    boxes, scores = Teacher(folder / "yolox_nano_dynbatch.onnx").cells(canvas[None])
    session = open_session(adopted, "cpu", threads=1)
    [raw] = session.run(["output"], {"images": canvas[None, ..., ::-1].transpose(0, 3, 1, 2).astype(np.float32)})
    found = layout_of(adopted.manifest).decode({"predictions": raw}, 0)
    ours = [adopted.manifest.labels[class_id] in LABELS for class_id in found.class_ids]
    best = int((found.scores * ours).argmax())
    mine = LABELS.index(adopted.manifest.labels[found.class_ids[best]])
    assert found.scores[best] > 0.3
    row = int(scores[0, :, mine].argmax())
    assert scores[0, row, mine] == pytest.approx(float(found.scores[best]), abs=1e-4)
    assert np.allclose(boxes[0, row], found.boxes_xyxy[best], atol=0.01)


# --- canvases ---------------------------------------------------------------------------------------------------------


def page_with(box: tuple[int, int, int, int], wh: tuple[int, int] = (320, 180)) -> Page:
    image = np.full((wh[1], wh[0], 3), 100, np.uint8)
    x0, y0, x1, y1 = box
    image[y0:y1, x0:x1] = 255
    off = np.zeros(1, np.bool_)
    known = Known(np.array([box], np.float32), np.zeros(1, np.int64), np.ones(1, np.float32), off, off)
    return Page(image, a_set(), known)


def bright_box(image: np.ndarray) -> tuple[int, int, int, int]:
    ys, xs = np.nonzero(image.min(2) > 180)
    return int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1


@pytest.mark.parametrize("calm", [True, False])
def test_a_laid_out_page_keeps_its_boxes_on_its_objects(calm: bool) -> None:
    checked = 0
    for seed in range(60):
        canvas = single(page_with((140, 60, 190, 130)), (256, 192), np.random.default_rng(seed), calm)
        rows = np.flatnonzero(~canvas.known.ignored)
        if len(rows) == 0 or not (canvas.image.min(2) > 180).any():
            continue
        checked += 1
        assert np.allclose(canvas.known.boxes[rows[0]], bright_box(canvas.image), atol=4.0), seed
    assert checked > 25


def test_a_mosaic_keeps_every_quarter_to_itself() -> None:
    pages = [page_with((100, 40, 220, 140)) for _ in range(4)]
    for seed in range(20):
        canvas = mosaic(pages, (256, 192), np.random.default_rng(seed))
        assert canvas.image.shape == (192, 256, 3)
        for box in canvas.known.boxes:
            x0, y0, x1, y1 = np.round(box).astype(int)
            assert 0 <= x0 < x1 <= 256
            assert 0 <= y0 < y1 <= 192
            inside = canvas.image[y0 + 3 : y1 - 3, x0 + 3 : x1 - 3]
            assert inside.size == 0 or (inside.min(2) > 180).mean() > 0.9, seed


def test_a_pasted_object_is_labelled_and_hides_nobody() -> None:
    canvas = single(page_with((10, 10, 60, 100)), (256, 192), np.random.default_rng(1), calm=True)
    before = len(canvas.known.boxes)
    for seed in range(20):
        paste(canvas, page_with((140, 60, 190, 130)), np.random.default_rng(seed))
    assert len(canvas.known.boxes) > before
    boxes = canvas.known.boxes
    for n in range(len(boxes)):
        for m in range(n):
            low, high = np.maximum(boxes[n, :2], boxes[m, :2]), np.minimum(boxes[n, 2:], boxes[m, 2:])
            shared = np.clip(high - low, 0, None).prod()
            smaller = min((boxes[n, 2:] - boxes[n, :2]).prod(), (boxes[m, 2:] - boxes[m, :2]).prod())
            assert shared <= 0.31 * smaller


def test_a_double_exposure_shows_and_asks_for_both() -> None:
    first, second = (
        single(page_with(box), (256, 192), np.random.default_rng(2), calm=True)
        for box in ((20, 20, 80, 100), (200, 60, 290, 160))
    )
    first.unknown[:, :, 1], second.taught[:] = True, False
    both = blend(first, second, 0.6)
    assert both.image.shape == first.image.shape
    assert both.known.boxes.tolist() == [*first.known.boxes.tolist(), *second.known.boxes.tolist()]
    for canvas in (first, second):
        x0, y0, x1, y1 = np.round(canvas.known.boxes[0]).astype(int)
        assert both.image[y0 + 3 : y1 - 3, x0 + 3 : x1 - 3].mean() > both.image[:4].mean() + 20
    assert both.unknown[..., 1].all()
    assert not both.taught.any()


def test_wear_keeps_size_and_type_and_does_not_blind() -> None:
    image = np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)
    for seed in range(40):
        worn = wear(image, np.random.default_rng(seed))
        assert worn.shape == image.shape
        assert worn.dtype == np.uint8
        assert worn.std() > 3


# --- batches ----------------------------------------------------------------------------------------------------------


class QuietTeacher:
    """Stands in for a net: every cell says a tenth of everything."""

    def cells(self, canvases: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        b, h, w, _ = canvases.shape
        n = sum((w // stride) * (h // stride) for stride in STRIDES_PX)
        return np.zeros((b, n, 4), np.float32), np.full((b, n, len(LABELS)), 0.1, np.float32)


@pytest.fixture
def album(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Album:
    """Two sets, both drawn; the second has a class that nobody labelled."""
    drawn = lambda _: drawn_shots(range(100, 102), 2)  # noqa: E731
    sets = (
        a_set(name="known", shots=drawn, taught=False, asked=False, held_out=lambda n, _: n == 1),
        a_set(name="partial", shots=drawn, taught=True, asked=False, unknown=frozenset({"bicycle"})),
    )
    monkeypatch.setattr(albums, "PERMITTED", sets)
    monkeypatch.setattr("models.detector.batches.PERMITTED", sets)
    made = make_album(tmp_path, tmp_path / "no-teacher-needed.onnx", tmp_path / "album", processes=0)
    assert len(made) == 8
    assert made.held_out.tolist() == [False, True] + [False] * 6
    return made


PLAN = Plan(steps=10, batch=4, taught_share=1.0, stages=(Stage(0.0, (128, 96), 1.0), Stage(0.5, (160, 96), 0.0)))


def test_the_album_gives_back_what_went_in(album: Album) -> None:
    for n, expected in enumerate(drawn_shots(range(100, 102), 2)):
        page = album.page(n)
        assert np.array_equal(page.image, expected.image)
        assert np.array_equal(page.known.boxes, expected.boxes)
        assert np.array_equal(page.known.ignored, expected.ignored)


def test_a_step_has_the_same_batch_whoever_makes_it(album: Album) -> None:
    first, second = (BatchMaker(album, QuietTeacher(), PLAN).batch(3) for _ in range(2))
    other = BatchMaker(album, QuietTeacher(), PLAN).batch(4)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert not torch.equal(first[0], other[0])


def test_batches_have_the_size_of_their_stage_and_say_what_is_unknown(album: Album) -> None:
    for step, (w, h) in ((0, (128, 96)), (5, (160, 96))):
        batch = as_batch(BatchMaker(album, QuietTeacher(), PLAN).batch(step))
        n = len(cell_grid((w, h), torch.device("cpu")))
        assert batch.images.shape == (4, h, w, 3)
        assert batch.targets.unknown.shape == batch.targets.teacher.shape == (4, n, len(LABELS))
        assert batch.targets.teacher_boxes.shape == (4, n, 4)
        unknown = batch.targets.unknown
        assert not unknown[..., [0, 2, 3, 4, 5]].any()
        assert unknown[..., 1].any()
        if step == 5:  # before, pages shine through each other
            # Where the teacher is not listened to, the page is of the set in which every class is known.
            assert not (unknown[..., 1] & ~batch.targets.taught).any()
        assert batch.targets.picture.max() < 4
        assert len(batch.targets.picture) == len(batch.targets.boxes)


def test_kept_back_pages_are_never_learned_from(album: Album) -> None:
    maker = BatchMaker(album, QuietTeacher(), PLAN)
    assert 1 not in np.concatenate(maker.rows_of_sets)
    assert sum(len(rows) for rows in maker.rows_of_sets) == 7


def test_stages_and_rates_follow_the_plan() -> None:
    plan = Plan(steps=1000, warm_up=100)
    assert stage_of(plan, 0) == plan.stages[0]
    assert stage_of(plan, 999) == plan.stages[-1]
    rates = [learning_rate(plan, step) for step in range(1000)]
    assert max(rates) == pytest.approx(plan.peak_rate)
    assert rates.index(max(rates)) in range(98, 102)
    assert rates[-1] < 0.02 * plan.peak_rate


def test_views_show_parts_of_kept_back_pages_and_what_reaches_into_them(
    album: Album, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(held_out_views(album)) == 0
    everyday = tuple(replace(each, everyday=True) for each in albums.PERMITTED)
    monkeypatch.setattr("models.detector.held_out.PERMITTED", everyday)
    views = list(held_out_views(album))
    assert len(views) == len(held_out_views(album)) == 12
    page = album.page(1)
    h, w = page.image.shape[:2]
    whole, mirrored, corner, *_ = views
    assert np.array_equal(whole.image, page.image)
    assert np.array_equal(mirrored.image, page.image[:, ::-1])
    assert np.allclose(np.sort(w - whole.boxes[:, 0]), np.sort(mirrored.boxes[:, 2]))
    # The first corner: three fifths of each side, enlarged to the page's size.
    cut = cv2.resize(page.image[: round(0.6 * h), : round(0.6 * w)], (w, h), interpolation=cv2.INTER_LINEAR)
    assert np.array_equal(corner.image, cut)
    inside = (whole.boxes[:, 0] < 0.6 * w - 1) & (whole.boxes[:, 1] < 0.6 * h - 1)
    assert len(corner.boxes) == inside.sum()
    for view in views:
        assert view.ignored.all()
        assert (view.boxes >= 0).all()
        assert (view.boxes <= [w, h, w, h]).all()
