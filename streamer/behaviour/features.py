"""What the track head sees: how each track has moved up to now, on a fixed grid of media time.

The one implementation for training and runtime. Lengths are in bodies (the smoothed square root of the area of the
track's box), times in seconds, so that neither frame rate nor resolution matter; nothing tells left from right. Only
the past counts: a grid step is told once a sighting at or after it has come.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamer.behaviour.motion import MOTION, MotionMemory

STEP_S = 0.2
"""Steps are at k × STEP_S of media time."""
LONGEST_GAP_S = 1.0
"""A track that was not seen for longer begins anew: what it did meanwhile is not known."""
EMBEDDING_WIDTH = 64
FEATURES: tuple[str, ...] = (*MOTION, "embedded", *(f"embedding_{i:02}" for i in range(EMBEDDING_WIDTH)))

_NEAR_ENOUGH_S = 1e-6
_SMALLEST_PX, _LARGEST_PX = 1e-2, 1e6
# People run at up to 5 bodies per second; boxes that grow or jump with an occlusion move their middle a little at once.
_JUMP_BODIES, _JUMP_BODIES_PER_S = 1.5, 12.0
_GROWTH, _GROWTH_PER_S = 3.0, 3.0

Float64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Round:
    """The tracks that have made one grid step.

    at_s: media time of the step; ids int64 (m,); features float32 (m, F), columns as FEATURES, always finite;
    fresh bool (m,): the first step of a track, at its birth or after it was away for more than LONGEST_GAP_S.
    """

    at_s: float
    ids: NDArray[np.int64]
    features: NDArray[np.float32]
    fresh: NDArray[np.bool_]


@dataclass(slots=True)
class _Track:
    """Where a track was last seen: middle x, middle y, width, height in pixels, and what the detector saw in it."""

    row: int
    seen_at_s: float
    box: Float64
    embedding: Float64 | None
    next_step: int
    fresh: bool = True


class TrackFeatures:
    """The memory of one camera session. Not for several threads at once."""

    def __init__(self) -> None:
        self.refused = 0
        """Sightings that made no sense and were skipped: not a number, no area, a jump, or not later than the last."""
        self._tracks: dict[int, _Track] = {}
        self._memory = MotionMemory(STEP_S)

    def reset(self) -> None:
        """Forget all tracks: a new session, whose ids and times start anew."""
        self._tracks.clear()
        self._memory = MotionMemory(STEP_S)

    def update(
        self,
        at_s: float,
        ids: NDArray[np.int64],
        boxes_xyxy: NDArray[np.floating],
        embeddings: NDArray[np.float32] | None,
        ended: Iterable[int] = (),
    ) -> list[Round]:
        """The grid steps that have become due with this frame, oldest first.

        ids int64 (M,), boxes_xyxy (M, 4) pixels, embeddings float32 (M, 64) or None where the detector gives none;
        ended: ids that are given up, forgotten after this frame. Values at grid times lie on the line between a track's
        last two sightings, so a track that was missed for a moment tells its steps late, in rounds of their own time.
        """
        if not math.isfinite(at_s):
            self.refused += len(ids)
            return []
        due: dict[int, list[tuple[int, _Track, Float64, Float64 | None]]] = {}
        boxes = np.asarray(boxes_xyxy, np.float64).reshape(-1, 4)
        with np.errstate(invalid="ignore"):  # of boxes that are no numbers, which are refused below
            sizes = np.stack([boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]], axis=1)
            seen = np.concatenate([(boxes[:, :2] + boxes[:, 2:]) / 2, sizes], axis=1)
        sound = (np.abs(seen) < _LARGEST_PX).all(1) & (sizes > _SMALLEST_PX).all(1)  # NaN is neither
        for n, track_id in enumerate(ids.tolist()):
            if not sound[n]:
                self.refused += 1
                continue
            embedding = None if embeddings is None else np.asarray(embeddings[n], np.float64)
            if embedding is not None and not np.isfinite(embedding).all():
                embedding = None
            self._see(at_s, track_id, seen[n], embedding, due)
        rounds = [self._round(step, due[step]) for step in sorted(due)]
        self._forget(at_s, ended)
        return rounds

    def _see(
        self,
        at_s: float,
        track_id: int,
        box: Float64,
        embedding: Float64 | None,
        due: dict[int, list[tuple[int, _Track, Float64, Float64 | None]]],
    ) -> None:
        """Take one sighting in, and note which grid steps it makes due, with the values on the line up to it."""
        track = self._tracks.get(track_id)
        if track is not None and at_s - track.seen_at_s > LONGEST_GAP_S + _NEAR_ENOUGH_S:
            self._memory.free(track.row)
            track = None
        if track is None:
            first = math.ceil(at_s / STEP_S - _NEAR_ENOUGH_S)
            track = _Track(self._memory.claim(), at_s, box, embedding, first)
            self._tracks[track_id] = track
        elif not _follows(track, at_s, box):
            self.refused += 1
            return
        gap_s = at_s - track.seen_at_s
        while track.next_step * STEP_S <= at_s + _NEAR_ENOUGH_S:
            share = 1.0 if gap_s <= 0 else min(1.0, max(0.0, (track.next_step * STEP_S - track.seen_at_s) / gap_s))
            between = track.box + share * (box - track.box)
            looks = embedding if track.embedding is None or share >= 0.5 else track.embedding
            due.setdefault(track.next_step, []).append((track_id, track, between, looks))
            track.next_step += 1
        track.seen_at_s, track.box, track.embedding = at_s, box, embedding

    def _round(self, step: int, due: list[tuple[int, _Track, Float64, Float64 | None]]) -> Round:
        rows = np.array([track.row for _, track, _, _ in due], np.int64)
        features = np.zeros((len(due), len(FEATURES)), np.float32)
        features[:, : len(MOTION)] = self._memory.step(step, rows, np.stack([box for _, _, box, _ in due]))
        for n, (_, _, _, embedding) in enumerate(due):
            if embedding is not None:
                features[n, len(MOTION)] = 1.0
                features[n, len(MOTION) + 1 :] = np.clip(embedding, -1e6, 1e6)
        fresh = np.array([track.fresh for _, track, _, _ in due], np.bool_)
        for _, track, _, _ in due:
            track.fresh = False
        return Round(step * STEP_S, np.array([track_id for track_id, *_ in due], np.int64), features, fresh)

    def _forget(self, at_s: float, ended: Iterable[int]) -> None:
        """What was given up, and what would begin anew anyway: nothing grows with the length of a session."""
        away = [each for each, track in self._tracks.items() if at_s - track.seen_at_s > LONGEST_GAP_S + _NEAR_ENOUGH_S]
        for track_id in {*ended, *away}:
            if (track := self._tracks.pop(track_id, None)) is not None:
                self._memory.free(track.row)


def _follows(track: _Track, at_s: float, box: Float64) -> bool:
    """Whether a sighting can be the same thing a moment later: no step back in time, no leap, no change of size."""
    gap_s = at_s - track.seen_at_s
    if gap_s <= 0:
        return False
    body = max(float(track.box[2:].max()), float(box[2:].max()))
    leap = math.hypot(*(box[:2] - track.box[:2])) / body
    growth = abs(math.log(float(box[2:].max()) / float(track.box[2:].max())))
    return leap <= _JUMP_BODIES + _JUMP_BODIES_PER_S * gap_s and growth <= math.log(_GROWTH) + _GROWTH_PER_S * gap_s
