"""The camera has lost its focus: dirt, water or a spider's web on the lens, or a lens that was turned."""

from __future__ import annotations

import math

import cv2

from streamer.rules.glance import Glance, Look
from streamer.types import Evidence, Frame, Tracks

FAINTEST_CONTRAST = 6.0  # below it there is nothing to be sharp about: that is camera.dark's business
LAPLACIAN_NOISE_GAIN = 20.0  # variance of [0 1 0; 1 −4 1; 0 1 0] over white noise of variance 1


class BlurredRule:
    """Holds while the picture is much less sharp than this camera's own pictures usually are.

    Sharpness is the variance of the Laplacian (Pech-Pacheco et al., ICPR 2000), less what noise adds to it, relative
    to the picture's own contrast: dusk takes both down together. Blurred means below min_share of the running
    baseline for blurred_after_s. The baseline is learned over learn_s before anything is judged, follows slow change
    and stands still while the picture is blurred, for relearn_s at most: then this is how the camera sees.
    """

    kind = "camera.blurred"

    def __init__(
        self,
        *,
        name: str = kind,
        blurred_after_s: float = 10.0,
        min_share: float = 0.35,
        learn_s: float = 10.0,
        memory_s: float = 300.0,
        relearn_s: float = 3600.0,
        glance: Glance | None = None,
    ) -> None:
        if not 0 < min_share < 1:
            raise ValueError(f"min_share: between 0 and 1; got {min_share:g}")
        self.name = name
        self._after_s, self._min_share, self._learn_s = blurred_after_s, min_share, learn_s
        self._memory_s, self._relearn_s = memory_s, relearn_s
        self._glance = glance if glance is not None else Glance()
        self._baseline: float | None = None  # logarithm: sharpness is a matter of factors
        self._learned_s = 0.0
        self._last_s: float | None = None
        self._blurred_since_s: float | None = None
        self._share = 1.0
        self.settings: dict[str, object] = {
            "blurred_after_s": blurred_after_s,
            "min_share": min_share,
            "learn_s": learn_s,
            "memory_s": memory_s,
            "relearn_s": relearn_s,
        }

    def judge(self, frame: Frame, tracks: Tracks) -> list[Evidence]:  # noqa: ARG002  the picture alone decides
        """Evidence against the camera while it is out of focus."""
        if (look := self._glance.at(frame)) is not None:
            self._weigh(look)
        since = self._blurred_since_s
        if since is None or frame.media_s - since < self._after_s:
            return []
        text = f"the camera is out of focus: {self._share:.0%} of its usual sharpness (limit {self._min_share:.0%})"
        return [Evidence(subject="camera", text=text, measures={"sharpness_share": (self._share, self._min_share)})]

    def reset(self) -> None:
        """A new session begins. The baseline stays: a blurred camera must not become a sharp one by reconnecting."""
        self._blurred_since_s = self._last_s = None
        self._glance.reset()

    def _weigh(self, look: Look) -> None:
        elapsed_s = look.media_s - self._last_s if self._last_s is not None else 0.0
        self._last_s = look.media_s
        if look.contrast < FAINTEST_CONTRAST or (sharpness := _log_sharpness(look)) is None:
            self._blurred_since_s = None
            return
        if self._baseline is None:
            self._baseline = sharpness
        self._share = math.exp(min(0.0, sharpness - self._baseline))
        ease = 1.0 if self._blurred_since_s is None else 1.25
        is_blurred = self._learned_s >= self._learn_s and self._share < self._min_share * ease
        if is_blurred:
            since = self._blurred_since_s = look.media_s if self._blurred_since_s is None else self._blurred_since_s
            if look.media_s - since >= self._relearn_s:
                self._baseline, self._blurred_since_s = sharpness, None
            return
        self._blurred_since_s = None
        self._learned_s += elapsed_s
        # While young the baseline is a plain mean, later it forgets over memory_s.
        pace_s = min(self._memory_s, max(self._learned_s, elapsed_s))
        self._baseline += (sharpness - self._baseline) * (elapsed_s / pace_s if pace_s > 0 else 0.0)


def _log_sharpness(look: Look) -> float | None:
    """The logarithm of the noise-free Laplacian variance over the noise-free variance; None where noise is all."""
    texture = float(cv2.Laplacian(look.grey, cv2.CV_32F).var())
    noise = look.noise * look.noise
    variance = look.contrast * look.contrast - noise
    if variance <= 0:
        return None
    # What is left after the noise is known to about a tenth of the noise's own part, no better.
    return math.log(max(texture - LAPLACIAN_NOISE_GAIN * noise, 0.1 * LAPLACIAN_NOISE_GAIN * noise, 1.0) / variance)
