"""Live video of a configuration's cameras: which can be watched as they come, and what shows them."""

from __future__ import annotations

from dataclasses import replace

from streamer.assembly.camera import camera_options
from streamer.assembly.privacy import privacy_of
from streamer.clock import Clock
from streamer.config import CameraConfig
from streamer.footage.watched import WatchedTap
from streamer.live_video import LiveVideo
from streamer.surroundings import Surroundings


class LiveVideos:
    """One LiveVideo for each camera that is asked for, kept while the console is there."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._videos: dict[str, LiveVideo] = {}

    def get(self, name: str) -> LiveVideo | None:
        """The camera's; None where it has none."""
        return self._videos.get(name)

    def around(self, around: Surroundings, camera: CameraConfig) -> Surroundings:
        """A camera's surroundings with its video in them.

        None for a camera of which something is hidden, clips as they came or not: what is not made cannot be shown. And
        none for a recording that is read as fast as it is analysed: nobody could follow it.
        """
        name = around.ledger.camera
        if privacy_of(camera).hides or camera_options(name, camera).pace == "demand":
            self.forget(name)
            return around
        video = self._videos.setdefault(name, LiveVideo(self._clock.monotonic))
        return replace(around, video=video, tap=WatchedTap(name, video, around.tap))

    def forget(self, name: str) -> None:
        """The camera is gone, or may not be watched any more."""
        if (video := self._videos.pop(name, None)) is not None:
            video.close()

    def close(self) -> None:
        """The console ends."""
        for name in list(self._videos):
            self.forget(name)
