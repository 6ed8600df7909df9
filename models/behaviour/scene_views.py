"""The same clip as other cameras might have seen it: from nearer, at another pace, noisier.

163 clips are few, and what tells fights in them is as much their cameras as the fights: people who ran past a camera
that was not among them were taken for fighters. Each view is drawn from the pixels of the clip, so that its motion is
real motion. Peaceful clips are also played much faster: who runs does not fight.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class View:
    """begins_s into the clip as played; speed: 2 plays it twice as fast; zoom: 2 shows half its width and height.

    middle_xy: of what is shown, as shares of width and height; noise: standard deviation in grey levels.
    """

    begins_s: float = 0.0
    speed: float = 1.0
    zoom: float = 1.0
    middle_xy: tuple[float, float] = (0.5, 0.5)
    noise: float = 0.0
    blurred: bool = False

    def of(self, image: Image, random: np.random.Generator) -> Image:
        """uint8 (H, W, 3) → what this view shows of it, uint8 (h, w, 3)."""
        height, width = image.shape[:2]
        w, h = round(width / self.zoom), round(height / self.zoom)
        x = min(max(round(self.middle_xy[0] * width - w / 2), 0), width - w)
        y = min(max(round(self.middle_xy[1] * height - h / 2), 0), height - h)
        shown = np.ascontiguousarray(image[y : y + h, x : x + w])
        if self.blurred:
            shown = np.asarray(cv2.GaussianBlur(shown, (0, 0), 1.2), np.uint8)
        if self.noise:
            shown = np.clip(shown + random.normal(0, self.noise, shown.shape), 0, 255).astype(np.uint8)
        return shown


AS_IT_IS = View()


def views_of(images: Sequence[Image], fights: bool, count: int, random: np.random.Generator) -> list[View]:
    """The clip as it is, then count - 1 others, near where it moves."""
    middle = middle_of_motion(images)
    views = [AS_IT_IS]
    for _ in range(count - 1):
        octaves = random.uniform(-0.5, 0.5)
        if not fights and random.random() < 0.35:
            octaves = random.uniform(0.5, 1.3)
        zoom = 2 ** random.uniform(0.1, 1.1) if random.random() < 0.7 else 1.0
        x, y = random.normal(middle, 0.1)
        views.append(
            View(
                begins_s=random.uniform(0, 0.3),
                speed=2**octaves,
                zoom=zoom,
                middle_xy=(x, y),
                noise=random.uniform(1, 7) if random.random() < 0.5 else 0.0,
                blurred=random.random() < 0.25,
            )
        )
    return views


def middle_of_motion(images: Sequence[Image]) -> tuple[float, float]:
    """Where it moves most, as shares of width and height; the middle of the picture where nothing does."""
    small = [
        cv2.resize(cv2.cvtColor(each, cv2.COLOR_RGB2GRAY), (64, 36), interpolation=cv2.INTER_AREA) for each in images
    ]
    if len(small) < 2:
        return 0.5, 0.5
    change = np.abs(np.diff(np.asarray(small[::3] if len(small) > 3 else small, np.float32), axis=0)).mean(0)
    change = np.maximum(change - 2 * np.median(change), 0)
    if not change.any():
        return 0.5, 0.5
    share = change / change.sum()
    return float(share.sum(0) @ (np.arange(64) + 0.5)) / 64, float(share.sum(1) @ (np.arange(36) + 0.5)) / 36
