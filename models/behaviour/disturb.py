"""True tracks as a detector and a tracker would have given them: rough, with gaps, late, at another pace."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from models.behaviour.caviar_tracks import LabelledTrack, Labelling

SPEEDS = (0.8, 1.25)


def disturbed(labelling: Labelling, random: np.random.Generator) -> tuple[tuple[LabelledTrack, ...], float]:
    """What was seen of each track, and how many times as fast all went.

    Every first to fifth frame is looked at; edges are off by up to a few percent of the box, as much in the next frame
    as in this one; some sightings in a row are missed; some tracks begin late, and some people are not seen at all.
    """
    every, roughness = int(random.choice([1, 2, 3, 5])), random.uniform(0.0, 0.06)
    offset = int(random.integers(every))
    seen = []
    for track in labelling.tracks:
        frames = np.flatnonzero(track.frames % every == offset)
        if random.random() < 0.3:
            frames = frames[int(random.uniform(0, 0.6) * len(frames)) :]
        frames = frames[~_missed(len(frames), 12 // every + 1, random)]
        if random.random() < 0.08:
            frames = frames[:0]
        seen.append(_rough(_rows(track, frames), roughness, random))
    return tuple(seen), float(random.uniform(*SPEEDS))


def _rows(track: LabelledTrack, rows: NDArray[np.int64]) -> LabelledTrack:
    return replace(
        track, frames=track.frames[rows], boxes_xyxy=track.boxes_xyxy[rows], movement=track.movement[rows],
        context=track.context[rows], behaviour=track.behaviour[rows],
    )  # fmt: skip


def _missed(count: int, longest: int, random: np.random.Generator) -> NDArray[np.bool_]:
    """Runs of sightings that are not there, bool (count,)."""
    missed = np.zeros(count, np.bool_)
    for start in np.flatnonzero(random.random(count) < 0.02):
        missed[start : start + int(random.integers(1, longest + 1))] = True
    return missed


def _rough(track: LabelledTrack, roughness: float, random: np.random.Generator) -> LabelledTrack:
    """Edges moved by a noise that forgets itself over some five frames; no box loses more than half its side."""
    noise = random.normal(0, roughness, track.boxes_xyxy.shape)
    for n in range(1, len(noise)):
        noise[n] = 0.8 * noise[n - 1] + 0.6 * noise[n]
    boxes = track.boxes_xyxy
    sides = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
    return replace(track, boxes_xyxy=boxes + np.clip(noise, -0.25, 0.25) * sides)
