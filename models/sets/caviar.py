"""People in the CAVIAR clips (EC Funded CAVIAR project/IST 2001 37540): one lobby, seen from above."""

from __future__ import annotations

import csv
import gzip
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.sets.shot import Shot, Shots, corners, cut
from models.sets.video import pictures
from streamer.errors import ArtifactError

# Bags that were put down have tracks of their own, under this role.
_BAG = "leaving object"


@dataclass(frozen=True)
class _Clip:
    file: Path
    sequence: str
    first_frame: int
    frames: int


def caviar_clips(folder: Path, split: str, every: int = 1) -> Shots:
    """Pictures 0, every, 2 × every, … of each clip of a split, every person in them true.

    FOLDER holds objects.csv.gz, clips.csv, split.json and clips/; picture i of a clip is frame first_frame + i of its
    sequence. Where a sequence was labelled several times, the labelling with most boxes counts: the others leave out
    people who only stand by. Some such people are not boxed in any. Raises ArtifactError.
    """
    try:
        sequences = json.loads((folder / "split.json").read_text(encoding="utf-8"))
        if split not in sequences:
            raise ArtifactError(f"{folder}/split.json: no split '{split}'; there are {', '.join(sequences)}")
        with (folder / "clips.csv").open(encoding="utf-8", newline="") as text:
            clips = [
                _Clip(folder / "clips" / row["file"], row["sequence"], int(row["first_frame"]), int(row["frames"]))
                for row in csv.DictReader(text)
                if row["sequence"] in sequences[split]
            ]
        people = _people(folder / "objects.csv.gz")
    except (OSError, EOFError, KeyError, ValueError, TypeError) as error:
        wanted = "expected objects.csv.gz, clips.csv and split.json with their columns"
        raise ArtifactError(f"{folder}: not the CAVIAR set: {wanted}; {type(error).__name__}: {error}") from error

    def walk() -> Iterator[Shot]:
        for clip in clips:
            for index, image in pictures(clip.file, range(0, clip.frames, every)):
                true = corners(people.get((clip.sequence, clip.first_frame + index), []))
                boxes, has_area = cut(true, (image.shape[1], image.shape[0]))
                n = int(has_area.sum())
                name, labels = f"{clip.file.name} picture {index}", ("person",) * n
                yield Shot(name, image, boxes[has_area], labels, np.zeros(n, np.bool_), frozenset({"person"}))

    return Shots(sum(len(range(0, clip.frames, every)) for clip in clips), walk)


def _people(file: Path) -> dict[tuple[str, int], list[list[float]]]:
    """(sequence, frame) → rows left, top, width, height, of each sequence's fullest labelling."""
    boxes: defaultdict[tuple[str, str], defaultdict[int, list[list[float]]]]
    boxes = defaultdict(lambda: defaultdict(list))
    counts: Counter[tuple[str, str]] = Counter()
    with gzip.open(file, "rt", encoding="utf-8", newline="") as text:
        for row in csv.DictReader(text):
            if row["role"] != _BAG:
                labelling = row["sequence"], row["gt_file"]
                counts[labelling] += 1
                boxes[labelling][int(row["frame"])].append([float(row[key]) for key in ("x1", "y1", "w", "h")])
    fullest: dict[str, str] = {}
    for (sequence, gt_file), _ in counts.most_common():
        fullest.setdefault(sequence, gt_file)
    return {
        (sequence, frame): rows
        for sequence, gt_file in fullest.items()
        for frame, rows in boxes[sequence, gt_file].items()
    }
