"""The camera sees nothing: covered, or the light is gone and its own lamp with it."""

from __future__ import annotations

from streamer.rules.glance import Glance
from streamer.types import Evidence, Frame, Tracks


class DarkRule:
    """Holds while the picture has been both dark and flat for dark_after_s.

    A night scene with one lamp in it is dark but not flat, and is none. Leaving needs a third more light or contrast
    than entering, so that dusk does not flicker.
    """

    kind = "camera.dark"

    def __init__(
        self,
        *,
        name: str = kind,
        dark_after_s: float = 5.0,
        max_mean: float = 24.0,
        max_contrast: float = 10.0,
        glance: Glance | None = None,
    ) -> None:
        self.name = name
        self._after_s, self._max_mean, self._max_contrast = dark_after_s, max_mean, max_contrast
        self._glance = glance if glance is not None else Glance()
        self._dark_since_s: float | None = None
        self._measured = (0.0, 0.0)
        self.settings: dict[str, object] = {
            "dark_after_s": dark_after_s,
            "max_mean": max_mean,
            "max_contrast": max_contrast,
        }

    def judge(self, frame: Frame, tracks: Tracks) -> list[Evidence]:  # noqa: ARG002  the picture alone decides
        """Evidence against the camera while it sees nothing."""
        if (look := self._glance.at(frame)) is not None:
            ease = 1.0 if self._dark_since_s is None else 4 / 3
            if look.mean <= self._max_mean * ease and look.contrast <= self._max_contrast * ease:
                self._dark_since_s = look.media_s if self._dark_since_s is None else self._dark_since_s
                self._measured = (look.mean, look.contrast)
            else:
                self._dark_since_s = None
        if self._dark_since_s is None or frame.media_s - self._dark_since_s < self._after_s:
            return []
        mean, contrast = self._measured
        text = f"the camera sees nothing: brightness {mean:.0f} of 255 (limit {self._max_mean:g}), hardly any contrast"
        measures = {"mean_grey": (mean, self._max_mean), "contrast_grey": (contrast, self._max_contrast)}
        return [Evidence(subject="camera", text=text, measures=measures)]

    def reset(self) -> None:
        """A new session begins."""
        self._dark_since_s = None
        self._glance.reset()
