"""How well a detector does on a labelled set: every class's curves, and the figures that are quoted from them.

The pictures go through the service's own detector, one by one, resized as capture would. Class names of model and truth
are the same where they differ in case and blanks only.

Coarser labels. `merge` maps a coarse name to the labels that become it, on both sides: {"vehicle": ("car", "bus")}
makes one class of the model's cars and buses, and of the truth's, and of the truth's own "vehicle" if it has that. A
model may find one van as a car and as a bus: of merged boxes that overlap by more than the model's own nms_iou (0.65
where its graph suppresses by itself) the best stays. A picture in which any of the labels is labelled is held to the
coarse class. A merged class's chosen score is the lowest of those of its labels.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Sized
from dataclasses import asdict, dataclass, field

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from models.average_precision import Curve, Picture, judge_at
from models.sets import Shot
from streamer.detect import OnnxDetector
from streamer.detect.canvas import resize
from streamer.detect.nms import nms
from streamer.fit import InputFit
from streamer.types import Detections, Frame

MIN_IOUS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
_MERGED_NMS_IOU = 0.65
_NO_BOXES, _NO_SCORES = np.zeros((0, 4), np.float32), np.zeros(0, np.float32)


@dataclass(frozen=True)
class ClassScore:
    """One class on one set; NaN where a figure has no meaning there.

    ap50, ap: average precision at IoU 0.5, and the mean over 0.50, 0.55, … 0.95; NaN where the set holds no such object
    or the model no such class. precision, recall: of what scores chosen_score or more, at IoU 0.5. best_f1 is the best
    that any score gives, best_f1_score that score. false_per_empty_picture: boxes above chosen_score per picture that
    holds none of this class (and would be labelled if it did); empty_pictures: how many those are.
    """

    ap50: float
    ap: float
    precision: float
    recall: float
    chosen_score: float
    best_f1: float
    best_f1_score: float
    true_boxes: int
    false_per_empty_picture: float
    empty_pictures: int

    def as_json(self) -> dict[str, float | int | None]:
        """Rounded to what such a set can carry; null for NaN."""
        figures: dict[str, float | int] = asdict(self)
        return {key: None if math.isnan(value) else round(value, 4) for key, value in figures.items()}


@dataclass(frozen=True)
class ClassCurves:
    """Every verdict on one class: a curve per overlap of MIN_IOUS, and what was found where there was nothing.

    false_scores float32 (F,): scores of the boxes found in the empty pictures, highest first. in_model: false for a
    class of the truth that the model does not have.
    """

    by_iou: tuple[Curve, ...]
    false_scores: NDArray[np.float32]
    empty_pictures: int
    in_model: bool = True

    @classmethod
    def of(cls, pictures: Iterable[Picture]) -> ClassCurves:
        """The curves of one class from pictures that were judged elsewhere."""
        tally = _Tally()
        for picture in pictures:
            tally.add(picture)
        return tally.curves(in_model=True)

    @property
    def at50(self) -> Curve:
        """The curve at IoU 0.5."""
        return self.by_iou[0]

    def score_at(self, chosen_score: float) -> ClassScore:
        """The figures, with this operating point."""
        curve, nan = self.at50, float("nan")
        if not self.in_model:
            return ClassScore(nan, nan, nan, nan, nan, nan, nan, curve.true_count, nan, self.empty_pictures)
        precision, recall = curve.at(chosen_score)
        best_f1, best_f1_score = curve.best_f1()
        shown = bool((curve.scores >= chosen_score).any())
        false = int((self.false_scores >= chosen_score).sum())
        there = curve.true_count > 0
        return ClassScore(
            ap50=curve.average_precision,
            ap=float(np.mean([each.average_precision for each in self.by_iou])),
            precision=precision if shown else nan,
            recall=recall if there else nan,
            chosen_score=chosen_score,
            best_f1=best_f1 if there else nan,
            best_f1_score=best_f1_score if best_f1 > 0 else nan,
            true_boxes=curve.true_count,
            false_per_empty_picture=false / self.empty_pictures if self.empty_pictures else nan,
            empty_pictures=self.empty_pictures,
        )


def score(
    detector: OnnxDetector,
    shots: Iterable[Shot],
    merge: Mapping[str, Sequence[str]] | None = None,
    chosen_score: float | None = None,
    progress: str | None = None,
) -> dict[str, ClassScore]:
    """The figures of every class that curves_of() gives, each at the manifest's operating point or at chosen_score."""
    return figures(curves_of(detector, shots, merge, progress), detector, merge, chosen_score)


def figures(
    curves: Mapping[str, ClassCurves],
    detector: OnnxDetector,
    merge: Mapping[str, Sequence[str]] | None = None,
    chosen_score: float | None = None,
) -> dict[str, ClassScore]:
    """The figures of curves that this detector gave with this merge."""
    naming = _Naming(detector.labels, merge or {})
    points: defaultdict[str, list[float]] = defaultdict(list)
    for label in filter(None, detector.labels):
        points[naming.of(label)].append(detector.thresholds.track_score_of(label))
    return {
        name: each.score_at(min(points[name], default=1.0) if chosen_score is None else chosen_score)
        for name, each in curves.items()
    }


def curves_of(
    detector: OnnxDetector,
    shots: Iterable[Shot],
    merge: Mapping[str, Sequence[str]] | None = None,
    progress: str | None = None,
) -> dict[str, ClassCurves]:
    """The curves of every class that the truth holds, or that the model has and the truth would label.

    The model's classes come first, in its order. progress: what to call it beside a bar on stderr; None: no bar.
    """
    naming = _Naming(detector.labels, merge or {})
    tallies = {name: _Tally() for name in naming.of_model}
    walk = track(
        shots,
        description=progress or "",
        total=len(shots) if isinstance(shots, Sized) else None,
        console=Console(stderr=True),
        disable=progress is None,
    )
    for shot in walk:
        [detections] = detector.detect([as_frame(shot.image, detector.input_fit, shot.name)])
        found = _by_class(detections, naming, detector.thresholds.nms_iou or _MERGED_NMS_IOU)
        true_names = np.array([naming.of(label) for label in shot.labels], object)
        judged = {naming.of(label) for label in shot.known} if shot.known is not None else None
        for name in dict.fromkeys([*naming.of_model, *true_names.tolist()]):
            if judged is None or name in judged:
                mine = true_names == name
                boxes, scores = found.get(name, (_NO_BOXES, _NO_SCORES))
                true, ignored = shot.boxes[mine & ~shot.ignored], shot.boxes[mine & shot.ignored]
                tallies.setdefault(name, _Tally()).add(Picture(boxes, scores, true, ignored))
    return {name: tally.curves(name in naming.of_model) for name, tally in tallies.items() if tally.pictures}


@dataclass
class _Tally:
    """What one class gathers on its way through a set."""

    pictures: int = 0
    empty_pictures: int = 0
    worth_judging: list[Picture] = field(default_factory=list)
    false_scores: list[NDArray[np.float32]] = field(default_factory=list)

    def add(self, picture: Picture) -> None:
        self.pictures += 1
        is_empty = not len(picture.true_boxes) and not len(picture.ignored_boxes)
        if is_empty:
            self.empty_pictures += 1
            self.false_scores.append(picture.found_scores)
        if len(picture.found_boxes) or not is_empty:
            self.worth_judging.append(picture)

    def curves(self, in_model: bool) -> ClassCurves:
        false = np.concatenate([_NO_SCORES, *self.false_scores])
        return ClassCurves(judge_at(self.worth_judging, MIN_IOUS), -np.sort(-false), self.empty_pictures, in_model)


def as_frame(image: NDArray[np.uint8], fit: InputFit, name: str = "picture") -> Frame:
    """A whole picture, uint8 (H, W, 3) RGB, as capture would hand it to the detector with this fit."""
    wh = (image.shape[1], image.shape[0])
    return Frame(name, "evaluation", 0, resize(image, fit.of(wh).content_wh), wh, 0.0, 0.0, 0.0, _Whole(image))


@dataclass(frozen=True)
class _Whole:
    """Frame.picture for an image that is already RGB."""

    image: NDArray[np.uint8]

    def rgb(self) -> NDArray[np.uint8]:
        return self.image


class _Naming:
    """One name per class, whoever writes it: the coarse one where labels are merged, else the model's spelling."""

    def __init__(self, labels: Sequence[str], merge: Mapping[str, Sequence[str]]) -> None:
        self._names = {_plain(label): label for label in labels if label}
        for coarse, members in merge.items():
            for member in (coarse, *members):
                self._names[_plain(member)] = coarse
        self.of_model = tuple(dict.fromkeys(self.of(label) for label in labels if label))
        self.by_class_id = {i: self.of(label) for i, label in enumerate(labels) if label}
        self.merged = frozenset(merge)

    def of(self, label: str) -> str:
        return self._names.setdefault(_plain(label), label)


def _plain(label: str) -> str:
    return " ".join(label.split()).casefold()


def _by_class(
    detections: Detections, naming: _Naming, merged_nms_iou: float
) -> dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """(boxes, scores) by class name; merged boxes of one thing are one."""
    names = np.array([naming.by_class_id[i] for i in detections.class_ids.tolist()], object)
    found = {}
    for name in dict.fromkeys(names.tolist()):
        mine = detections.keep(names == name)
        if name in naming.merged:
            one_class = np.zeros(len(mine), np.int64)
            mine = mine.keep(nms(mine.boxes_xyxy, mine.scores, one_class, merged_nms_iou, len(mine)))
        found[name] = mine.boxes_xyxy, mine.scores
    return found
