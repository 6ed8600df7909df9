"""Rectangles laid onto one sheet: shelves, the highest first (next-fit decreasing height, Coffman et al. 1980)."""

from __future__ import annotations

from collections.abc import Sequence

Size = tuple[int, int]
Place = tuple[int, int]


def packed(sizes: Sequence[Size], sheet_wh: Size, gap: int) -> list[Place] | None:
    """Top-left corners (x, y) for rectangles (width, height), `gap` between any two; None where they do not fit.

    Every shelf is as high as its first rectangle. First-fit: one that is low enough goes back to an earlier shelf.
    """
    width, height = sheet_wh
    places: list[Place] = [(0, 0)] * len(sizes)
    shelves: list[list[int]] = []  # [top, height, next x]
    for i in sorted(range(len(sizes)), key=lambda i: (-sizes[i][1], -sizes[i][0], i)):
        w, h = sizes[i]
        shelf = next((each for each in shelves if each[2] + w <= width), None)
        if shelf is None:
            top = shelves[-1][0] + shelves[-1][1] + gap if shelves else 0
            if w > width or top + h > height:
                return None
            shelf = [top, h, 0]
            shelves.append(shelf)
        places[i] = (shelf[2], shelf[0])
        shelf[2] += w + gap
    return places


def largest_scale(sizes: Sequence[Size], sheet_wh: Size, gap: int, scales: Sequence[float]) -> float | None:
    """The first of the scales, from large to small, at which they fit; None where none does."""
    return next((scale for scale in scales if packed(scaled(sizes, scale), sheet_wh, gap) is not None), None)


def scaled(sizes: Sequence[Size], scale: float) -> list[Size]:
    """Sizes times a scale in whole pixels, at least one."""
    return [(max(1, round(w * scale)), max(1, round(h * scale))) for w, h in sizes]
