"""Endless batches of training canvases, made by loading processes, each with a teacher of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from models.detector.album import Album, Page
from models.detector.augment import Canvas, blend, mosaic, paste, single, wear
from models.detector.loss import Targets
from models.detector.network import LABELS, STRIDES_PX
from models.detector.permitted import PERMITTED
from models.detector.plan import Plan, stage_of
from models.detector.teacher import Teacher


class KnowsCells(Protocol):
    """A teacher for whole canvases, see teacher.Teacher."""

    def cells(self, canvases: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Boxes and scores of every cell."""


@dataclass(frozen=True)
class Batch:
    """images uint8 (B, H, W, 3) and the truth about them."""

    images: Tensor
    targets: Targets


class Batches(IterableDataset[tuple[Tensor, ...]]):
    """Batches from a step on; step n is the same whichever process makes it, so a resumed run sees what it would have.

    Gives tuples of tensors (images, then the fields of Targets): what travels cheaply between processes.
    """

    def __init__(self, album_folder: Path, teacher_graph: Path, plan: Plan, first_step: int) -> None:
        self._album_folder, self._teacher_graph = album_folder, teacher_graph
        self._plan, self._first_step = plan, first_step

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        cv2.setNumThreads(1)
        torch.set_num_threads(1)
        worker = get_worker_info()
        mine, workers = (worker.id, worker.num_workers) if worker else (0, 1)
        album = Album(self._album_folder)
        teacher = Teacher(self._teacher_graph) if self._plan.taught_share else None
        maker = BatchMaker(album, teacher, self._plan)
        for step in range(self._first_step + mine, self._plan.steps, workers):
            yield maker.batch(step)


class BatchMaker:
    """Makes the batch of any step; without a teacher, nothing in it is taught."""

    def __init__(self, album: Album, teacher: KnowsCells | None, plan: Plan) -> None:
        self._album, self._teacher, self._plan = album, teacher, plan
        learned = ~album.held_out
        self.rows_of_sets = [np.flatnonzero(learned & (album.set_ids == n)) for n in range(len(PERMITTED))]
        share = np.array(
            [each.share if len(rows) else 0.0 for each, rows in zip(PERMITTED, self.rows_of_sets, strict=True)]
        )
        self._share = share / share.sum()

    def batch(self, step: int) -> tuple[Tensor, ...]:
        """The batch of this step."""
        rng = np.random.default_rng([self._plan.seed, step])
        stage = stage_of(self._plan, step)
        canvases = [self._canvas(stage.canvas_wh, stage.wild, rng) for _ in range(self._plan.batch)]
        for n in range(1, len(canvases)):
            if rng.random() < 0.2 * stage.wild:
                canvases[n] = blend(canvases[n], canvases[n - 1], float(rng.uniform(0.4, 0.8)))
        images = np.stack([wear(canvas.image, rng) for canvas in canvases])
        teacher = np.zeros((len(canvases), _cells(stage.canvas_wh), len(LABELS)), np.float32)
        teacher_boxes = np.zeros((*teacher.shape[:2], 4), np.float32)
        taught = np.zeros(teacher.shape[:2], np.bool_)
        if self._teacher and rng.random() < self._plan.taught_share:
            teacher_boxes, teacher = self._teacher.cells(images)
            taught = np.stack([_over_levels(canvas.taught) for canvas in canvases])
        unknown = np.stack([_over_levels(canvas.unknown) for canvas in canvases])
        return _tensors(images, canvases, unknown, teacher, teacher_boxes, taught)

    def _canvas(self, canvas_wh: tuple[int, int], wild: float, rng: np.random.Generator) -> Canvas:
        if rng.random() < 0.5 * wild:
            canvas = mosaic([self._page(rng) for _ in range(4)], canvas_wh, rng)
        else:
            canvas = single(self._page(rng), canvas_wh, rng, calm=bool(rng.random() > 0.75 * max(wild, 0.4)))
        if rng.random() < 0.35 * wild:
            for _ in range(int(rng.integers(1, 4))):
                paste(canvas, self._page(rng), rng)
        return canvas

    def _page(self, rng: np.random.Generator) -> Page:
        rows = self.rows_of_sets[int(rng.choice(len(self._share), p=self._share))]
        return self._album.page(int(rng.choice(rows)))


def _cells(canvas_wh: tuple[int, int]) -> int:
    w, h = canvas_wh
    return sum((w // stride) * (h // stride) for stride in STRIDES_PX)


def _over_levels(fine: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(H/8, W/8, …) → (N, …): the coarser cells take what holds at their middle."""
    parts = [fine, fine[1::2, 1::2], fine[2::4, 2::4]]
    return np.concatenate([part.reshape(-1, *fine.shape[2:]) for part in parts])


def _tensors(
    images: NDArray[np.uint8],
    canvases: list[Canvas],
    unknown: NDArray[np.bool_],
    teacher: NDArray[np.float32],
    teacher_boxes: NDArray[np.float32],
    taught: NDArray[np.bool_],
) -> tuple[Tensor, ...]:
    counts = [len(canvas.known.class_ids) for canvas in canvases]
    known = [canvas.known for canvas in canvases]
    parts = (
        images,
        np.repeat(np.arange(len(canvases)), counts),
        np.concatenate([each.boxes for each in known]),
        np.concatenate([each.class_ids for each in known]),
        np.concatenate([each.weights for each in known]),
        np.concatenate([each.ignored for each in known]),
        np.concatenate([each.any_class for each in known]),
        unknown,
        teacher,
        teacher_boxes,
        taught,
    )
    return tuple(torch.from_numpy(np.ascontiguousarray(part)) for part in parts)


def as_batch(parts: tuple[Tensor, ...]) -> Batch:
    """What Batches gave, by name."""
    images, *targets = parts
    return Batch(images, Targets(*targets))
