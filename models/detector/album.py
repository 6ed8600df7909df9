"""The permitted pictures with every label that truth and teacher can give them, made once and kept on disk.

`pictures.bin` holds the pixels back to back and is mapped into memory, so that all loading processes share it;
`album.npz` holds where each picture lies and what is in it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from models.average_precision import iou
from models.detector.network import LABELS
from models.detector.permitted import PERMITTED, PermittedSet
from models.detector.teacher import Opinions, Teacher
from models.sets import Shot

LONGEST_SIDE_PX = 640
SURE = {"person": 0.35}
SURE_OF_VEHICLES = 0.5
"""The teacher invents vehicles indoors, so it has to be surer of them than of people."""
DOUBTFUL = 0.12
"""From here up to sure, its finds are neither taught as objects nor as background."""
_PARTNER_IOU = 0.45


@dataclass(frozen=True)
class Known:
    """What is known of one picture: boxes float32 (M, 4) xyxy of the stored picture, and columns of loss.Targets."""

    boxes: NDArray[np.float32]
    class_ids: NDArray[np.int64]
    weights: NDArray[np.float32]
    ignored: NDArray[np.bool_]
    any_class: NDArray[np.bool_]


@dataclass(frozen=True)
class Page:
    """One picture of the album: uint8 (H, W, 3) RGB, which set it is of, what is known."""

    image: NDArray[np.uint8]
    of_set: PermittedSet
    known: Known


class Album:
    """The cached pictures, by number."""

    def __init__(self, folder: Path) -> None:
        index = np.load(folder / "album.npz")
        self._pixels = np.memmap(folder / "pictures.bin", np.uint8, "r")
        self._starts, self._sizes = index["starts"], index["sizes"]
        self._first, self._rows = index["first_row"], {key: index[key] for key in _ROW_KEYS}
        self.set_ids: NDArray[np.int64] = index["set_ids"]
        self.held_out: NDArray[np.bool_] = index["held_out"]

    def __len__(self) -> int:
        return len(self._starts)

    def page(self, n: int) -> Page:
        """The n-th picture; its pixels are read-only."""
        w, h = (int(side) for side in self._sizes[n])
        start = int(self._starts[n])
        image = np.asarray(self._pixels[start : start + w * h * 3]).reshape(h, w, 3)
        rows = slice(int(self._first[n]), int(self._first[n + 1]))
        return Page(image, PERMITTED[self.set_ids[n]], Known(*(self._rows[key][rows] for key in _ROW_KEYS)))


_ROW_KEYS = ("boxes", "class_ids", "weights", "ignored", "any_class")


def make_album(root: Path, teacher_graph: Path, folder: Path, processes: int = 2) -> Album:
    """Read, label and cache all permitted sets; a folder that is complete is used as it is."""
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / "album.npz").exists():
        return Album(folder)
    pages: list[tuple[int, bool, Known]] = []
    starts, sizes, at = [], [], 0
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with (
        (folder / "pictures.bin").open("wb") as pixels,
        _labellers(teacher_graph, processes) as labelled,
        Progress(*columns) as progress,
    ):
        for set_id, each in enumerate(PERMITTED):
            task = progress.add_task(each.name, total=None)
            for n, (shot, known) in enumerate(labelled(each.shots(root), set_id)):
                pixels.write(shot.image.tobytes())
                starts.append(at)
                sizes.append((shot.image.shape[1], shot.image.shape[0]))
                at += shot.image.size
                pages.append((set_id, each.held_out(n, shot), known))
                progress.advance(task)
            progress.update(task, total=progress.tasks[task].completed)
    rows = {key: np.concatenate([getattr(known, key) for _, _, known in pages]) for key in _ROW_KEYS}
    counts = [len(known.class_ids) for _, _, known in pages]
    np.savez(
        folder / "album.partial.npz",
        starts=np.array(starts, np.int64),
        sizes=np.array(sizes, np.int64),
        first_row=np.concatenate([[0], np.cumsum(counts)]),
        set_ids=np.array([set_id for set_id, _, _ in pages], np.int64),
        held_out=np.array([held_out for _, held_out, _ in pages], np.bool_),
        **rows,
    )
    (folder / "album.partial.npz").replace(folder / "album.npz")
    (folder / "sets.json").write_text(json.dumps(_counted(pages), indent=1), encoding="utf-8")
    return Album(folder)


def _counted(pages: Sequence[tuple[int, bool, Known]]) -> list[dict[str, object]]:
    """Per set: pictures learned from and kept back, objects taught."""
    return [
        {
            "name": each.name,
            "licence": each.licence,
            "learned_from": sum(1 for of, held_out, _ in pages if of == n and not held_out),
            "held_out": sum(1 for of, held_out, _ in pages if of == n and held_out),
            "objects": sum(int((k.weights > 0).sum()) for of, held_out, k in pages if of == n and not held_out),
        }
        for n, each in enumerate(PERMITTED)
    ]


@contextmanager
def _labellers(graph: Path, processes: int) -> Iterator[Callable[[Iterator[Shot], int], Iterator[tuple[Shot, Known]]]]:
    """How to label the shots of a set: in so many processes, or here where there are none."""
    if not processes:
        if any(each.asked for each in PERMITTED):
            _start(graph)
        yield lambda shots, set_id: (_labelled(shot, set_id) for shot in shots)
        return
    with ProcessPoolExecutor(processes, initializer=_start, initargs=(graph,)) as pool:
        yield lambda shots, set_id: pool.map(_labelled, shots, repeat(set_id), chunksize=4)


_teacher: Teacher | None = None


def _start(graph: Path) -> None:
    global _teacher  # one teacher per labelling process
    cv2.setNumThreads(1)
    _teacher = Teacher(graph)


def _labelled(shot: Shot, set_id: int) -> tuple[Shot, Known]:
    shot, each = _shrunk(shot), PERMITTED[set_id]
    said = Opinions.none()
    if each.asked:
        assert _teacher is not None
        said = _teacher.label(shot.image, zoomed=each.zoomed)
    return shot, merge(shot, said, each)


def _shrunk(shot: Shot) -> Shot:
    h, w = shot.image.shape[:2]
    scale = LONGEST_SIDE_PX / max(h, w)
    if scale >= 1:
        return shot
    size = round(w * scale), round(h * scale)
    image = cv2.resize(shot.image, size, interpolation=cv2.INTER_AREA)
    return Shot(shot.name, image, shot.boxes * np.float32(scale), shot.labels, shot.ignored, shot.known)


def merge(shot: Shot, opinions: Opinions, of_set: PermittedSet) -> Known:
    """Truth first; what the teacher adds depends on how completely the set is labelled.

    A true label that is none of ours (an ambulance) becomes a zone where no vehicle class is right or wrong.
    """
    boxes: list[NDArray[np.float32]] = []
    rows: list[tuple[int, float, bool, bool]] = []  # class id, weight, ignored, any_class
    for box, label, ignored in zip(shot.boxes, shot.labels, shot.ignored, strict=True):
        ours = label in LABELS
        boxes.append(box)
        rows.append((LABELS.index(label) if ours else 0, 1.0, bool(ignored) or not ours, not ours))
    true_boxes = np.stack(boxes) if boxes else np.zeros((0, 4), np.float32)
    overlap = iou(opinions.boxes, true_boxes)
    for n, (box, class_id, score) in enumerate(zip(opinions.boxes, opinions.class_ids, opinions.scores, strict=True)):
        label = LABELS[class_id]
        if score < DOUBTFUL or (len(true_boxes) and overlap[n].max() >= _PARTNER_IOU):
            continue
        sure = score >= SURE.get(label, SURE_OF_VEHICLES) and label not in of_set.complete
        boxes.append(box)
        rows.append((int(class_id), _trust(float(score)) if sure else 1.0, not sure, False))
    class_ids, weights, ignored, any_class = zip(*rows, strict=True) if rows else ((), (), (), ())
    return Known(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(class_ids, np.int64),
        np.array(weights, np.float32),
        np.array(ignored, np.bool_),
        np.array(any_class, np.bool_),
    )


def _trust(score: float) -> float:
    """How much a find of this score weighs beside a true label."""
    return min(1.0, 0.4 + score)
