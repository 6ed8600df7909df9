"""The capture room: one camera or recording in, frames to analyse out.

connection → packets → gate → decoder → timeline → rate → conversion → Frame
"""

from streamer.capture.address import is_live
from streamer.capture.gate import DecodeMode
from streamer.capture.options import CameraOptions, Pace, default_pace
from streamer.capture.source import CameraSource

__all__ = ["CameraOptions", "CameraSource", "DecodeMode", "Pace", "default_pace", "is_live"]
