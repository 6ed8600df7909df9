"""What other people's code says about tracks: run inside the oracle environment by tests.benchmarks.tracking.

    python tracking_oracle.py JOBS.json ANSWERS.json

JOBS: a list of {name, frames, truth, boxes, tracks}. truth: rows (frame from 0, id, x1, y1, x2, y2); boxes: rows
(frame, x1, y1, x2, y2, score); tracks: {who: rows like truth}. ANSWERS: {job: {who: {HOTA, IDF1, MOTA, …}}} in percent,
with the rivals ByteTrack and OC-SORT of the `trackers` package added, run on the same boxes with their own defaults.

The measures are TrackEval's classes HOTA (Luiten et al., IJCV 2021), CLEAR and Identity on plain arrays. As in its
MOT15 data set every box of the truth counts and nothing is ignored.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import warnings
from pathlib import Path

import numpy as np
import supervision
from trackers import ByteTrackTracker, OCSORTTracker
from trackeval.metrics import CLEAR, HOTA, Identity

RIVALS = {"ByteTrack": ByteTrackTracker, "OC-SORT": OCSORTTracker}


def main(jobs_file: Path, answers_file: Path) -> None:
    """Answer every job."""
    warnings.filterwarnings("ignore")
    answers = {}
    for job in json.loads(jobs_file.read_text()):
        frames = range(job["frames"])
        truth = _by_frame(job["truth"], frames, 6)
        boxes = _by_frame(job["boxes"], frames, 6)
        told = {who: _by_frame(rows, frames, 6) for who, rows in job["tracks"].items()}
        told |= {who: follow(rival(), boxes) for who, rival in RIVALS.items()}
        answers[job["name"]] = {who: measure(truth, tracks) for who, tracks in told.items()}
    answers_file.write_text(json.dumps(answers))


def follow(tracker, boxes: list[np.ndarray]) -> list[np.ndarray]:
    """Rows (id, x1, y1, x2, y2) per frame, of the boxes that got an id."""
    told = []
    for rows in boxes:
        detections = supervision.Detections(
            xyxy=rows[:, :4].astype(np.float32),
            confidence=rows[:, 4].astype(np.float32),
            class_id=np.zeros(len(rows), int),
        )
        found = tracker.update(detections)
        ids = found.tracker_id if found.tracker_id is not None else np.zeros(0, int)
        told.append(np.column_stack([ids, found.xyxy])[ids >= 0])
    return told


def measure(truth: list[np.ndarray], told: list[np.ndarray]) -> dict[str, float]:
    """HOTA (mean over its 19 overlaps), AssA, DetA, IDF1, MOTA in percent, and how often an id switched."""
    true_ids, told_ids = _numbered(truth), _numbered(told)
    data = {
        "num_timesteps": len(truth),
        "num_gt_ids": 1 + max((int(i.max()) for i in true_ids if len(i)), default=-1),
        "num_tracker_ids": 1 + max((int(i.max()) for i in told_ids if len(i)), default=-1),
        "num_gt_dets": sum(map(len, true_ids)),
        "num_tracker_dets": sum(map(len, told_ids)),
        "gt_ids": true_ids,
        "tracker_ids": told_ids,
        "similarity_scores": [_iou(a[:, 1:], b[:, 1:]) for a, b in zip(truth, told, strict=True)],
    }
    with contextlib.redirect_stdout(io.StringIO()):  # the metrics announce their configuration
        hota = HOTA().eval_sequence(data)
        clear = CLEAR({"PRINT_CONFIG": False}).eval_sequence(data)
        identity = Identity({"PRINT_CONFIG": False}).eval_sequence(data)
    percent = {
        "HOTA": float(np.mean(hota["HOTA"])),
        "IDF1": float(identity["IDF1"]),
        "MOTA": float(clear["MOTA"]),
        "AssA": float(np.mean(hota["AssA"])),
        "DetA": float(np.mean(hota["DetA"])),
    }
    return {name: round(100 * value, 3) for name, value in percent.items()} | {"switches": int(clear["IDSW"])}


def _by_frame(rows: list[list[float]], frames: range, columns: int) -> list[np.ndarray]:
    table = np.array(rows, float).reshape(-1, columns)
    return [table[table[:, 0] == f, 1:] for f in frames]


def _numbered(frames: list[np.ndarray]) -> list[np.ndarray]:
    numbers: dict[int, int] = {}
    return [np.array([numbers.setdefault(int(i), len(numbers)) for i in rows[:, 0]], int) for rows in frames]


def _iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    sides = np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(a[:, None, :2], b[None, :, :2])
    shared = np.clip(sides, 0, None).prod(-1)
    area = [(boxes[:, 2:] - boxes[:, :2]).prod(-1) for boxes in (a, b)]
    return shared / np.maximum(area[0][:, None] + area[1][None] - shared, 1e-9)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
