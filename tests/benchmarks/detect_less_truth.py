"""What tests.benchmarks.detect_less judges by: frames as capture hands them on, their truth, and figures by size."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from models.average_precision import Curve, Picture, iou, judge
from models.scores import as_frame
from models.sets import Shots
from streamer.capture.convert import Converter, DecodedPicture, upright_size
from streamer.fit import InputFit
from streamer.types import Detections, Frame

Boxes = NDArray[np.float32]
CAMERA = "camera"
"""Everything is seen by one camera, each video and each picture as a session of its own."""
SMALL_PX = 24.0
"""An object is small whose √area is less than this where the net looks at the whole picture (input pixels)."""
_NO_BOXES = np.zeros((0, 4), np.float32)


@dataclass(frozen=True)
class True1:
    """The truth of one class in one frame: boxes float32 (N, 4), source pixels; ids int64 (N,), -1 where unknown."""

    boxes: Boxes
    ids: NDArray[np.int64]
    ignored: Boxes


@dataclass(frozen=True)
class Watched:
    """One frame and, by label, what is in it; labels that are not judged here are left out."""

    frame: Frame
    truth: dict[str, True1]


def of_video(
    video: Path, fit: InputFit, boxes: dict[int, NDArray[np.float64]], every: int = 1, label: str = "person"
) -> Iterator[Watched]:
    """Every every-th frame with truth rows (x1, y1, x2, y2, id), keyed by the frame's number from 0."""
    last = max(boxes)
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        converter = None
        for index, decoded in enumerate(container.decode(stream)):
            if index > last:
                return
            if index % every:
                continue
            wh = upright_size(decoded)
            converter = converter or Converter(fit, wh)
            at_s = float(index / stream.average_rate)
            frame = Frame(
                CAMERA, video.stem, index, converter.image(decoded), wh, at_s, at_s, 0.0, DecodedPicture(decoded)
            )
            rows = boxes.get(index, np.zeros((0, 5)))
            yield Watched(frame, {label: True1(rows[:, :4].astype(np.float32), rows[:, 4].astype(np.int64), _NO_BOXES)})


def of_pictures(shots: Shots, fit: InputFit, labels: Sequence[str]) -> Iterator[Watched]:
    """Single pictures, each a camera of its own; of the labels, those that are labelled there."""
    for shot in shots:
        names = np.array(shot.labels, object)
        judged = [label for label in labels if shot.known is None or label in shot.known]
        truth = {}
        for label in judged:
            mine = names == label
            true = shot.boxes[mine & ~shot.ignored]
            truth[label] = True1(true, np.full(len(true), -1), shot.boxes[mine & shot.ignored])
        yield Watched(replace(as_frame(shot.image, fit), camera=CAMERA, session=shot.name), truth)


def mot_truth(path: Path, scale: float = 1.0) -> dict[int, NDArray[np.float64]]:
    """MOT rows that are to be considered: frame from 0 → rows (x1, y1, x2, y2, id)."""
    rows = np.loadtxt(path, delimiter=",", ndmin=2)
    if rows.shape[1] > 6:
        rows = rows[rows[:, 6] > 0]
    corners = np.concatenate([rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]], axis=1) * scale
    out = np.column_stack([corners, rows[:, 1]])
    return {int(frame) - 1: out[rows[:, 0] == frame] for frame in np.unique(rows[:, 0])}


class Judge:
    """Gathers one side's findings frame by frame, and tells the figures."""

    def __init__(self, fit: InputFit) -> None:
        self._fit = fit
        self._all: list[Picture] = []
        self._small: list[Picture] = []
        self._scores: dict[str, float] = {}

    def saw(self, watched: Watched, found: Detections) -> None:
        """Judge one frame's detections."""
        scale = self._fit.of(watched.frame.source_wh).scale_xy[0]
        for label, true in watched.truth.items():
            mine = found.keep(found.class_ids == found.labels.index(label))
            boxes, scores = mine.boxes_xyxy, mine.scores
            self._all.append(Picture(boxes, scores, true.boxes, true.ignored))
            small = _sides(true.boxes) * scale < SMALL_PX
            # As COCO's evaluator: what is of another size counts neither for nor against, found or true.
            own = iou(boxes, true.boxes[small]).max(axis=1, initial=0.0) >= 0.5
            counts = own | (_sides(boxes) * scale < SMALL_PX)
            ignored = np.concatenate([true.ignored, true.boxes[~small]])
            self._small.append(Picture(boxes[counts], scores[counts], true.boxes[small], ignored))

    def figures(self, at_score: float) -> dict[str, float | int | None]:
        """AP50, and recall and precision at a score, of everything and of what is small."""
        everything, small = judge(self._all), judge(self._small)
        return {
            **_of(everything, at_score, ""),
            **_of(small, at_score, "small_"),
        }


def _of(curve: Curve, at_score: float, prefix: str) -> dict[str, float | int | None]:
    precision, recall = curve.at(at_score)
    there = curve.true_count > 0
    return {
        f"{prefix}true_boxes": curve.true_count,
        f"{prefix}ap50": round(curve.average_precision, 4) if there else None,
        f"{prefix}recall": round(recall, 4) if there else None,
        f"{prefix}precision": round(precision, 4) if there else None,
    }


def _sides(boxes: Boxes) -> NDArray[np.float32]:
    sides: NDArray[np.float32] = np.sqrt(np.maximum(boxes[:, 2:] - boxes[:, :2], 0).prod(axis=1))
    return sides


def caviar_people(folder: Path, split: str) -> list[tuple[Path, dict[int, NDArray[np.float64]]]]:
    """Each clip of a split: its file, and frame from 0 → rows (x1, y1, x2, y2, id) of its fullest labelling.

    The same choice as models.sets.caviar, with identities.
    """
    rows: dict[tuple[str, str], list[tuple[int, list[float]]]] = {}
    with gzip.open(folder / "objects.csv.gz", "rt", encoding="utf-8", newline="") as text:
        for row in csv.DictReader(text):
            if row["role"] != "leaving object":
                x, y, w, h = (float(row[key]) for key in ("x1", "y1", "w", "h"))
                who = [x, y, x + w, y + h, float(row["track_id"])]
                rows.setdefault((row["sequence"], row["gt_file"]), []).append((int(row["frame"]), who))
    fullest: dict[str, list[tuple[int, list[float]]]] = {}
    for (sequence, _), of_labelling in rows.items():
        if len(of_labelling) > len(fullest.get(sequence, ())):
            fullest[sequence] = of_labelling
    found = []
    with (folder / "clips.csv").open(encoding="utf-8", newline="") as text:
        for clip in csv.DictReader(text):
            if clip["split"] != split:
                continue
            first, count = int(clip["first_frame"]), int(clip["frames"])
            boxes: dict[int, list[list[float]]] = {index: [] for index in range(count)}
            for number, who in fullest.get(clip["sequence"], ()):
                if first <= number < first + count:
                    boxes[number - first].append(who)
            found.append(
                (folder / "clips" / clip["file"], {i: np.array(b, np.float64).reshape(-1, 5) for i, b in boxes.items()})
            )
    return found
