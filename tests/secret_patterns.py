"""Patterns that are drawn where nobody may look, and what finds them again in any bytes that leave a process.

The finder is a matched filter (normalised cross-correlation) over all places and sizes, independent of everything that
hides: it knows the patterns only.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass

import av
import cv2
import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray

Grey = NDArray[np.uint8]
_BASE64 = re.compile(rb"[A-Za-z0-9+/]{400,}={0,2}")
_WIDE_ENOUGH_PX = 640
_PAIRS = ((0, 1, 1, 0), (1, 0, 0, 1), (1, 1, 0, 0), (0, 0, 1, 1), (1, 0, 1, 0), (0, 1, 0, 1))


def pattern(cells: int, seed: int) -> Grey:
    """uint8 (cells, cells), black and white, as much of each in every 2 × 2: nothing of it is left in a coarse mean."""
    rng = np.random.default_rng(seed)
    rows = [
        np.hstack([np.array(_PAIRS[rng.integers(len(_PAIRS))]).reshape(2, 2) for _ in range(cells // 2)])
        for _ in range(cells // 2)
    ]
    return (np.vstack(rows) * 255).astype(np.uint8)


@dataclass(frozen=True)
class Secret:
    """A pattern, and how wide it is drawn: shares of the picture's width, from and to."""

    name: str
    cells: Grey
    widths: tuple[float, float]

    def draw(self, rgb: NDArray[np.uint8], left: int, top: int, side_px: int) -> None:
        """Into a picture, uint8 (H, W, 3)."""
        drawn = cv2.resize(self.cells, (side_px, side_px), interpolation=cv2.INTER_NEAREST)
        rgb[top : top + side_px, left : left + side_px] = drawn[..., None]

    def seen_in(self, picture: Grey) -> float:
        """How alike the most similar place of a picture is, -1 to 1; at every size at which it may be there."""
        if picture.shape[1] > _WIDE_ENOUGH_PX:
            size = _WIDE_ENOUGH_PX, round(picture.shape[0] * _WIDE_ENOUGH_PX / picture.shape[1])
            picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
        width = picture.shape[1]
        best = -1.0
        sides = np.unique(np.round(np.geomspace(*(share * width for share in self.widths), 7)).astype(int))
        for side in sides:
            if 8 <= side <= min(picture.shape):
                template = cv2.resize(self.cells, (int(side), int(side)), interpolation=cv2.INTER_AREA)
                template = cv2.GaussianBlur(template, (3, 3), 0.6)
                best = max(best, float(cv2.matchTemplate(picture, template, cv2.TM_CCOEFF_NORMED).max()))
        return best


def pictures_in(content: bytes, *, most: int = 60) -> Iterator[Grey]:
    """The pictures that somebody could find in these bytes: JPEG and PNG anywhere, MP4, and those as base64 in text.

    Of many that follow each other so many, evenly spread.
    """
    starts = [match.start() for match in re.finditer(rb"\xff\xd8\xff[\xdb\xe0\xe1]|\x89PNG\r\n", content)]
    for start in starts[:: -(-len(starts) // most) or 1]:
        picture = cv2.imdecode(np.frombuffer(content, np.uint8, offset=start), cv2.IMREAD_GRAYSCALE)
        if picture is not None:
            yield np.asarray(picture, np.uint8)
    for start in (match.start() - 4 for match in re.finditer(rb"ftyp", content)):
        yield from _video(content[max(0, start) :], most)
    for run in _BASE64.finditer(content):
        text = run.group()
        yield from pictures_in(base64.b64decode(text[: len(text) // 4 * 4]), most=most)


def _video(content: bytes, most: int) -> Iterator[Grey]:
    try:
        with av.open(io.BytesIO(content)) as container:
            for number, frame in enumerate(container.decode(video=0)):
                if number >= most * 5:
                    return
                if number % 5 == 0:
                    yield np.asarray(frame.to_ndarray(format="gray"), np.uint8)
    except (FFmpegError, IndexError, ValueError):
        return  # cut off where the reading ended, or no video at all
