"""Following objects from frame to frame."""

from streamer.track.kalman import BoxMotion
from streamer.track.settings import TrackerSettings
from streamer.track.tracker import KalmanTracker

__all__ = ["BoxMotion", "KalmanTracker", "TrackerSettings"]
