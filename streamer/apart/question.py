"""What a capture node asks: pictures as the net sees them, and for how long an answer is worth something."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamer.fit import InputFit
from streamer.types import Frame

Pixels = NDArray[np.uint8]
NO_PIXELS: Pixels = np.zeros(0, np.uint8)


class PictureSize(NamedTuple):
    """content_wh: pixels as they are sent, see Frame.image; source_wh: of the picture that the camera sent."""

    content_wh: tuple[int, int]
    source_wh: tuple[int, int]

    @property
    def bytes(self) -> int:
        """So much of Question.pixels is this picture."""
        return self.content_wh[0] * self.content_wh[1] * 3


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """One batch of one node.

    left_s: how long an answer that arrives there is worth something, counted from when it is sent: clocks of two
    machines are never compared. inf: somebody waits for it, however long it takes.
    pixels: uint8 (bytes,), the pictures of `sizes` one behind the other, each (h, w, 3) RGB.
    features: whether types.PictureFeatures are wanted too, where the net gives them.
    """

    asked_by: str
    model_hash: str
    left_s: float
    sizes: tuple[PictureSize, ...]
    pixels: Pixels
    features: bool = True

    def pictures(self) -> list[Pixels]:
        """uint8 (h, w, 3) each, without a copy; problem() comes first."""
        found, at = [], 0
        for size in self.sizes:
            w, h = size.content_wh
            found.append(self.pixels[at : at + size.bytes].reshape(h, w, 3))
            at += size.bytes
        return found

    def problem(self, model_hash: str, input_fit: InputFit) -> str | None:
        """Why a model cannot be shown this, in a sentence; None where it can."""
        if self.model_hash != model_hash:
            return (
                f"{self.asked_by} asks for the model {self.model_hash[:12]}, and here is {model_hash[:12]}: "
                "the same model folder must lie on all nodes"
            )
        if self.pixels.ndim != 1 or self.pixels.dtype != np.uint8:
            return f"{self.asked_by} sent pixels of {self.pixels.dtype} {self.pixels.shape}, not bytes in a row"
        if (wanted := sum(size.bytes for size in self.sizes)) != len(self.pixels):
            return f"{self.asked_by} sent {len(self.pixels)} bytes of pixels; {len(self.sizes)} pictures need {wanted}"
        for size in self.sizes:
            if min(size.source_wh) < 1 or input_fit.of(size.source_wh).content_wh != size.content_wh:
                return f"{self.asked_by} sent a picture of {size.content_wh} for one of {size.source_wh}"
        return None

    def without_pixels(self) -> Question:
        """All the rest, which is small: what carries it may carry the pixels another way."""
        return replace(self, pixels=NO_PIXELS)

    def with_pixels(self, pixels: Pixels) -> Question:
        """Whole again."""
        return replace(self, pixels=pixels)


def question_of(frames: Sequence[Frame], asked_by: str, model_hash: str, left_s: float, features: bool) -> Question:
    """A batch as a question: one copy of its pixels."""
    sizes = tuple(PictureSize((f.image.shape[1], f.image.shape[0]), f.source_wh) for f in frames)
    pixels = np.concatenate([frame.image.reshape(-1) for frame in frames]) if frames else NO_PIXELS
    return Question(asked_by, model_hash, left_s, sizes, pixels, features)
