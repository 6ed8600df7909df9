"""The tracks that the detector and the service's tracker find in the clips, with the labels of the true ones."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from export.parity import iou
from models.behaviour.caviar_tracks import FPS, UNKNOWN, LabelledTrack, Labelling, Steps
from models.scores import as_frame
from models.sets.video import pictures
from streamer.behaviour.features import TrackFeatures
from streamer.detect import OnnxDetector
from streamer.errors import ArtifactError
from streamer.track import KalmanTracker
from streamer.track.stitch import StitchingTracker

SAME_IOU = 0.3
"""Of a found box with the true box whose labels it takes: people here are small, and their true boxes rough."""


@dataclass(frozen=True)
class Clip:
    """A file with pictures: picture i is frame first_frame + i of its sequence."""

    file: Path
    sequence: str
    first_frame: int
    frames: int


def clips_of(folder: Path, sequences: Sequence[str]) -> list[Clip]:
    """The clips of some sequences that have pictures. Raises ArtifactError."""
    try:
        with (folder / "clips.csv").open(encoding="utf-8", newline="") as text:
            return [
                Clip(folder / "clips" / row["file"], row["sequence"], int(row["first_frame"]), int(row["frames"]))
                for row in csv.DictReader(text)
                if row["sequence"] in sequences
            ]
    except (OSError, KeyError, ValueError) as error:
        raise ArtifactError(
            f"{folder}/clips.csv: expected sequence, file, first_frame and frames; {type(error).__name__}: {error}"
        ) from error


def part_of(labelling: Labelling, clip: Clip) -> Labelling:
    """The true tracks of those frames that a clip shows."""
    tracks = []
    for track in labelling.tracks:
        shown = (track.frames >= clip.first_frame) & (track.frames < clip.first_frame + clip.frames)
        if shown.any():
            tracks.append(
                LabelledTrack(
                    track.track_id, track.frames[shown], track.boxes_xyxy[shown], track.movement[shown],
                    track.context[shown], track.behaviour[shown], track.is_bag,
                )
            )  # fmt: skip
    return Labelling(labelling.sequence, labelling.name, labelling.fullest, tuple(tracks))


def found_tracks(clip: Clip, truth: Labelling, detector: OnnxDetector, embeds: bool) -> list[Steps]:
    """Every track of people that the service would follow, as steps; labels where a true box lies under it.

    A step takes the labels of the frame at or before it. Who is not boxed in the truth has UNKNOWN labels.
    """
    tracker = StitchingTracker(KalmanTracker(detector.labels, high_score=detector.thresholds.track_score))
    person, features = detector.labels.index("person"), TrackFeatures()
    true_at = _by_frame(truth)
    label_of: dict[int, dict[int, tuple[int, int, int]]] = defaultdict(dict)
    told: dict[int, list[tuple[float, NDArray[np.float32]]]] = defaultdict(list)
    for index, image in pictures(clip.file, range(clip.frames)):
        at_s, frame = index / FPS, clip.first_frame + index
        [detections] = detector.detect([as_frame(image, detector.input_fit, f"{clip.file.name} {index}")])
        tracks = tracker.update(detections, at_s)
        people = tracks.class_ids == person
        ids, boxes = tracks.ids[people], tracks.boxes_xyxy[people]
        for track_id, labels in _matched(ids, boxes, true_at.get(frame, [])).items():
            label_of[track_id][index] = labels
        looks = detections.features.pool(boxes) if embeds and detections.features and len(boxes) else None
        for step in features.update(at_s, ids, boxes, looks, tracks.ended):
            for track_id, row in zip(step.ids.tolist(), step.features, strict=True):
                told[track_id].append((step.at_s, row))
    found = []
    for track_id, steps in told.items():
        at = np.array([at_s for at_s, _ in steps])
        unknown = (UNKNOWN, UNKNOWN, UNKNOWN)
        labels = np.array([label_of[track_id].get(int(np.floor(s * FPS + 1e-6)), unknown) for s in at], np.int64)
        found.append(Steps(clip.sequence, track_id, 1.0, True, at, np.stack([row for _, row in steps]), *labels.T))
    return found


def _by_frame(truth: Labelling) -> dict[int, list[tuple[NDArray[np.float64], tuple[int, int, int]]]]:
    at: dict[int, list[tuple[NDArray[np.float64], tuple[int, int, int]]]] = defaultdict(list)
    for track in truth.tracks:
        if not track.is_bag:
            for n, frame in enumerate(track.frames.tolist()):
                labels = int(track.movement[n]), int(track.context[n]), int(track.behaviour[n])
                at[frame].append((track.boxes_xyxy[n], labels))
    return at


def _matched(
    ids: NDArray[np.int64],
    boxes: NDArray[np.float32],
    true: Sequence[tuple[NDArray[np.float64], tuple[int, int, int]]],
) -> dict[int, tuple[int, int, int]]:
    """Track id → labels, each true box given once, so that all overlaps together are largest."""
    if not len(ids) or not true:
        return {}
    overlap = iou(boxes, np.stack([box for box, _ in true]).astype(np.float32))
    pairs = zip(*linear_sum_assignment(-overlap), strict=True)
    return {int(ids[a]): true[b][1] for a, b in pairs if overlap[a, b] >= SAME_IOU}
