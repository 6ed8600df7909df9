"""Words at boxes, laid so that none hides another: in a crowd a tag is shortened, moved, or left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamer.alerts.drawing import Rgb, draw_tag, tag_size

Area = tuple[int, int, int, int]  # left, top, right, bottom in pixels


@dataclass(frozen=True, slots=True)
class Tag:
    """What is to be written at a box, in pixels: the first of these texts that finds room."""

    texts: tuple[str, ...]
    box: Area
    colour: Rgb


@dataclass(frozen=True, slots=True)
class Placed:
    """A text and the area that it takes."""

    text: str
    area: Area
    colour: Rgb


def draw_tags(rgb: NDArray[np.uint8], tags: Sequence[Tag]) -> None:
    """Write them in place, uint8 (H, W, 3) RGB; the first have the first choice."""
    scale, thick = max(0.35, float(rgb.shape[0]) / 1400), 1 if rgb.shape[0] < 900 else 2
    for placed in laid_out(tags, (rgb.shape[1], rgb.shape[0]), scale, thick):
        left, _, _, bottom = placed.area
        draw_tag(rgb, placed.text, (left, bottom), (left, bottom), placed.colour, scale, thick)


def laid_out(tags: Sequence[Tag], picture_wh: tuple[int, int], scale: float, thick: int) -> list[Placed]:
    """Those that find room, inside the picture and over no other: above the box, below it, or at its top within."""
    placed: list[Placed] = []
    for tag in tags:
        choices = (
            Placed(text, area, tag.colour)
            for within in (False, True)  # at the top within lie people's heads: only where nothing else is free
            for text in tag.texts
            for area in _areas(tag.box, tag_size(text, scale, thick), picture_wh, within)
        )
        free = next((each for each in choices if not any(_meet(each.area, other.area) for other in placed)), None)
        if free is not None:
            placed.append(free)
    return placed


def _areas(box: Area, size_wh: tuple[int, int], picture_wh: tuple[int, int], within: bool) -> Iterator[Area]:
    width, height = size_wh
    left = max(0, min(box[0], picture_wh[0] - width))
    for top in (box[1],) if within else (box[1] - height, box[3]):
        if top >= 0 and top + height <= picture_wh[1]:
            yield left, top, left + width, top + height


def _meet(a: Area, b: Area) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
