"""What is private at one camera."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from streamer.shapes import Points

Redact = Literal["none", "heads", "boxes"]
Strength = Literal["mild", "strong", "solid"]

LEAST_SCORE = 0.1
"""The tracker's floor (TrackerSettings.low_score): what is taken for a box at all is hidden, believed or not."""


@dataclass(frozen=True, slots=True)
class CameraPrivacy:
    """masks: normalised polygons whose pixels nobody is shown. redact: what of everybody else is made unrecognisable.

    labels        whose boxes; of those that are no persons always the whole box
    least_score   boxes of this score and more, believed or not
    linger_s      so long a place stays hidden after the last box there: detectors blink
    masks_model   the model does not see what is under the masks either
    no_clip       why alerts of this camera have no clip, which each of them says; None: that is no matter of privacy
    """

    masks: tuple[Points, ...] = ()
    redact: Redact = "none"
    labels: frozenset[str] = frozenset({"person"})
    strength: Strength = "strong"
    least_score: float = LEAST_SCORE
    linger_s: float = 1.0
    masks_model: bool = True
    no_clip: str | None = None

    @property
    def hides(self) -> bool:
        """Whether there is anything that is not to be seen."""
        return bool(self.masks) or self.redact != "none"


OPEN = CameraPrivacy()
"""A camera that hides nothing."""
