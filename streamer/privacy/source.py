"""A camera whose frames say themselves what is private in them, from the moment on at which they are there.

What is private travels with the frame: when a camera's settings change while others run, each frame is shown by those
under which it was taken, and nobody has to be told.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from streamer.privacy.pixels import fill_with_mean
from streamer.privacy.policy import CameraPrivacy
from streamer.shapes import Points
from streamer.stages import FrameSource
from streamer.types import Frame, Picture


class PrivatePicture:
    """types.Picture for those who look for things in it; for those who show it, see Screen."""

    def __init__(self, inner: Picture, policy: CameraPrivacy) -> None:
        self._inner, self.policy = inner, policy

    def rgb(self) -> NDArray[np.uint8]:
        """uint8 (H, W, 3), RGB, source size; without what the model is not to see."""
        rgb = self._inner.rgb()
        return _without(rgb, self.policy.masks) if self.policy.masks and self.policy.masks_model else rgb


class PrivateSource:
    """stages.FrameSource: the frames of another one, with what is private there."""

    def __init__(self, inner: FrameSource, policy: CameraPrivacy) -> None:
        self._inner, self._policy = inner, policy

    @property
    def camera(self) -> str:
        """The camera's id."""
        return self._inner.camera

    @property
    def demand_paced(self) -> bool:
        """As the inner one's."""
        return self._inner.demand_paced

    def frames(self) -> Iterator[Frame]:
        """Its frames."""
        for frame in self._inner.frames():
            yield private(frame, self._policy)

    def close(self) -> None:
        """Ask frames() to end soon."""
        self._inner.close()


def private(frame: Frame, policy: CameraPrivacy) -> Frame:
    """The frame, with what is private in it."""
    picture = PrivatePicture(frame.picture, policy)
    if policy.masks and policy.masks_model:
        # What lies on a device lies there unmasked.
        return replace(frame, image=_without(frame.image, policy.masks), picture=picture, on_device=None)
    return replace(frame, picture=picture)


def _without(rgb: NDArray[np.uint8], masks: tuple[Points, ...]) -> NDArray[np.uint8]:
    masked = np.array(rgb, np.uint8, order="C")
    fill_with_mean(masked, masks)
    return masked
