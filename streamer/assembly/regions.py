"""The detector as each camera of the configuration wants it asked: wrapped around the one model, off by default.

From the inside out: regions (which pictures the model sees), a second look (at what it found), easy frames (which of
all this is not needed). A batch stays one call of the model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from streamer.config import Config
from streamer.config.model import DetectConfig, SecondLookConfig
from streamer.detect.classifier import Classifier, open_classifier
from streamer.detect.easy import EasyFrames, EasyLimits
from streamer.detect.regions import Look, MergeLimits, MotionCrops, RegionDetector, Tiles
from streamer.detect.second_look import SecondLook, SecondLooks
from streamer.fit import InputFit
from streamer.model_signature import PublicKey
from streamer.stages import Detector, nothing
from streamer.types import Detections, Frame
from streamer.zoo import find_model


def looking(config: Config, detector: Detector) -> Detector:
    """The detector itself where no camera wants more or less of it. Raises ArtifactError, ConfigError."""
    asked = {name: camera.detect for name, camera in config.cameras.items()}
    looks = {name: look for name, each in asked.items() if (look := _look(each, detector)) is not None}
    if looks:
        detector = RegionDetector(detector, looks)
    if again := _second_looks(asked, config.model.keys):
        detector = SecondLooks(detector, again)
    limits = {name: limit for name, each in asked.items() if (limit := _limits(each)) is not None}
    return EasyFrames(detector, limits) if limits else detector


def is_one_by_one(asked: DetectConfig) -> bool:
    """Whether its looks remember what the last frame showed: two frames of such a camera at once would be chance."""
    return asked.regions == "motion" or asked.skip_easy is not None


@dataclass(frozen=True, slots=True)
class Looks:
    """How one camera wants the detector asked; folder: of the classifier that looks again."""

    look: Look | None = None
    again: SecondLook | None = None
    limits: EasyLimits | None = None
    folder: Path | None = None

    @property
    def is_plain(self) -> bool:
        """One look at the whole picture."""
        return self.look is None and self.again is None and self.limits is None


class Looking:
    """A stages.Detector: the one model, asked as each camera wants it, which may change while others are looked at.

    trusted: who may have signed what looks again; with none it need not be signed.
    """

    def __init__(self, detector: Detector, trusted: Sequence[PublicKey] = ()) -> None:
        self._plain, self._trusted = detector, trusted
        self._regions = RegionDetector(detector, {})
        self._again = SecondLooks(self._regions, {})
        self._easy = EasyFrames(self._again, {})
        self._special: dict[str, Looks] = {}
        self.labels: tuple[str, ...] = detector.labels
        self.input_fit: InputFit = detector.input_fit

    def looks(self, asked: DetectConfig) -> Looks:
        """What it takes, opened. Raises ArtifactError, ConfigError."""
        opened = {each.folder: each.again.classifier for each in self._special.values() if each.folder and each.again}
        again, folder = None, None
        if asked.second_look:
            folder = find_model(asked.second_look.model, kind="classifier")
            again = _second_look(asked.second_look, folder, opened, self._trusted)
        return Looks(_look(asked, self._plain), again, _limits(asked), folder)

    def take(self, camera: str, looks: Looks) -> None:
        """From now on this camera is looked at so; while none of its frames is on its way."""
        self._regions.look(camera, looks.look)
        self._again.look(camera, looks.again)
        self._easy.limit(camera, looks.limits)
        others = {name: each for name, each in self._special.items() if name != camera}
        self._special = others if looks.is_plain else {**others, camera: looks}

    def forget(self, camera: str) -> None:
        """The camera is gone."""
        self.take(camera, Looks())

    def detect(self, frames: Sequence[Frame], before_run: Callable[[], None] = nothing) -> list[Detections]:
        """One Detections per frame, boxes in source pixels; before_run: see stages.Detector. Raises InferenceError."""
        return (self._easy if self._special else self._plain).detect(frames, before_run)


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


def _limits(asked: DetectConfig) -> EasyLimits | None:
    easy = asked.skip_easy
    return None if easy is None else EasyLimits(longest_s=easy.longest_s, follow=easy.frames == "followed")


def _second_looks(asked: dict[str, DetectConfig], trusted: Sequence[PublicKey]) -> dict[str, SecondLook]:
    opened: dict[Path, Classifier] = {}
    return {
        name: _second_look(each.second_look, find_model(each.second_look.model, kind="classifier"), opened, trusted)
        for name, each in asked.items()
        if each.second_look
    }


def _second_look(
    asked: SecondLookConfig, folder: Path, opened: dict[Path, Classifier], trusted: Sequence[PublicKey]
) -> SecondLook:
    if folder not in opened:
        opened[folder] = open_classifier(folder, trusted)
    return SecondLook(opened[folder], frozenset(asked.labels), asked.below)
