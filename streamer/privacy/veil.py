"""What of one picture must not be seen, and the picture without it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from streamer.privacy.areas import EVERYWHERE, NOWHERE, Areas, swept
from streamer.privacy.pixels import black_out, pixelate
from streamer.privacy.policy import Strength
from streamer.shapes import Points


@dataclass(frozen=True, slots=True, eq=False)
class Veil:
    """masks are blackened, areas are pixelated. redacts: people are hidden here, whether or not one is there now."""

    masks: tuple[Points, ...] = ()
    areas: Areas = NOWHERE
    strength: Strength = "strong"
    redacts: bool = False

    def __bool__(self) -> bool:
        return bool(self.masks) or len(self.areas) > 0

    def over(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A picture without what is hidden, uint8 (H, W, 3); the very picture where that is nothing."""
        if not self:
            return rgb
        veiled = np.array(rgb, np.uint8, order="C")
        black_out(veiled, self.masks)  # first, so that no cell holds a mean of what is under a mask
        if len(self.areas):
            pixelate(veiled, self.areas.boxes, self.strength)
            black_out(veiled, self.masks)
        return veiled

    def until(self, after: Veil) -> Veil:
        """For pictures between this one and a later one."""
        return replace(self, areas=swept(self.areas, after.areas))

    @property
    def everywhere(self) -> Veil:
        """Over a picture of which nobody knows what it shows."""
        return replace(self, areas=EVERYWHERE, redacts=True)

    @property
    def unknowing(self) -> Veil:
        """Over a picture of the same camera in which nobody was looked for."""
        return self.everywhere if self.redacts else self


NO_VEIL = Veil()
