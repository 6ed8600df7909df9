"""The capture room: one camera or recording in, frames to analyse out.

connection → packets → (place for the gate) → decoder → timeline → rate → conversion → Frame
"""

from streamer.capture.address import is_live
from streamer.capture.options import CameraOptions, Pace, default_pace
from streamer.capture.source import CameraSource

__all__ = ["CameraOptions", "CameraSource", "Pace", "default_pace", "is_live"]
