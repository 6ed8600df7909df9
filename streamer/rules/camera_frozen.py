"""The camera sends frames, but always the same picture."""

from __future__ import annotations

import cv2
import numpy as np

from streamer.rules.glance import Glance, Look
from streamer.types import Evidence, Frame, Tracks

# Measured through x264 at CRF 28, one look a second: after a dozen key frames a still picture changes from look to look
# by less than 0.3 grey levels on average, and none of its small picture's pixels strays by more than 6. A sensor with
# a noise of 2 changes by 1.5 at every key frame; without an encoder one with a noise of 0.7 changes by 0.5.
STRAY_GREY = 8
FEWEST_PIXELS = 3
FAINTEST_NOISE_GREY = 0.4


class FrozenRule:
    """Holds while nothing in the picture has changed for frozen_after_s.

    An empty scene is not frozen: its sensor is noisy from look to look, and what moves or grows lighter, however
    slowly, strays from the picture at the last change. An encoder may send exact copies of a quiet scene between two
    key frames: let frozen_after_s be several key frame intervals. A black picture is camera.dark's business: there is
    nothing in it that could change.
    Limit: a clock that the camera writes into a frozen picture is a change.
    """

    kind = "camera.frozen"

    def __init__(self, *, name: str = kind, frozen_after_s: float = 30.0, glance: Glance | None = None) -> None:
        if frozen_after_s <= 0:
            raise ValueError(f"frozen_after_s must be positive; got {frozen_after_s:g}")
        self.name = name
        self._after_s = frozen_after_s
        self._glance = glance if glance is not None else Glance()
        self._changed: Look | None = None  # the picture at the last change
        self._last: Look | None = None
        self.settings: dict[str, object] = {"frozen_after_s": frozen_after_s}

    def judge(self, frame: Frame, tracks: Tracks) -> list[Evidence]:  # noqa: ARG002  the picture alone decides
        """Evidence against the camera while its picture stands still."""
        look = self._glance.at(frame)
        if look is not None:
            then, before = self._changed, self._last
            if then is None or before is None or _is_black(look) or _strays(look, then) or _lives(look, before):
                self._changed = look
            self._last = look
        if self._changed is None or (still_s := frame.media_s - self._changed.media_s) < self._after_s:
            return []
        text = f"the camera's picture has not changed for {still_s:.0f} s (limit {self._after_s:g} s)"
        return [Evidence(subject="camera", text=text, measures={"still_s": (still_s, self._after_s)})]

    def reset(self) -> None:
        """A new session begins: its first picture counts as a change."""
        self._changed = self._last = None
        self._glance.reset()


def _is_black(look: Look) -> bool:
    return look.mean <= 24 and look.contrast <= 10


def _strays(now: Look, then: Look) -> bool:
    """Whether something in the picture is not as it was."""
    if now.grey.shape != then.grey.shape:
        return True
    return bool(np.count_nonzero(cv2.absdiff(now.grey, then.grey) > STRAY_GREY) >= FEWEST_PIXELS)


def _lives(now: Look, before: Look) -> bool:
    """Whether a sensor's noise is in the picture."""
    if now.fine.shape != before.fine.shape:
        return True
    return bool(cv2.mean(cv2.absdiff(now.fine, before.fine))[0] >= FAINTEST_NOISE_GREY)
