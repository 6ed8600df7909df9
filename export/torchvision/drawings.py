"""Pictures that need no footage: for proofs, and for fitting nets with random weights to something."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]


def pictures(canvas_wh: tuple[int, int], n: int = 3, seed: int = 7) -> list[Picture]:
    """uint8 (H, W, 3), drawn: patches of light with some hard-edged things before them."""
    chance, (w, h) = np.random.default_rng(seed), canvas_wh
    drawn = []
    for _ in range(n):
        patches = chance.integers(0, 256, (6, 9, 3), np.uint8)
        picture = np.ascontiguousarray(cv2.resize(patches, (w, h), interpolation=cv2.INTER_CUBIC), np.uint8)
        for _ in range(12):
            colour = chance.integers(0, 256, 3).tolist()
            x, y = int(chance.integers(0, w)), int(chance.integers(0, h))
            a, b = int(chance.integers(w // 60, w // 8)), int(chance.integers(h // 40, h // 4))
            if chance.random() < 0.5:
                cv2.ellipse(picture, (x, y), (a, b), float(chance.uniform(0, 180)), 0, 360, colour, -1)
            else:
                cv2.rectangle(picture, (x, y), (x + a, y + b), colour, -1)
        drawn.append(picture)
    return drawn
