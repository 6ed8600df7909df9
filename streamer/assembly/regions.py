"""The detector as each camera of the configuration wants it asked: wrapped around the one model, off by default.

From the inside out: regions (which pictures the model sees), a second look (at what it found), easy frames (which of
all this is not needed). A batch stays one call of the model.
"""

from __future__ import annotations

from pathlib import Path

from streamer.config import Config
from streamer.config.model import DetectConfig
from streamer.detect.classifier import Classifier, open_classifier
from streamer.detect.easy import EasyFrames, EasyLimits
from streamer.detect.regions import Look, MergeLimits, MotionCrops, RegionDetector, Tiles
from streamer.detect.second_look import SecondLook, SecondLooks
from streamer.stages import Detector
from streamer.zoo import find_model


def looking(config: Config, detector: Detector) -> Detector:
    """The detector itself where no camera wants more or less of it. Raises ArtifactError, ConfigError."""
    asked = {name: camera.detect for name, camera in config.cameras.items()}
    looks = {name: look for name, each in asked.items() if (look := _look(each, detector)) is not None}
    if looks:
        detector = RegionDetector(detector, looks)
    if again := _second_looks(asked):
        detector = SecondLooks(detector, again)
    limits = {
        name: EasyLimits(longest_s=each.skip_easy.longest_s, follow=each.skip_easy.frames == "followed")
        for name, each in asked.items()
        if each.skip_easy
    }
    return EasyFrames(detector, limits) if limits else detector


def one_by_one(config: Config) -> frozenset[str]:
    """Cameras whose looks remember what the last frame showed: two of their frames at once would be chance."""
    return frozenset(
        name
        for name, camera in config.cameras.items()
        if camera.detect.regions == "motion" or camera.detect.skip_easy is not None
    )


def _look(asked: DetectConfig, detector: Detector) -> Look | None:
    limits = MergeLimits()
    match asked.regions:
        case "tiles":
            rows, columns = asked.tiles
            return Tiles(detector.labels, detector.input_fit, rows, columns, asked.overlap, limits)
        case "motion":
            return MotionCrops(detector.labels, detector.input_fit, asked.whole_every_s, limits)
        case "whole":
            return None


def _second_looks(asked: dict[str, DetectConfig]) -> dict[str, SecondLook]:
    opened: dict[Path, Classifier] = {}
    looks = {}
    for name, each in asked.items():
        if each.second_look:
            folder = find_model(each.second_look.model, kind="classifier")
            if folder not in opened:
                opened[folder] = open_classifier(folder)
            looks[name] = SecondLook(opened[folder], frozenset(each.second_look.labels), each.second_look.below)
    return looks
