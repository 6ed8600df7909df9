"""The labelled tracks of CAVIAR-like clips (EC Funded CAVIAR project/IST 2001 37540), frame by frame and as steps."""

from __future__ import annotations

import csv
import gzip
import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamer.behaviour.features import TrackFeatures
from streamer.errors import ArtifactError

FPS = 25
MOVEMENTS = ("walking", "running", "active", "inactive")
CONTEXTS = ("walking", "immobile", "browsing", "drop down")
BEHAVIOURS = ("walking", "running", "standing", "active", "browsing", "fallen", "fighting")
UNKNOWN = -1
BAG = "leaving object"
"""Bags that were put down have tracks of their own, under this role."""
_INSIDE = 0.5
"""Who has so much of his box within a group's box belongs to it: the labels do not name members."""


@dataclass(frozen=True, eq=False)
class LabelledTrack:
    """One true track: frames int64 (N,), rising; boxes_xyxy float64 (N, 4); labels int64 (N,), UNKNOWN if missing."""

    track_id: int
    frames: NDArray[np.int64]
    boxes_xyxy: NDArray[np.float64]
    movement: NDArray[np.int64]
    context: NDArray[np.int64]
    behaviour: NDArray[np.int64]
    is_bag: bool


@dataclass(frozen=True, eq=False)
class Labelling:
    """One person's view of one sequence; `fullest`: of several views of it, the one with most boxes."""

    sequence: str
    name: str
    fullest: bool
    tracks: tuple[LabelledTrack, ...]


@dataclass(frozen=True, eq=False)
class Steps:
    """A track as the head meets it: at_s float64 (T,), features float32 (T, F), labels int64 (T,) or UNKNOWN.

    weight: 0 to 1, in training; scored: whether its labels are the ones that count (see Labelling.fullest).
    """

    sequence: str
    track_id: int
    weight: float
    scored: bool
    at_s: NDArray[np.float64]
    features: NDArray[np.float32]
    movement: NDArray[np.int64]
    context: NDArray[np.int64]
    behaviour: NDArray[np.int64]


def split_of(folder: Path, split: str) -> tuple[str, ...]:
    """The sequences of a split, in the order of split.json. Raises ArtifactError."""
    try:
        sequences = json.loads((folder / "split.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArtifactError(
            f"{folder}/split.json: cannot be read ({error}); it says which sequences are for what"
        ) from error
    if split not in sequences:
        raise ArtifactError(f"{folder}/split.json: no split '{split}'; there are {', '.join(sequences)}")
    return tuple(sequences[split])


def labellings(folder: Path, sequences: Sequence[str]) -> list[Labelling]:
    """All labellings of some sequences of a folder laid out like CAVIAR's. Raises ArtifactError.

    Behaviour, one per frame, first that holds: *fighting* within the box of a group whose context and situation are
    fighting (while it is still joining, its members walk up to each other as any others do, and after it they run or
    lie); *fallen* where the context is "drop down" and the movement active or inactive, as before the fall and after
    getting up it is walking; *running*; *browsing* by the situation; *active*; *standing* where inactive; *walking*.
    """
    try:
        rows, groups = _grouped(folder / "objects.csv.gz", "track_id"), _fights(folder / "groups.csv.gz")
        found = []
        for sequence in sequences:
            views: defaultdict[str, dict[str, list[dict[str, str]]]] = defaultdict(dict)
            for (each, name, track_id), boxes in rows.items():
                if each == sequence:
                    views[name][track_id] = boxes
            if not views:
                raise ArtifactError(f"{folder}/objects.csv.gz: no boxes of '{sequence}', which split.json names")
            sizes = {name: sum(map(len, tracks.values())) for name, tracks in views.items()}
            fullest = max(sorted(sizes), key=lambda name: sizes[name])
            for name in sorted(views):
                fights = groups.get((sequence, name), {})
                tracks = tuple(_track(int(each), boxes, fights) for each, boxes in sorted(views[name].items()))
                found.append(Labelling(sequence, name, name == fullest, tracks))
    except (OSError, EOFError, KeyError, ValueError) as error:
        wanted = "expected objects.csv.gz, groups.csv.gz and split.json with their columns"
        raise ArtifactError(f"{folder}: not the CAVIAR set: {wanted}; {type(error).__name__}: {error}") from error
    return found


def steps_of(labelling: Labelling, sightings: Sequence[LabelledTrack] | None = None, speed: float = 1.0) -> list[Steps]:
    """The tracks through the runtime's own features, at the pace of the clip: frame n is at n / 25 s / speed.

    sightings: what was seen of each track, where that is not what was labelled (some frames of it, boxes a little off).
    Labels of a step are those of the nearest labelled frame.
    """
    tracks = labelling.tracks if sightings is None else sightings
    memory, per_track = TrackFeatures(), defaultdict(list)
    by_frame: defaultdict[int, list[tuple[int, NDArray]]] = defaultdict(list)
    last: dict[int, list[int]] = defaultdict(list)
    for n, track in enumerate(tracks):
        for frame, box in zip(track.frames.tolist(), track.boxes_xyxy, strict=True):
            by_frame[frame].append((n, box))
        if len(track.frames):
            last[int(track.frames[-1])].append(n)
    start = min(by_frame, default=0)
    for frame in sorted(by_frame):
        seen = by_frame[frame]
        ids, boxes = np.array([n for n, _ in seen], np.int64), np.stack([box for _, box in seen])
        for each in memory.update((frame - start) / FPS / speed, ids, boxes, None, ended=last[frame]):
            for n, row, fresh in zip(each.ids.tolist(), each.features, each.fresh.tolist(), strict=True):
                per_track[n].append((each.at_s, row, fresh))
    found = []
    for n, told in per_track.items():
        track = tracks[n]
        # After a long gap the head begins anew too: two tracks, as far as it is concerned.
        begins = [i for i, (_, _, fresh) in enumerate(told) if fresh] + [len(told)]
        for begin, end in pairwise(begins):
            at_s = np.array([at for at, _, _ in told[begin:end]])
            frame = np.round(at_s * FPS * speed + start)
            at = np.abs(track.frames[None] - frame[:, None]).argmin(1)
            features = np.stack([row for _, row, _ in told[begin:end]])
            labels = track.movement[at], track.context[at], track.behaviour[at]
            found.append(Steps(labelling.sequence, track.track_id, 1.0, labelling.fullest, at_s, features, *labels))
    return found


def _grouped(file: Path, key: str) -> dict[tuple[str, str, str], list[dict[str, str]]]:
    rows: defaultdict[tuple[str, str, str], list[dict[str, str]]] = defaultdict(list)
    with gzip.open(file, "rt", encoding="utf-8", newline="") as text:
        for row in csv.DictReader(text):
            rows[row["sequence"], row["gt_file"], row[key]].append(row)
    return rows


def _fights(file: Path) -> dict[tuple[str, str], dict[int, list[NDArray[np.float64]]]]:
    """(sequence, labelling) → frame → boxes xyxy of the groups that fight in it."""
    found: defaultdict[tuple[str, str], defaultdict[int, list[NDArray[np.float64]]]]
    found = defaultdict(lambda: defaultdict(list))
    for (sequence, name, _), rows in _grouped(file, "group_id").items():
        for row in rows:
            if row["context"] == row["situation"] == "fighting":
                found[sequence, name][int(row["frame"])].append(_box(row))
    return {key: dict(frames) for key, frames in found.items()}


def _track(track_id: int, rows: list[dict[str, str]], fights: dict[int, list[NDArray[np.float64]]]) -> LabelledTrack:
    # A few rows have no label at all, and no box worth the name.
    rows = sorted(
        (row for row in rows if float(row["w"]) > 0 and float(row["h"]) > 0), key=lambda row: int(row["frame"])
    )
    boxes = np.array([_box(row) for row in rows]).reshape(-1, 4)
    behaviour = [
        _behaviour(row, any(_share_inside(box, fight) >= _INSIDE for fight in fights.get(int(row["frame"]), [])))
        for row, box in zip(rows, boxes, strict=True)
    ]
    return LabelledTrack(
        track_id,
        np.array([int(row["frame"]) for row in rows], np.int64),
        boxes,
        np.array([_index(MOVEMENTS, row["movement"]) for row in rows], np.int64),
        np.array([_index(CONTEXTS, row["context"]) for row in rows], np.int64),
        np.array([_index(BEHAVIOURS, each) for each in behaviour], np.int64),
        bool(rows) and Counter(row["role"] for row in rows).most_common(1)[0][0] == BAG,
    )


def _behaviour(row: dict[str, str], fights: bool) -> str:
    movement = row["movement"]
    if fights:
        return "fighting"
    if row["context"] == "drop down" and movement in ("active", "inactive"):
        return "fallen"
    if movement == "running":
        return "running"
    if row["situation"] == "browsing":
        return "browsing"
    return {"active": "active", "inactive": "standing", "walking": "walking"}.get(movement, "unknown")


def _index(names: tuple[str, ...], name: str) -> int:
    return names.index(name) if name in names else UNKNOWN


def _box(row: dict[str, str]) -> NDArray[np.float64]:
    x, y, w, h = (float(row[key]) for key in ("x1", "y1", "w", "h"))
    return np.array([x, y, x + w, y + h])


def _share_inside(box: NDArray[np.float64], frame: NDArray[np.float64]) -> float:
    shared = np.clip(np.minimum(box[2:], frame[2:]) - np.maximum(box[:2], frame[:2]), 0, None).prod()
    return float(shared / (box[2:] - box[:2]).prod())
