"""How many pictures a second of a camera there is time for: what is shared out may change while the camera is read."""

from __future__ import annotations

import math


class Ration:
    """Set by whoever shares out the model, asked by the camera's capture thread; neither ever waits."""

    def __init__(self, most_fps: float = math.inf) -> None:
        self.most_fps = most_fps

    def of(self, fps: float | None) -> float | None:
        """What is left of a wish, in pictures a second; None: every one."""
        if fps is None:
            return None if math.isinf(self.most_fps) else self.most_fps
        return min(fps, self.most_fps)
