"""A video with truth in MOTChallenge columns (Milan et al. 2016, arXiv:1603.00831)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.sets.shot import Shot, Shots, corners, cut, outside
from models.sets.video import pictures, size_of
from streamer.errors import ArtifactError

_COLUMNS = "frame, id, left, top, width, height[, considered[, class, …]]"
_PEDESTRIAN = 1
# Person on a vehicle, static person, distractor, reflection: people too, or like people; table 2 of the paper.
_NEUTRAL = (2, 7, 8, 12)
_MOST_OUTSIDE = 0.1


def mot_video(video: Path, truth: Path, scale: float = 1.0, label: str = "person", every: int = 1) -> Shots:
    """Frames 1, 1 + every, … of a video up to its truth's last frame; boxes × scale are pixels of the video.

    A frame without rows holds nobody; what comes after the truth's last frame is not scored. Rows that are not to be
    considered (0) are ignored objects, or nothing at all where their class says that they are no people. Raises
    ArtifactError.
    """
    if every < 1 or not (scale > 0 and math.isfinite(scale)):
        raise ArtifactError(f"{truth}: scale must be above 0 and every at least 1; got {scale:g} and {every}")
    rows = _read(truth)
    wh = size_of(video)
    xyxy = corners(rows[:, 2:6] * scale)
    away = outside(xyxy, wh)
    # People are labelled while they leave, so a few may be outside; many say that the scale is another.
    if away.sum() > _MOST_OUTSIDE * len(rows):
        raise ArtifactError(
            f"{truth}: {int(away.sum())} of {len(rows)} boxes × {scale:g} lie outside the video's {wh[0]}×{wh[1]} "
            f"pixels, the first in frame {int(rows[np.argmax(away), 0])}: is the scale right?"
        )
    last = int(rows[:, 0].max())
    boxes, has_area = cut(xyxy, wh)
    rows, boxes = rows[has_area], boxes[has_area]
    ignored = rows[:, 6] == 0
    chosen = range(0, last, every)

    def walk() -> Iterator[Shot]:
        for index, image in pictures(video, chosen):
            mine = rows[:, 0] == index + 1
            labels = (label,) * int(mine.sum())
            name = f"{video.name} frame {index + 1}"
            yield Shot(name, image, boxes[mine], labels, ignored[mine], frozenset({label}))

    return Shots(len(chosen), walk)


def _read(truth: Path) -> NDArray[np.float64]:
    """Rows (frame, id, left, top, width, height, considered) of people."""
    try:
        lines = truth.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise ArtifactError(
            f"{truth}: cannot be read: {error.strerror or error}; expected lines of {_COLUMNS}"
        ) from error
    except UnicodeDecodeError as error:
        raise ArtifactError(f"{truth}: no text; expected lines of {_COLUMNS}") from error
    rows = [row for number, line in enumerate(lines, 1) if (row := _row(line, f"{truth}, line {number}"))]
    if not rows:
        raise ArtifactError(f"{truth}: no box of a person in it; expected lines of {_COLUMNS}")
    return np.array(rows, np.float64)


def _row(line: str, where: str) -> list[float] | None:
    """One line's numbers up to `considered`; None for what is no box of a person."""
    cells = line.replace(",", " ").replace(";", " ").split()
    if not cells or cells[0].startswith("#"):
        return None
    try:
        row = [float(cell) for cell in cells]
    except ValueError as error:
        raise ArtifactError(f"{where}: {error}; expected numbers: {_COLUMNS}") from error
    if len(row) < 6:
        raise ArtifactError(f"{where}: {len(row)} column(s), at least 6 are needed: {_COLUMNS}")
    frame, (width, height) = row[0], row[4:6]
    if not all(map(math.isfinite, row[:6])) or frame < 1 or frame % 1 or width <= 0 or height <= 0:
        raise ArtifactError(f"{where}: '{line.strip()[:80]}' is no box: {_COLUMNS}; frames count from 1")
    considered, kind = row[6] if len(row) > 6 else 1.0, row[7] if len(row) > 7 else -1.0
    if kind > 0 and kind != _PEDESTRIAN:
        if kind not in _NEUTRAL:
            return None
        considered = 0.0
    return [*row[:6], considered]
