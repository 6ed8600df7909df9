"""The figures of a detector on a set, worked out on paper and by brute force."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.average_precision import Curve, Picture, iou, judge, judge_at
from models.scores import MIN_IOUS, ClassCurves, as_frame, curves_of, score
from models.sets import Shot
from streamer.artifacts import Thresholds
from streamer.fit import InputFit
from streamer.types import Detections, Frame

NONE = np.zeros((0, 4), np.float32)
A, B, FAR = (0, 0, 10, 10), (40, 40, 60, 60), (70, 70, 80, 80)
Row = tuple[tuple[float, float, float, float], float, str]


class ScriptedDetector:
    """Finds in the n-th picture what it was told to find there."""

    def __init__(self, labels: Sequence[str], found: Iterable[Sequence[Row]], nms_iou: float | None = 0.6) -> None:
        self.labels = tuple(labels)
        points = {"car": 0.6} if "car" in self.labels else {}
        self.thresholds = Thresholds(min_score=0.1, track_score=0.5, nms_iou=nms_iou, track_score_by_label=points)
        self.input_fit = InputFit((64, 64))
        self._found = iter(found)

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        assert [frame.image.shape for frame in frames] == [(64, 64, 3)]
        rows = sorted(next(self._found), key=lambda row: -row[1])
        boxes = np.array([box for box, _, _ in rows], np.float32).reshape(-1, 4)
        ids = np.array([self.labels.index(label) for _, _, label in rows], np.int64)
        return [Detections(boxes, np.array([s for _, s, _ in rows], np.float32), ids, self.labels)]


def shot(*true: tuple[tuple[float, ...], str], ignored: Sequence[int] = (), known: Iterable[str] | None = None) -> Shot:
    return Shot(
        "shot",
        np.zeros((128, 128, 3), np.uint8),
        np.array([box for box, _ in true], np.float32).reshape(-1, 4),
        tuple(label for _, label in true),
        np.array([i in ignored for i in range(len(true))], np.bool_),
        None if known is None else frozenset(known),
    )


def test_the_figures_of_one_class_are_those_worked_out_on_paper():
    found = [[(A, 0.9, "person"), (FAR, 0.7, "person")], [(A, 0.55, "person")], [(B, 0.3, "person")]]
    shots = [shot((A, "person")), shot(), shot((B, "person"))]
    figures = score(ScriptedDetector(["person"], found), shots)["person"]
    # By falling score: hit, miss, miss, hit.
    assert figures.ap50 == pytest.approx(0.5 + 0.5 * 2 / 4)
    assert figures.ap == pytest.approx(figures.ap50), "boxes fit exactly"
    assert (figures.precision, figures.recall, figures.chosen_score) == (pytest.approx(1 / 3), 0.5, 0.5)
    assert (figures.best_f1, figures.best_f1_score) == (pytest.approx(2 / 3), pytest.approx(0.9))
    assert (figures.true_boxes, figures.empty_pictures, figures.false_per_empty_picture) == (2, 1, 1.0)


def test_a_given_score_stands_for_all_classes():
    found = [[(A, 0.55, "car"), (B, 0.55, "person")]]
    shots = [shot((A, "car"), (B, "person"))]
    figures = score(ScriptedDetector(["person", "car"], found), shots)
    assert (figures["person"].recall, figures["car"].recall) == (1.0, 0.0), "car counts from 0.6 on"
    assert math.isnan(figures["car"].precision), "of nothing"
    figures = score(ScriptedDetector(["person", "car"], found), shots, chosen_score=0.3)
    assert (figures["person"].recall, figures["car"].recall) == (1.0, 1.0)


def test_a_class_that_the_model_lacks_is_null_and_not_dropped():
    figures = score(ScriptedDetector(["person"], [[]]), [shot((A, "dog"), known=["person", "dog", "cat"])])
    assert list(figures) == ["person", "dog"]
    told = figures["dog"].as_json()
    assert told["ap50"] is None
    assert told["recall"] is None
    assert told["true_boxes"] == 1
    assert figures["person"].as_json()["ap50"] is None, "there was none to find"


def test_a_class_that_is_not_labelled_in_a_picture_is_not_judged_there():
    found = [[(A, 0.9, "person")], [(A, 0.9, "person")]]
    shots = [shot(known=["car"]), shot((A, "person"), known=["person", "car"])]
    figures = score(ScriptedDetector(["person", "car"], found), shots)
    assert figures["person"].ap50 == 1.0
    assert figures["person"].empty_pictures == 0
    assert figures["car"].empty_pictures == 2


def test_an_ignored_object_counts_neither_way_and_its_picture_is_not_empty():
    found = [[(A, 0.9, "person"), ((1, 1, 4, 4), 0.8, "person"), (FAR, 0.7, "person")]]
    figures = score(ScriptedDetector(["person"], found), [shot((A, "person"), ignored=[0])])["person"]
    assert figures.true_boxes == 0
    assert figures.empty_pictures == 0
    assert figures.precision == 0.0, "the one far away is a miss; a part of a crowd is none"


@pytest.mark.parametrize("spelling", ["Person", " person ", "PERSON"])
def test_case_and_blanks_do_not_part_classes(spelling):
    figures = score(ScriptedDetector(["person"], [[(A, 0.9, "person")]]), [shot((A, spelling), known=[spelling])])
    assert list(figures) == ["person"]
    assert figures["person"].ap50 == 1.0


MERGE = {"vehicle": ("car", "bus", "truck", "van")}


def test_merged_labels_are_one_class_on_both_sides_and_one_thing_is_found_once():
    found = [[(A, 0.9, "car"), ((0, 0, 10, 9), 0.8, "truck"), (B, 0.7, "truck"), (FAR, 0.6, "person")]]
    shots = [shot((A, "van"), (B, "Vehicle"), (FAR, "person"))]
    figures = score(ScriptedDetector(["person", "car", "truck"], found), shots, MERGE)
    assert list(figures) == ["person", "vehicle"]
    assert figures["vehicle"].precision == 1.0
    assert figures["vehicle"].recall == 1.0
    assert figures["vehicle"].chosen_score == 0.5, "the lowest of car 0.6 and truck 0.5"


def test_merged_boxes_of_a_net_that_suppresses_by_itself_are_suppressed_too():
    found = [[(A, 0.9, "car"), ((0, 0, 10, 9), 0.8, "truck")]]
    shots = [shot((A, "car"))]
    figures = score(ScriptedDetector(["car", "truck"], found, nms_iou=None), shots, MERGE)
    assert figures["vehicle"].precision == 1.0


def test_a_merged_class_is_judged_where_any_of_its_labels_is_labelled():
    found = [[(A, 0.9, "truck")], [(A, 0.9, "truck")]]
    shots = [shot(known=["car"]), shot(known=["person"])]
    figures = score(ScriptedDetector(["car", "truck"], found), shots, MERGE)
    assert figures["vehicle"].false_per_empty_picture == 1.0
    assert figures["vehicle"].empty_pictures == 1


def test_a_picture_is_handed_on_as_capture_would():
    image = np.zeros((50, 100, 3), np.uint8)
    frame = as_frame(image, InputFit((64, 64)))
    assert frame.image.shape == (32, 64, 3)
    assert frame.source_wh == (100, 50)
    assert frame.picture.rgb() is image


def test_pictures_judged_elsewhere_give_the_same_curves():
    picture = Picture(np.array([A], np.float32), np.array([0.9], np.float32), NONE, NONE)
    curves = ClassCurves.of([picture])
    assert curves.false_scores.tolist() == pytest.approx([0.9])
    found = curves_of(ScriptedDetector(["person"], [[(A, 0.9, "person")]]), [shot()])["person"]
    assert found.empty_pictures == curves.empty_pictures == 1


def literally(pictures: Sequence[Picture], min_iou: float) -> list[tuple[float, bool]]:
    """(score, hit) by the rule's words: strongest first, each takes the free true box that it overlaps most."""
    verdicts = []
    for picture in pictures:
        free = list(range(len(picture.true_boxes)))
        for row in sorted(range(len(picture.found_boxes)), key=lambda i: -picture.found_scores[i]):
            box = picture.found_boxes[row : row + 1]
            overlaps = {i: float(iou(box, picture.true_boxes[i : i + 1])[0, 0]) for i in free}
            best = max(overlaps, key=overlaps.__getitem__, default=None)
            if best is not None and overlaps[best] >= np.float32(min_iou):
                free.remove(best)
                verdicts.append((float(picture.found_scores[row]), True))
                continue
            x1, y1, x2, y2 = box[0]
            for a, b, c, d in picture.ignored_boxes:
                shared = max(0.0, min(x2, c) - max(x1, a)) * max(0.0, min(y2, d) - max(y1, b))
                if shared / ((x2 - x1) * (y2 - y1)) >= np.float32(min_iou):
                    break
            else:
                verdicts.append((float(picture.found_scores[row]), False))
    return sorted(verdicts, key=lambda pair: -pair[0])


some_box = st.tuples(*[st.integers(0, 12)] * 2, *[st.integers(1, 8)] * 2).map(
    lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
)
some_boxes = st.lists(some_box, max_size=6).map(lambda rows: np.array(rows, np.float32).reshape(-1, 4))


@st.composite
def some_picture(draw: st.DrawFn) -> Picture:
    found = draw(some_boxes)
    scores = draw(st.permutations(range(1, 100)).map(lambda p: np.array(p[: len(found)], np.float32) / 100))
    return Picture(found, scores, draw(some_boxes), draw(some_boxes))


@settings(deadline=None, max_examples=60)
@given(st.lists(some_picture(), max_size=3))
def test_every_overlap_is_judged_as_if_it_were_the_only_one(pictures):
    for curve, min_iou in zip(judge_at(pictures, MIN_IOUS), MIN_IOUS, strict=True):
        verdicts = literally(pictures, min_iou)
        assert curve.scores.tolist() == [score for score, _ in verdicts]
        assert sorted(zip(curve.scores.tolist(), curve.hits.tolist(), strict=True)) == sorted(verdicts)
        assert np.array_equal(judge(pictures, min_iou).hits, curve.hits)


def test_the_best_f1_is_one_that_a_threshold_can_reach():
    curve = Curve(np.array([0.9, 0.5, 0.5, 0.5], np.float32), np.array([True, True, False, False]), 2)
    assert curve.best_f1() == (pytest.approx(2 / 3), pytest.approx(0.9)), "not the hit alone out of three of 0.5"
