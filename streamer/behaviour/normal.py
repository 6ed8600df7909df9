"""What is normal at one camera, as the running models ask for it: made of its calibration and its budget."""

from __future__ import annotations

from streamer.behaviour.calibration_store import Calibration
from streamer.behaviour.conformal import Yardstick, too_little
from streamer.behaviour.drift import DriftWatch, alarm_every
from streamer.behaviour.life import Life
from streamer.behaviour.unusual import Unusual
from streamer.errors import ConfigError


class CameraNormal:
    """Yardsticks for tracks and for the whole picture (None where there is nothing to compare), words, and drift.

    Raises ConfigError where the footage was too short for the smallest budget that will be asked of it.
    """

    def __init__(self, calibration: Calibration, features: tuple[str, ...], *, false_alerts_per_day: float) -> None:
        if missing := too_little(calibration.seconds, false_alerts_per_day):
            raise ConfigError([f"camera '{calibration.camera}': {missing}; run `streamer calibrate` on more footage"])
        tracks, scene = calibration.normal_tracks, calibration.normal_scene
        self.camera = calibration.camera
        self.tracks = Yardstick(tracks, false_alerts_per_day) if tracks.count else None
        self.scene = Yardstick(scene, false_alerts_per_day) if scene.count else None
        self.words = Unusual(features, calibration.usual, here=True)
        self.drift = DriftWatch(self.tracks.parts if self.tracks else {}, alarm_every(tracks.per_day))

    def take(self, life: Life) -> None:
        """A track has ended: does it still look like the calibrated ones?"""
        if life.of == "track" and self.tracks:
            self.drift.add(life.peak, self.tracks.block(life.hour))
