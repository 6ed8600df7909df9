"""What a camera showed in the last seconds, now and then: so that an alert can show how it came to it.

Share one FilmStrip among a camera's rules and each picture is kept once.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from streamer.types import Frame

EVERY_S = 0.5
PICTURES = 6
_AROUND = 0.4
"""How much of a box's longer side is shown around it."""

Strip = tuple[tuple[float, NDArray[np.uint8]], ...]


class FilmStrip:
    """The last pictures of one camera at the size at which the model saw them; about three seconds of them."""

    def __init__(self) -> None:
        self._frames: deque[Frame] = deque(maxlen=PICTURES)

    def keep(self, frame: Frame) -> None:
        """Take this frame if it is time for one; harmless when several rules show the same one."""
        if not self._frames or frame.media_s - self._frames[-1].media_s >= EVERY_S - 1e-3:
            self._frames.append(frame)

    def reset(self) -> None:
        """A new session begins."""
        self._frames.clear()

    def of(self, box_xyxy: tuple[float, float, float, float] | None = None) -> Strip:
        """The kept pictures, oldest first, cut to the surroundings of a box in source pixels; whole without one."""
        return tuple((frame.media_s, _cut(frame, box_xyxy)) for frame in self._frames)


def _cut(frame: Frame, box_xyxy: tuple[float, float, float, float] | None) -> NDArray[np.uint8]:
    if box_xyxy is None:
        return frame.image
    height, width = frame.image.shape[:2]
    scale = width / frame.source_wh[0], height / frame.source_wh[1]
    x0, y0, x1, y1 = (edge * scale[n % 2] for n, edge in enumerate(box_xyxy))
    more = _AROUND * max(x1 - x0, y1 - y0)
    left, right = int(np.clip(x0 - more, 0, width - 1)), int(np.clip(x1 + more, 1, width))
    top, bottom = int(np.clip(y0 - more, 0, height - 1)), int(np.clip(y1 + more, 1, height))
    return frame.image[top : max(bottom, top + 1), left : max(right, left + 1)]
