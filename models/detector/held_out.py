"""The pages that were kept back from training: what nets are compared on and thresholds are chosen on.

Few of them are without people, and false finds are best counted where there is nothing to find: so views, parts of
pages as large as pages, are looked at as well. Most hold nothing of some class.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np

from models.detector.album import Album, Page
from models.detector.network import LABELS
from models.detector.permitted import PERMITTED
from models.sets import Shot, Shots

_VIEW_SIDE = 0.6
"""Of a page's side; a view is enlarged to what the page was."""


def held_out_shots(album: Album, limit: int | None = None) -> Shots:
    """The kept-back pages, at most limit of them, evenly chosen.

    Labels that the teacher alone gave count as true: good enough to compare two nets, not to state a figure.
    """
    rows = np.flatnonzero(album.held_out)
    if limit is not None and limit < len(rows):
        rows = rows[np.linspace(0, len(rows) - 1, limit).astype(int)]

    def walk() -> Iterator[Shot]:
        for n in rows:
            yield _shot(int(n), album.page(int(n)))

    return Shots(len(rows), walk)


def held_out_views(album: Album) -> Shots:
    """Kept-back pages of everyday sets, whole and in five overlapping parts, each also mirrored."""
    everyday = np.array([each.everyday for each in PERMITTED])
    rows = np.flatnonzero(album.held_out & everyday[album.set_ids])
    corners = [(0.0, 0.0, 1.0), *((x, y, _VIEW_SIDE) for x, y in ((0, 0), (0.4, 0), (0, 0.4), (0.4, 0.4), (0.2, 0.2)))]

    def walk() -> Iterator[Shot]:
        for n in rows:
            shot = _shot(int(n), album.page(int(n)))
            for x, y, side in corners:
                view = _part(shot, x, y, side)
                yield view
                yield _mirrored(view)

    return Shots(2 * len(corners) * len(rows), walk)


def _part(shot: Shot, x: float, y: float, side: float) -> Shot:
    """A window of a picture, in shares of its sides; whatever reaches into it is only known to be there."""
    h, w = shot.image.shape[:2]
    x0, y0, x1, y1 = round(x * w), round(y * h), round((x + side) * w), round((y + side) * h)
    image = cv2.resize(shot.image[y0:y1, x0:x1], (w, h), interpolation=cv2.INTER_LINEAR)
    boxes = np.clip(shot.boxes - np.array([x0, y0, x0, y0], np.float32), 0, [x1 - x0, y1 - y0, x1 - x0, y1 - y0])
    there = (boxes[:, 2:] - boxes[:, :2] >= 1).all(1)
    boxes = boxes * np.array([w / (x1 - x0), h / (y1 - y0)] * 2)
    labels = tuple(label for label, is_there in zip(shot.labels, there, strict=True) if is_there)
    ignored = np.ones(len(labels), np.bool_)
    return Shot(f"{shot.name} from {x0}, {y0}", image, boxes[there].astype(np.float32), labels, ignored, shot.known)


def _mirrored(shot: Shot) -> Shot:
    w = shot.image.shape[1]
    boxes = np.stack([w - shot.boxes[:, 2], shot.boxes[:, 1], w - shot.boxes[:, 0], shot.boxes[:, 3]], 1)
    image = np.ascontiguousarray(shot.image[:, ::-1])
    return replace(shot, name=f"{shot.name}, mirrored", image=image, boxes=boxes.astype(np.float32))


def _shot(n: int, page: Page) -> Shot:
    """A zone where no class is right or wrong becomes one for each class."""
    boxes, labels, ignored = [], [], []
    known = page.known
    for box, class_id, spared, any_class in zip(
        known.boxes, known.class_ids, known.ignored, known.any_class, strict=True
    ):
        for label in LABELS if any_class else (LABELS[class_id],):
            boxes.append(box)
            labels.append(label)
            ignored.append(bool(spared))
    return Shot(
        f"{page.of_set.name} {n}",
        page.image,
        np.array(boxes, np.float32).reshape(-1, 4),
        tuple(labels),
        np.array(ignored, np.bool_),
        frozenset(LABELS) - page.of_set.unknown,
    )
