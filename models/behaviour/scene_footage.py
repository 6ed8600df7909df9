"""What happens on an ordinary day: footage beside the labelled clips that the scene head also learns from.

Cut into pieces as long as the labelled clips. It is never scored, and nothing of a validation split is in it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.behaviour.caviar_tracks import FPS, split_of
from models.behaviour.detected import clips_of

FIGHTS_FOLDER = "surv_fight"
PIECE_S = 2.2
_CAVIAR_PIECES = 5
_FIGHT = "Fight"
"""The CAVIAR sequences of this name have pictures of the fight alone."""
_VIDEOS = (
    # file, seconds of it that are used, pieces
    ("nvidia_Retail02_short.mp4", 20.0, 8),
    ("intel_one-by-one-person-detection.mp4", 139.0, 8),
    ("intel_person-bicycle-car-detection_cut.mp4", 20.0, 6),
    ("intel_car-detection.mp4", 20.0, 6),
)


@dataclass(frozen=True)
class Piece:
    """Some seconds of a video, or all of it; place: what else was filmed there shares it."""

    video: Path
    begins_s: float = 0.0
    ends_s: float = math.inf
    place: str = ""
    fights: bool = False


def ordinary_footage(shared_data: Path) -> list[Piece]:
    """Pieces of CAVIAR's train clips and of the free videos, as far as they lie there. Raises ArtifactError."""
    pieces: list[Piece] = []
    caviar = shared_data / "caviar"
    if caviar.is_dir():
        for clip in clips_of(caviar, split_of(caviar, "train")):
            cut = _cut(clip.file, clip.frames / FPS, _CAVIAR_PIECES, "caviar", clip.sequence.startswith(_FIGHT))
            pieces += cut if clip.frames >= 30 else []
    for name, seconds, count in _VIDEOS:
        video = shared_data / "videos" / name
        if video.is_file():
            pieces += _cut(video, seconds, count, name)
    return pieces


def _cut(video: Path, seconds: float, most: int, place: str, fights: bool = False) -> Iterator[Piece]:
    there = max(1, int(seconds // PIECE_S))
    for n in np.unique(np.linspace(0, there - 1, min(most, there)).round().astype(int)).tolist():
        yield Piece(video, n * PIECE_S, (n + 1) * PIECE_S, place, fights)
