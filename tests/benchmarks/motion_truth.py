"""Moving cells against the per-pixel truth of changedetection.net's highway, ours beside MOG2 and KNN."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np

from streamer.capture.motion.luma import small_luma
from tests.benchmarks.footage import SHARED
from tests.benchmarks.motion_lookers import FEWEST_CELLS, Cells, Looker, Luma, Ours, knn, mog2

HIGHWAY = SHARED / "data/videos/cdnet_highway_320x240.mp4"
TRUTH = SHARED / "data/videos/cdnet_highway_gt"
FPS, LOOK_EVERY = 25, 5
MOVING, OUTSIDE, UNKNOWN = 255, 85, 170


@dataclass
class Score:
    """Cells and frames counted against truth."""

    hits: int = 0
    false: int = 0
    missed: int = 0
    frames_moving: int = 0
    frames_seen: int = 0
    frames_still: int = 0
    frames_false: int = 0
    looks: int = 0
    spent_s: float = 0.0

    def figures(self) -> dict[str, float]:
        """What is reported."""
        precision, recall = self.hits / max(1, self.hits + self.false), self.hits / max(1, self.hits + self.missed)
        return {
            "f": round(2 * precision * recall / max(1e-9, precision + recall), 4),
            "precision": round(precision, 4),
            "recall": round(recall, 4),
            "frame_recall": round(self.frames_seen / max(1, self.frames_moving), 4),
            "frame_false": round(self.frames_false / max(1, self.frames_still), 4),
            "frames_still": self.frames_still,
            "ms_per_look": round(1e3 * self.spent_s / max(1, self.looks), 3),
        }


def on_highway() -> dict[str, object]:
    if not HIGHWAY.is_file():
        raise SystemExit(
            f"{HIGHWAY.name} is missing: this benchmark needs the project's test footage beside the checkout"
        )
    small, full = _pictures(HIGHWAY)
    truths = _truths()
    scores: dict[str, dict[str, float]] = {
        "ours": _scored(Ours(), small, truths),
        "mog2": _scored(mog2(), small, truths),
        "knn": _scored(knn(), small, truths),
    }
    names = ("shadows", "history", "median")
    rows = itertools.product((False, True), (200, 500), (False, True))
    grid = [dict(zip(names, row, strict=True)) for row in rows]
    settings: dict[str, object] = {}
    for name, make, thresholds in (("mog2", mog2, (8, 12, 16, 25, 36)), ("knn", knn, (50, 100, 200, 400, 800))):
        tried = [{"threshold": threshold, **rest} for threshold in thresholds for rest in grid]
        results = [(_scored(make(**each), small, truths), each) for each in tried]
        scores[f"{name}_tuned"], settings[name] = max(results, key=lambda result: result[0]["f"])
    scores["mog2_full_size"] = _scored(mog2(), full, truths)
    for name, figures in scores.items():
        print(f"highway  {name:15s} " + "  ".join(f"{key} {value:g}" for key, value in figures.items()), flush=True)
    return {"highway": scores, "tuned_settings": settings, "looks_per_s": FPS / LOOK_EVERY}


def _scored(looker: Looker, pictures: list[Luma], truths: dict[int, Luma]) -> dict[str, float]:
    score = Score()
    for number in range(LOOK_EVERY, len(pictures) + 1, LOOK_EVERY):  # truth counts frames from 1
        began = time.thread_time()
        moved, cells = looker.look(pictures[number - 1], (number - 1) / FPS)
        score.spent_s += time.thread_time() - began
        score.looks += 1
        if number not in truths:
            continue
        known, moving = _cells_of(truths[number], (pictures[0].shape[0], pictures[0].shape[1]))
        cells = cells & known
        score.hits += int(np.count_nonzero(cells & moving))
        score.false += int(np.count_nonzero(cells & ~moving))
        score.missed += int(np.count_nonzero(moving & ~cells))
        if np.count_nonzero(moving) >= FEWEST_CELLS:
            score.frames_moving += 1
            score.frames_seen += moved
        elif not (truths[number] == MOVING).any():
            score.frames_still += 1
            score.frames_false += moved
    return score.figures()


def _cells_of(truth: Luma, shape: tuple[int, int]) -> tuple[Cells, Cells]:
    """bool (h, w) twice: cells of which we know, and of these those that move."""
    rows, columns = shape
    block_h, block_w = truth.shape[0] // rows, truth.shape[1] // columns
    blocks = truth[: rows * block_h, : columns * block_w].reshape(rows, block_h, columns, block_w)
    pixels_known = ((blocks != OUTSIDE) & (blocks != UNKNOWN)).sum((1, 3))
    pixels_moving = (blocks == MOVING).sum((1, 3))
    known = 2 * pixels_known > block_h * block_w
    return known, known & (2 * pixels_moving >= pixels_known)


def _truths() -> dict[int, Luma]:
    """By frame number from 1, uint8 (240, 320)."""
    region = cv2.imread(str(TRUTH / "ROI.bmp"), cv2.IMREAD_GRAYSCALE)
    truths = {int(path.stem[2:]): cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in sorted(TRUTH.glob("gt*.png"))}
    return {number: np.where(region > 0, truth, OUTSIDE).astype(np.uint8) for number, truth in truths.items()}


def _pictures(path: Path) -> tuple[list[Luma], list[Luma]]:
    with av.open(str(path)) as container:
        frames = [(small_luma(frame), frame.to_ndarray(format="gray")) for frame in container.decode(video=0)]
    return [small for small, _ in frames], [full for _, full in frames]
