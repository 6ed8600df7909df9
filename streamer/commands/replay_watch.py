"""A camera of a configuration with its model open, through whose rules any number of videos can be sent."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from streamer.alerts.drawing import Points
from streamer.assembly.behaviour import check_behaviour, open_behaviour
from streamer.assembly.camera import build_pipeline, build_recording
from streamer.assembly.labels import check_labels
from streamer.assembly.model import open_detector
from streamer.assembly.privacy import check_privacy
from streamer.assembly.regions import looking
from streamer.assembly.rules import policies
from streamer.config import CameraConfig, Config, load_config
from streamer.detect import OnnxDetector
from streamer.errors import ConfigError
from streamer.expectations.load import Vocabulary
from streamer.expectations.seen import ENDED
from streamer.pipeline import CameraPipeline, analyse, replay
from streamer.privacy.screen import Screen, Screened
from streamer.stages import BehaviourModel, FrameSource, Sink
from streamer.types import AlertChange, FrameResult

_EYES = (
    *("analyse_fps", "decode", "look_every_s", "keep_alive_s", "sleep_after_s", "motion_masks", "detect", "tracking"),
    "privacy",
)


@dataclass(frozen=True, slots=True)
class Watch:
    """One camera: its name, its settings, and the configuration with it alone."""

    name: str
    camera: CameraConfig
    config: Config
    detector: OnnxDetector

    def replay(self, video: Path, *sinks: Sink) -> None:
        """Every chosen frame of a video through the camera's rules. Raises SourceError where it cannot be read."""
        pipeline, behaviour = self._minds()
        source = build_recording(self.name, self.camera, video, self.detector)
        replay(source, looking(self.config, self.detector), pipeline, _shown_to(sinks), behaviour)

    def replay_beside(self, other: Watch, video: Path, sinks: Sequence[Sink], others_sinks: Sequence[Sink]) -> None:
        """As replay() of both, where they see the same: every frame is decoded and detected once."""
        detector = looking(self.config, self.detector)
        watchers = [(*self._minds(), _shown_to(sinks)), (*other._minds(), _shown_to(others_sinks))]
        for frame in build_recording(self.name, self.camera, video, self.detector).frames():
            [detections] = detector.detect([frame])
            for pipeline, behaviour, sink in watchers:
                for result in analyse([(pipeline, frame, detections)], behaviour):
                    sink.publish(result)
        for pipeline, _, sink in watchers:
            sink.announce(pipeline.finish(ENDED))

    def sees_the_same(self, other: Watch) -> bool:
        """Whether nothing but rules and their places differs: then tracks have the same ids."""
        if self.name != other.name or self.config.model != other.config.model:
            return False
        if self.detector.model_hash != other.detector.model_hash:
            return False
        return all(getattr(self.camera, key) == getattr(other.camera, key) for key in _EYES)

    def _minds(self) -> tuple[CameraPipeline, BehaviourModel | None]:
        pipeline = build_pipeline(self.name, self.camera, self.config, self.detector)
        return pipeline, open_behaviour(self.config, self.detector, everywhere=True)  # nobody waits: tell all there is

    def every_frame(self, video: Path) -> FrameSource:
        """The same video with the same times, and every frame of it."""
        whole = {"analyse_fps": None, "decode": "always", "look_every_s": 0.0}
        return build_recording(self.name, self.camera.model_copy(update=whole), video, self.detector)

    @property
    def vocabulary(self) -> Vocabulary:
        """What its alerts may be called."""
        own = policies(self.camera).keys() - {rule.name for rule in self.camera.rules}
        kinds = {rule.kind for rule in self.camera.rules} | own
        return Vocabulary(sorted(policies(self.camera)), sorted(kinds), sorted(self.places))

    @property
    def places(self) -> dict[str, tuple[Points, bool]]:
        """Zone or line → its points, and whether they close."""
        zones: dict[str, tuple[Points, bool]] = {name: (points, True) for name, points in self.camera.zones.items()}
        return zones | {name: (points, False) for name, points in self.camera.lines.items()}


class Equipment:
    """A configuration with its model open, and `--analyse-fps` in the place of what its cameras say."""

    def __init__(self, config: Config, origin: str, args: argparse.Namespace) -> None:
        self._config, self._origin, self._args = config, origin, args
        self._detector = open_detector(config.model, args.model)

    def watch(self, camera: str | None, where: str = "--camera") -> Watch:
        """A camera, or the only one. `where` says in messages who asked for it. Raises ConfigError."""
        name = chosen(camera, self._config, self._origin, where)
        settings = self._config.cameras[name]
        if "analyse_fps" in self._args:
            settings = settings.model_copy(update={"analyse_fps": self._args.analyse_fps})
        alone = self._config.model_copy(update={"cameras": {name: settings}})
        check_labels(alone, self._detector, self._origin)
        check_privacy(alone, self._detector.labels, self._origin)
        check_behaviour(alone, self._origin)
        return Watch(name, settings, alone, self._detector)


def equipped(path: Path, args: argparse.Namespace) -> Equipment:
    """A configuration file, read and its model opened."""
    return Equipment(load_config(path), str(path), args)


def chosen(camera: str | None, config: Config, origin: str, where: str) -> str:
    """The name of the camera that is meant. Raises ConfigError where there is none, or which one is not said."""
    names = list(config.cameras)
    if camera and camera not in names:
        raise ConfigError([f"{where}: there is no camera '{camera}'; {origin} has {', '.join(names)}"])
    if not camera and len(names) > 1:
        raise ConfigError([f"{where}: {origin} has several cameras ({', '.join(names)}); say which"])
    return camera or names[0]


def there(video: Path, where: str = "") -> Path:
    """The video, which is a file. Raises ConfigError where it is none; `where` goes in front."""
    if not video.is_file():
        raise ConfigError([f"{where}{video}: there is no such file"])
    return video


def _shown_to(sinks: Sequence[Sink]) -> Sink:
    return Screened(_All(sinks), Screen())


class _All:
    """Several sinks as one."""

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self._sinks = tuple(sinks)

    def publish(self, result: FrameResult) -> None:
        for sink in self._sinks:
            sink.publish(result)

    def announce(self, changes: Sequence[AlertChange]) -> None:
        for sink in self._sinks:
            sink.announce(changes)

    def close(self) -> None:
        """They belong to whoever opened them."""


class Advance:
    """Shows how far the recording is (a stages.Sink that looks at nothing but the time)."""

    def __init__(self, progress: Progress, name: str) -> None:
        self._progress = progress
        self._task = progress.add_task(name, total=None, media="0:00")

    def __call__(self, media_s: float) -> None:
        self._progress.update(self._task, advance=1, media=f"{int(media_s) // 60}:{int(media_s) % 60:02d}")

    def publish(self, result: FrameResult) -> None:
        self(result.frame.media_s)

    def announce(self, changes: Sequence[AlertChange]) -> None:
        """No frame went by."""

    def close(self) -> None:
        """The display belongs to whoever opened it."""


@contextlib.contextmanager
def progress(name: str) -> Iterator[Advance]:
    """A line on the terminal, if there is one, while inside."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[media]} of footage,"),
        MofNCompleteColumn(),
        TextColumn("frames in"),
        TimeElapsedColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as shown:
        yield Advance(shown, name)
