"""The gate that every analysed frame passes before anybody is shown it: private pixels are gone behind it.

It stands in front of all sinks. What they get is a frame whose pictures, small and full-size, are veiled, and they can
ask for no others.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from streamer.privacy.areas import NOWHERE, Lingering, found
from streamer.privacy.policy import CameraPrivacy
from streamer.privacy.publishable import VeiledPicture
from streamer.privacy.source import PrivatePicture
from streamer.privacy.veil import NO_VEIL, Veil
from streamer.stages import Sink
from streamer.types import AlertChange, FrameResult

_log = logging.getLogger("streamer.privacy")

OnVeil = Callable[[str, float, Veil], None]


class Screen:
    """screened() from one thread at a time, in the order of each camera's frames; told() from any.

    A frame that does not say what is private in it (see PrivateSource) is veiled as a whole: better nothing is seen
    than too much. on_veil is told (camera, captured_at, veil) of every frame of a camera that hides something.
    """

    def __init__(self, on_veil: OnVeil = lambda *_: None) -> None:
        self._cameras: dict[str, _Camera] = {}
        self._on_veil = on_veil
        self._blamed: set[str] = set()

    def screened(self, result: FrameResult) -> FrameResult:
        """The same result with pictures that may be shown."""
        frame = result.frame
        veil = self._veil(result)
        image = veil.over(frame.image)
        picture = VeiledPicture(frame.picture, veil, image)
        if veil.masks or veil.redacts:
            self._on_veil(frame.camera, frame.captured_at, veil)
        return replace(
            result,
            frame=replace(frame, image=image, picture=picture, on_device=None),
            changes=tuple(self.told(change) for change in result.changes),
        )

    def told(self, change: AlertChange) -> AlertChange:
        """An alert as it may be told: small pictures in it that nobody can veil any more are left out."""
        known = self._cameras.get(change.camera)
        return known.told(change) if known else replace(change, strip=())

    def forget(self, camera: str) -> None:
        """The camera is gone."""
        self._cameras.pop(camera, None)

    def _veil(self, result: FrameResult) -> Veil:
        frame = result.frame
        if not isinstance(frame.picture, PrivatePicture):
            if frame.camera not in self._blamed:
                self._blamed.add(frame.camera)
                _log.error("camera %r: nobody said what is private there; its pictures are hidden", frame.camera)
            self._cameras.pop(frame.camera, None)
            return NO_VEIL.everywhere
        known = self._cameras.get(frame.camera)
        if known is None or known.policy is not frame.picture.policy:
            known = self._cameras[frame.camera] = _Camera(frame.picture.policy)
        return known.veil(result)


class _Camera:
    """What is private at one camera, and who was seen there a moment ago."""

    def __init__(self, policy: CameraPrivacy) -> None:
        self.policy = policy
        self._lingering = Lingering(policy.linger_s)
        # The small pictures of what led to an alert are older than anything that is known of this frame.
        self._keeps_strips = policy.redact == "none" and (policy.masks_model or not policy.masks)

    def veil(self, result: FrameResult) -> Veil:
        """What is hidden of its next frame."""
        policy, frame = self.policy, result.frame
        if not policy.hides:
            return NO_VEIL
        areas = NOWHERE
        if policy.redact != "none":
            areas = self._lingering.with_(found(result, policy), frame.session, frame.media_s)
        return Veil(policy.masks, areas, policy.strength, policy.redact != "none")

    def told(self, change: AlertChange) -> AlertChange:
        """See Screen.told."""
        if self.policy.no_clip:
            change = replace(change, reason={**change.reason, "no_clip": self.policy.no_clip})
        return replace(change, strip=()) if change.strip and not self._keeps_strips else change


class Screened:
    """stages.Sink: shows an inner sink everything through the screen."""

    def __init__(self, inner: Sink, screen: Screen) -> None:
        self._inner, self._screen = inner, screen

    def publish(self, result: FrameResult) -> None:
        """Pass the result on, screened."""
        self._inner.publish(self._screen.screened(result))

    def announce(self, changes: Sequence[AlertChange]) -> None:
        """Pass changes without a frame on."""
        self._inner.announce([self._screen.told(change) for change in changes])

    def close(self) -> None:
        """Close the inner sink."""
        self._inner.close()
