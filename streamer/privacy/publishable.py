"""Pictures that may leave the process. Nothing but this room makes one, and the encoders take nothing else."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.errors import PrivacyError
from streamer.privacy.veil import Veil
from streamer.types import Frame, Picture

Rgb = NDArray[np.uint8]
_SEAL = object()


class Publishable:
    """A picture without what is private: uint8 (H, W, 3), RGB. publishable() and small_publishable() make them."""

    __slots__ = ("_rgb",)

    def __init__(self, rgb: Rgb, seal: object) -> None:
        if seal is not _SEAL:
            raise PrivacyError(
                "a picture for others is made by streamer.privacy only, out of a frame that was screened"
            )
        self._rgb = rgb

    @property
    def rgb(self) -> Rgb:
        """Its pixels, not to be written to."""
        return self._rgb

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self._rgb.shape[1], self._rgb.shape[0]

    def resized(self, size_wh: tuple[int, int]) -> Publishable:
        """Another, of this size; itself where it has it."""
        if size_wh == self.size_wh:
            return self
        larger = size_wh[1] > self.size_wh[1]
        made = cv2.resize(self._rgb, size_wh, interpolation=cv2.INTER_CUBIC if larger else cv2.INTER_AREA)
        return Publishable(np.ascontiguousarray(made, np.uint8), _SEAL)

    def drawn(self, draw: Callable[[Rgb], Rgb | None]) -> Publishable:
        """Another, with something drawn over it: draw gets a copy, and returns what becomes of it if not that."""
        rgb = np.array(self._rgb, np.uint8, order="C")
        return Publishable(_first(draw(rgb), rgb), _SEAL)


class VeiledPicture:
    """types.Picture of a frame that was screened: whoever asks for pixels gets them veiled.

    small: what Frame.image is beside it.
    """

    def __init__(self, inner: Picture, veil: Veil, small: Rgb) -> None:
        self._inner, self.veil, self.small = inner, veil, small

    def rgb(self) -> Rgb:
        """uint8 (H, W, 3), RGB, source size, without what is hidden."""
        return self.veil.over(self._inner.rgb())


def publishable(picture: Picture) -> Publishable:
    """The picture of a screened frame at full size. Raises PrivacyError for any other."""
    return Publishable(_screened(picture).rgb(), _SEAL)


def small_publishable(frame: Frame) -> Publishable:
    """The picture at which the model looked. Raises PrivacyError for a frame that was not screened."""
    if _screened(frame.picture).small is not frame.image:
        raise PrivacyError(f"camera {frame.camera!r}: the small picture of a frame is not the one that was screened")
    return Publishable(frame.image, _SEAL)


def veil_of(frame: Frame) -> Veil:
    """What is hidden of a screened frame. Raises PrivacyError for any other."""
    return _screened(frame.picture).veil


def veiled(picture: Picture, veil: Veil) -> Publishable:
    """Any picture under a veil that was made for it."""
    return Publishable(veil.over(picture.rgb()), _SEAL)


def _screened(picture: Picture) -> VeiledPicture:
    if not isinstance(picture, VeiledPicture):
        raise PrivacyError("this picture did not pass privacy.Screen, which sees to it that nothing private is shown")
    return picture


def _first(one: Rgb | None, other: Rgb) -> Rgb:
    return other if one is None else one
