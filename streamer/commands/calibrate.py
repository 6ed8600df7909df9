"""`streamer calibrate`: learns what is normal at one camera, so that what is not can be told at a stated price."""

from __future__ import annotations

import argparse
import contextlib
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from streamer.assembly.behaviour import FALSE_ALERTS_PER_DAY, open_learners
from streamer.assembly.camera import build_pipeline, build_recording, build_source
from streamer.assembly.model import open_detector
from streamer.assembly.regions import looking
from streamer.behaviour.calibration_store import Calibration, check_place, save_calibration
from streamer.behaviour.conformal import shown_budget, spoken, too_little
from streamer.behaviour.learner import Learner
from streamer.behaviour.motion import MOTION
from streamer.clock import SystemClock
from streamer.config import CameraConfig, Config, load_config
from streamer.config.model import Anomaly, TroubleConfig
from streamer.detect import OnnxDetector
from streamer.errors import ConfigError
from streamer.pipeline import replay
from streamer.stages import FrameSource
from streamer.surroundings import Surroundings
from streamer.types import AlertChange, FrameResult

_UNITS_S = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_NO_TROUBLE = TroubleConfig(
    offline_after_s=None,
    frozen_after_s=None,
    dark_after_s=None,
    blurred_after_s=None,
    moved_after_s=None,
    clock_skew_s=None,
)

Advance = Callable[[str, float], None]


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Put this command beside the others."""
    parser = commands.add_parser(
        "calibrate",
        help="learn what is normal at a camera, so that behaviour.anomaly can tell what is not",
        description="Watch footage of a camera on which nothing happens that should raise an alert, and keep how "
        "normal tracks move there. From then on behaviour.anomaly raises no more false alerts a day than it may, "
        "as long as what moves stays like this footage. Footage that is too short for that is refused, with what is "
        "missing; the last calibration is then kept.",
    )
    parser.add_argument("--camera", required=True, help="which camera of the configuration")
    parser.add_argument("--config", type=Path, required=True, help="the YAML file")
    footage = parser.add_mutually_exclusive_group(required=True)
    footage.add_argument(
        "--from",
        type=Path,
        action="append",
        dest="videos",
        metavar="VIDEO",
        help="a recording; may be given repeatedly",
    )
    footage.add_argument(
        "--live", type=duration_s, metavar="24h", help="so long of the camera itself: 90s, 30m, 24h, 2d"
    )
    parser.add_argument(
        "--false-alerts-per-day",
        type=_budget,
        metavar="N",
        help=f"the budget that the footage must do for (default: the strictest of the camera's rules, "
        f"or {FALSE_ALERTS_PER_DAY:g})",
    )
    parser.set_defaults(handler=_calibrate)


def duration_s(text: str) -> float:
    """90s, 30m, 1.5h, 2d → seconds."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text)
    if not match or not float(match[1]) > 0:
        raise argparse.ArgumentTypeError(f"should be a duration such as 90s, 30m, 24h or 2d; got '{text}'")
    return float(match[1]) * _UNITS_S[match[2]]


def _budget(text: str) -> float:
    try:
        budget = float(text)
    except ValueError:
        budget = 0.0
    if not 0 < budget < float("inf"):
        raise argparse.ArgumentTypeError(f"should be a number of false alerts a day, more than 0; got '{text}'")
    return budget


def _calibrate(args: argparse.Namespace) -> int:
    config = load_config(args.config)
    name, camera = args.camera, config.cameras.get(args.camera)
    if camera is None:
        known = ", ".join(config.cameras)
        raise ConfigError([f"--camera: there is no camera '{name}'; {args.config} has {known}"])
    if missing := [video for video in args.videos or () if not video.is_file()]:
        raise ConfigError([_missing(video) for video in missing])
    budget = args.false_alerts_per_day or strictest_budget(camera)
    if args.live and (problem := too_little(args.live, budget)):
        raise ConfigError([f"--live: {problem}"])  # before a day is spent on it
    check_place(config.data_dir, name)  # for the same reason
    detector = open_detector(config.model)
    calibration = _learn(name, camera, config, detector, args.videos, args.live)
    tracks = calibration.normal_tracks.count
    if problem := too_little(calibration.seconds, budget):
        raise ConfigError([f"camera '{name}': {problem}. Nothing was stored"])
    if not tracks:
        raise ConfigError([f"camera '{name}': nobody was followed long enough to say how. Nothing was stored"])
    path = save_calibration(calibration, config.data_dir)
    least = shown_budget(calibration.seconds)
    print(
        f"{path}: {tracks} tracks in {spoken(calibration.seconds)} of footage "
        f"({calibration.normal_tracks.per_day:.0f} a day); it can hold {least} or more "
        "false alerts a day"
    )
    return 0


def _missing(video: Path) -> str:
    return f"{video}: is a folder; name the recordings in it" if video.is_dir() else f"{video}: there is no such file"


def strictest_budget(camera: CameraConfig) -> float:
    """The fewest false alerts a day that a rule of the camera allows; what is usual where none asks."""
    return min(
        (rule.false_alerts_per_day for rule in camera.rules if isinstance(rule, Anomaly)), default=FALSE_ALERTS_PER_DAY
    )


def _learn(
    name: str,
    camera: CameraConfig,
    config: Config,
    detector: OnnxDetector,
    videos: Sequence[Path] | None,
    live_s: float | None,
) -> Calibration:
    """Everything that the footage holds. An interrupted live calibration ends early, with what there is."""
    learner = Learner(MOTION)
    behaviour = open_learners(config, detector, learner.take_life, learner.take_steps)
    quiet = camera.model_copy(update={"rules": [], "trouble": _NO_TROUBLE})
    alone = config.model_copy(update={"cameras": {name: quiet}})
    with _progress(live_s) as advance:
        footage = _Footage(learner, advance, live_s)
        for video in videos or ():
            source = build_recording(name, quiet, video, detector)
            pipeline = build_pipeline(name, quiet, config, detector)
            replay(source, looking(alone, detector), pipeline, footage.of(video.name), behaviour)
            behaviour.finish(name)
        if live_s:
            clock = SystemClock()
            live = build_source(name, quiet, detector.input_fit, Surroundings.alone(name, clock), clock)
            pipeline = build_pipeline(name, quiet, config, detector)
            with contextlib.suppress(KeyboardInterrupt):
                replay(live, looking(alone, detector), pipeline, footage.of(name, live), behaviour)
            live.close()
            behaviour.finish(name)
    return learner.calibration(
        name,
        max(footage.seconds, 1e-3),
        head=behaviour.track_hash,
        scene_head=behaviour.scene_hash,
        detector=detector.model_hash,
        timezone=config.timezone,
        learned_at=time.time(),
    )


class _Footage:
    """A sink that counts how much was watched, session by session, and says when it is enough."""

    def __init__(self, learner: Learner, advance: Advance, enough_s: float | None) -> None:
        self._learner, self._advance, self._enough_s = learner, advance, enough_s
        self._named = ""
        self._source: FrameSource | None = None
        self._before_s = 0.0
        self._session: tuple[str, float, float] | None = None

    def of(self, named: str, source: FrameSource | None = None) -> _Footage:
        """What comes next is another recording, or this live source, which is closed once there is enough."""
        self._close_session()
        self._named, self._source = named, source
        return self

    @property
    def seconds(self) -> float:
        """Of footage so far."""
        return self._before_s + (self._session[2] - self._session[1] if self._session else 0.0)

    def publish(self, result: FrameResult) -> None:
        """One more frame was watched."""
        frame = result.frame
        if self._session and self._session[0] == frame.session:
            self._session = (frame.session, self._session[1], frame.media_s)
        else:
            self._close_session()
            self._session = (frame.session, frame.media_s, frame.media_s)
        self._advance(f"{self._named}: {self._learner.tracks} tracks", self.seconds)
        if self._source and self._enough_s and self.seconds >= self._enough_s:
            self._source.close()

    def announce(self, changes: Sequence[AlertChange]) -> None:
        """No rule looks on: there are none."""

    def close(self) -> None:
        """Nothing was opened."""

    def _close_session(self) -> None:
        self._before_s, self._session = self.seconds, None


@contextlib.contextmanager
def _progress(total_s: float | None) -> Iterator[Advance]:
    """A bar of footage, so far as one can see it; full at total_s where that is known."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[media]} of footage in"),
        TimeElapsedColumn(),
    )
    console = Console(stderr=True)
    if not console.is_terminal:
        print("calibrating …", file=sys.stderr)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("opening", total=total_s, media="0 s")

        def advance(description: str, seconds: float) -> None:
            progress.update(task, description=description, completed=seconds, media=spoken(seconds))

        yield advance
