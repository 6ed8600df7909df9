"""How well a model folder sees drawn streets: `python -m models.drawn.evaluate --model models/zoo/drawn-street`.

Through the service's own detector, on streets and plays that training never saw: on clean drawings from any camera, and
on the demo's three cameras after H.264. Prints a table, and JSON as its last line.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from models.average_precision import Curve, Picture, judge
from models.drawn.pictures import random_street
from streamer.demo.clips import encode
from streamer.demo.street import LABELS, Street, Truth
from streamer.demo.views import SEED, VIEWS
from streamer.detect import load_detector
from streamer.stages import Detector
from streamer.types import Frame

HELD_OUT_STREETS = range(500, 530)
HELD_OUT_PLAYS = range(600, 604)
_PER_STREET = 10


@dataclass(frozen=True)
class Score:
    """One class on one set."""

    ap50: float
    precision: float
    recall: float
    true_boxes: int
    best_score: float


@dataclass(frozen=True)
class _Drawn:
    """Frame.picture for a drawing that is already RGB."""

    image: NDArray[np.uint8]

    def rgb(self) -> NDArray[np.uint8]:
        return self.image


def evaluate(folder: Path, shown_score: float, progress: bool = True) -> tuple[dict[str, dict[str, Score]], float]:
    """Score per set and label, and milliseconds of one thread per frame (everything in detect() included)."""
    detector = load_detector(folder)
    detector.warm_up()
    scores: dict[str, dict[str, Score]] = {}
    spent, frames = 0.0, 0
    for name, shots in (("held-out streets", _clean()), ("demo cameras, other plays, H.264", _as_served())):
        found: dict[str, list[Picture]] = {label: [] for label in LABELS}
        for image, truth in track(list(shots), description=name, disable=not progress):
            frame = as_frame(image, detector)
            began = time.thread_time()
            [detections] = detector.detect([frame])
            spent, frames = spent + time.thread_time() - began, frames + 1
            for class_id, label in enumerate(LABELS):
                mine = detections.class_ids == detections.labels.index(label)
                true = truth.class_ids == class_id
                found[label].append(
                    Picture(
                        detections.boxes_xyxy[mine],
                        detections.scores[mine],
                        truth.boxes_xyxy[true & truth.clear],
                        truth.boxes_xyxy[true & ~truth.clear],
                    )
                )
        scores[name] = {label: _score(judge(pictures), shown_score) for label, pictures in found.items()}
    return scores, 1000 * spent / frames


def as_frame(image: NDArray[np.uint8], detector: Detector) -> Frame:
    """A drawing as capture would hand it on."""
    h, w = image.shape[:2]
    content = cv2.resize(image, detector.input_fit.of((w, h)).content_wh, interpolation=cv2.INTER_AREA)
    return Frame("drawn", "evaluation", 0, content, (w, h), 0.0, 0.0, 0.0, _Drawn(image))


def _score(curve: Curve, shown_score: float) -> Score:
    return Score(curve.average_precision, *curve.at(shown_score), curve.true_count, curve.best_f1()[1])


def _clean() -> Iterator[tuple[NDArray[np.uint8], Truth]]:
    for seed in HELD_OUT_STREETS:
        street = random_street(seed)
        for i in range(_PER_STREET):
            yield street.frame_and_truth(street.period_s * (i + 0.5) / _PER_STREET)


def _as_served() -> Iterator[tuple[NDArray[np.uint8], Truth]]:
    assert SEED not in HELD_OUT_PLAYS
    for seed in HELD_OUT_PLAYS:
        for view in VIEWS.values():
            street = Street(view, seed)
            shots = [street.frame_and_truth(i / 2) for i in range(50)]
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "clip.mp4"
                encode((image for image, _ in shots), path)
                with av.open(str(path)) as clip:
                    decoded = [frame.to_ndarray(format="rgb24") for frame in clip.decode(video=0)]
            # Every second picture: neighbours share most of what is in them.
            yield from zip(decoded[::2], [truth for _, truth in shots[::2]], strict=True)


def as_rounded(scores: dict[str, dict[str, Score]]) -> dict[str, dict[str, dict[str, float]]]:
    """For JSON: three digits are all that such a set can carry."""
    return {
        name: {
            label: {
                "ap50": round(s.ap50, 3),
                "precision": round(s.precision, 3),
                "recall": round(s.recall, 3),
                "true_boxes": s.true_boxes,
            }
            for label, s in per_label.items()
        }
        for name, per_label in scores.items()
    }


def main() -> None:
    """Evaluate one folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="model folder")
    parser.add_argument("--score", type=float, default=0.4, help="for precision and recall (default %(default)s)")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    scores, ms = evaluate(args.model, args.score)
    table = Table("set", "label", "AP50", "precision", "recall", "true boxes", "best score")
    for name, per_label in scores.items():
        for label, s in per_label.items():
            table.add_row(
                name,
                label,
                f"{s.ap50:.3f}",
                f"{s.precision:.3f}",
                f"{s.recall:.3f}",
                str(s.true_boxes),
                f"{s.best_score:.2f}",
            )
    Console().print(table)
    print(json.dumps({"scores": as_rounded(scores), "ms": round(ms, 2)}))


if __name__ == "__main__":
    main()
