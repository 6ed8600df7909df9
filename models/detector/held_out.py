"""The pages that were kept back from training: what nets are compared on and thresholds are chosen on."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from models.detector.album import Album, Page
from models.detector.network import LABELS
from models.sets import Shot, Shots


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
