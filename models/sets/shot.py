"""One labelled picture, a set of them, and how given boxes are held to their picture.

Boxes are cut at the edges of their picture, as detections are; what has no area then is left out. Boxes wholly outside
say that the coordinates were made for another picture size: the readers refuse them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Shot:
    """One picture and what is in it.

    image uint8 (H, W, 3), RGB; boxes float32 (M, 4), xyxy pixels of image; labels: M class names; ignored bool (M,):
    there, but neither asked for nor held against (crowd, hidden); known: the classes that are labelled in this picture,
    None: all. A class that is not known here is neither right nor wrong to find.
    """

    name: str
    image: NDArray[np.uint8]
    boxes: NDArray[np.float32]
    labels: tuple[str, ...]
    ignored: NDArray[np.bool_]
    known: frozenset[str] | None


@dataclass(frozen=True)
class Shots:
    """A set: how many pictures, and a fresh walk through them each time. notes: what was let pass, a sentence each."""

    length: int
    walk: Callable[[], Iterator[Shot]]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[Shot]:
        return self.walk()


def corners(ltwh: Sequence[Sequence[float]] | NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, 4) left, top, width, height → float64 (N, 4) xyxy."""
    boxes = np.asarray(ltwh, np.float64).reshape(-1, 4)
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)


def outside(boxes_xyxy: NDArray[np.float64], wh: tuple[int, int]) -> NDArray[np.bool_]:
    """True for boxes that touch no pixel of the picture; a pixel of slack for what was rounded."""
    away = np.column_stack([boxes_xyxy[:, :2] > np.array(wh) + 1, boxes_xyxy[:, 2:] < -1])
    return np.asarray(away.any(axis=1), np.bool_)


def cut(boxes_xyxy: NDArray[np.float64], wh: tuple[int, int]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The boxes cut at the picture's edges, and which of them have area then."""
    inside = np.clip(boxes_xyxy, 0, np.tile(np.array(wh), 2)).astype(np.float32)
    return inside, np.asarray((inside[:, 2:] > inside[:, :2]).all(axis=1), np.bool_)
