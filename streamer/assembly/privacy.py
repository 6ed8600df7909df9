"""What is private at the cameras of a configuration, for those who show pictures."""

from __future__ import annotations

import logging

from streamer.config import CameraConfig, Config
from streamer.errors import ConfigError
from streamer.privacy.policy import CameraPrivacy
from streamer.privacy.source import PrivateSource
from streamer.stages import FrameSource

_log = logging.getLogger("streamer.assembly")

_NO_CLIP = "footage of this camera is not kept: it would show what 'privacy' hides"


def privacy_of(camera: CameraConfig) -> CameraPrivacy:
    """What is private at a camera."""
    told = camera.privacy
    return CameraPrivacy(
        masks=tuple(tuple(points) for points in told.masks),
        redact=told.redact,
        labels=frozenset(told.labels),
        strength=told.strength,
        least_score=told.least_score,
        linger_s=told.linger_s,
        masks_model=not told.detect_behind_masks,
        no_clip=_NO_CLIP if told.hides and told.clips == "none" and camera.clips is not None else None,
    )


def private(source: FrameSource, camera: CameraConfig) -> FrameSource:
    """The camera's frames with what is private in them; without it, what they show is never seen by anybody."""
    return PrivateSource(source, privacy_of(camera))


def raw_pictures_allowed(camera: CameraConfig) -> bool:
    """Whether packets of it may be shown, cut out and kept as they came."""
    return not privacy_of(camera).hides or camera.privacy.clips == "raw"


def redacts_clips(camera: CameraConfig) -> bool:
    """Whether its clips are made of pictures without what is private."""
    return camera.privacy.hides and camera.privacy.clips == "redacted"


def check_privacy(config: Config, labels: tuple[str, ...], origin: str) -> None:
    """Raises ConfigError where the model cannot find whom it is to hide; `origin` names the configuration.

    Warns of cameras whose footage shows everything.
    """
    problems = [
        f"{origin}: cameras.{name}.privacy.labels: the model knows no '{label}', so it could not be hidden; it knows "
        f"{', '.join(labels)}"
        for name, camera in config.cameras.items()
        if camera.privacy.redact != "none"
        for label in camera.privacy.labels
        if label not in labels
    ]
    if problems:
        raise ConfigError(problems)
    for name, camera in config.cameras.items():
        if camera.privacy.hides and camera.privacy.clips == "raw":
            _log.warning("camera %r: clips and recordings show what 'privacy' hides elsewhere ('clips: raw')", name)
