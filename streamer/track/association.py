"""How well a box fits a track, and which fits which.

affinity = grown overlap − surprise_cost · surprise − score_cost · |change of score|

Grown overlap: both boxes are grown by half a standard deviation of where the track may be, and their IoU is taken. It
is the buffered IoU of C-BIoU (Yang et al., WACV 2023) with the buffer measured instead of set: next to none on a steady
track at 30 frames a second, wide on one that has just appeared and is seen at 5. Surprise: the squared Mahalanobis
distance of the detected box, size included, as a share of the limit. IoU alone cannot tell a person from the one in
front, who overlaps the prediction as well but is larger; that is most of what it brings. Matching is in two stages
(Zhang et al., "ByteTrack", ECCV 2022): boxes of high score first, then what is left of the tracks takes boxes of low
score, which begin no tracks.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamer.track.assignment import best_pairs
from streamer.track.kalman import BoxFilter, Floats, Rows
from streamer.track.settings import TrackerSettings

_GROWTH = 0.5  # standard deviations; 0.25 to 0.75 give the same, 0 costs tracks at low frame rates
_LEAST_AREA = 1e-12


def affinity(
    tracks: BoxFilter, track_scores: Floats, boxes_cxcywh: Floats, scores: Floats, settings: TrackerSettings
) -> Floats:
    """float64 (M tracks, N boxes), 1 where all is as expected; −1 where the surprise is beyond its limit."""
    boxes = np.ascontiguousarray(boxes_cxcywh.T)[:, None]  # (4, 1, N): what is next to each other is computed fastest
    off = boxes - tracks.boxes[:, :, None]  # (4, M, N)
    surprise = np.einsum("cmn,cm->mn", off * off, 1.0 / tracks.sight_variance())
    fit = _grown_overlap(tracks, boxes, off)
    fit -= (settings.surprise_cost / settings.surprise_limit) * surprise
    fit -= settings.score_cost * np.abs(track_scores[:, None] - scores)
    fit[surprise > settings.surprise_limit] = -1.0
    return fit


def assign(fit: Floats, least: float) -> tuple[Rows, Rows]:
    """The pairs (rows, columns) with the greatest sum of affinity, none below `least`; a pair below adds nothing."""
    return best_pairs(np.where(fit < least, 0.0, fit))


def covered(boxes_cxcywh: Floats, by_cxcywh: Floats) -> Floats:
    """Intersection of every box with every other, as a share of the smaller: float64 (N, K) in [0, 1]."""
    off = np.abs(by_cxcywh[:, :2] - boxes_cxcywh[:, None, :2])
    size, other = boxes_cxcywh[:, None, 2:], by_cxcywh[None, :, 2:]
    shared = np.clip(0.5 * (size + other) - off, 0.0, np.minimum(size, other)).prod(axis=-1)
    smaller: Floats = np.minimum(size.prod(axis=-1), other.prod(axis=-1))
    share: Floats = shared / np.maximum(smaller, _LEAST_AREA)
    return share


def _grown_overlap(tracks: BoxFilter, boxes: Floats, off: Floats) -> Floats:
    expected = tracks.boxes[2:]
    room = 2 * _GROWTH * np.sqrt(tracks.centre_variance)
    # Growth by more than the object's own size would match what is merely near.
    room = np.minimum(room, 2 * np.sqrt(expected[0] * expected[1]))
    size = (expected + room)[:, :, None]  # (2, M, 1)
    other = boxes[2:] + room[:, :, None]  # (2, M, N)
    side = np.minimum(np.minimum(size, other), 0.5 * (size + other) - np.abs(off[:2]))
    np.maximum(side, 0.0, out=side)
    shared = side[0] * side[1]
    union = size[0] * size[1] + other[0] * other[1] - shared
    overlap: Floats = shared / np.maximum(union, _LEAST_AREA)
    return overlap


def kinds_of(labels: tuple[str, ...], alike: tuple[tuple[str, ...], ...]) -> NDArray[np.intp]:
    """int (K,): labels with the same number may be one object seen twice; all others never are."""
    first: dict[str, int] = {}
    kinds = []
    for i, label in enumerate(labels):
        group = next((names for names in alike if label in names), (label,))
        kinds.append(first.setdefault(group[0], i))
    return np.array(kinds, np.intp)
