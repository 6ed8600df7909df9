"""Looking at parts of a picture: tiles for what is small, crops of what moves; each a way to ask any detector more."""

from streamer.detect.regions.asking import Look, Plan, RegionDetector
from streamer.detect.regions.merging import MergeLimits
from streamer.detect.regions.motion import MotionCrops
from streamer.detect.regions.tiles import Tiles

__all__ = ["Look", "MergeLimits", "MotionCrops", "Plan", "RegionDetector", "Tiles"]
