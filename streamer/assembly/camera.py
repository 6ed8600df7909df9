"""One camera of the configuration as objects: its source, and everything that remembers it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from streamer.alerts.book import CameraAlertBook
from streamer.alerts.policy import AlertPolicy
from streamer.assembly.privacy import private
from streamer.assembly.rules import build_rules, build_trouble_rules, policies
from streamer.capture import CameraOptions, CameraSource, DecodeMode, default_pace
from streamer.clock import Clock, SystemClock
from streamer.config import CameraConfig, Config
from streamer.config.model import DetectConfig
from streamer.detect.known import KnownDetector
from streamer.fit import InputFit
from streamer.pipeline import CameraPipeline
from streamer.rules.isolated import isolated
from streamer.stages import FrameSource, Rule, Tracker
from streamer.surroundings import Surroundings
from streamer.track import KalmanTracker
from streamer.track.stitch import StitchingTracker
from streamer.types import AlertChange


def build_source(
    name: str, camera: CameraConfig, input_fit: InputFit, around: Surroundings, clock: Clock
) -> CameraSource:
    """The camera's frames, as the detector wants them.

    Of a recording that is read on demand every look is analysed, whoever is there: how far analysis has come when the
    next packet is read is chance, and the same recording gives the same alerts.
    """
    options = camera_options(name, camera)
    if options.pace == "demand":
        around = replace(around, presence=None)
    return CameraSource(options, input_fit, around, clock)


def decode_mode(camera: CameraConfig) -> DecodeMode:
    """What of a camera's stream is decoded: unless it says so itself, cameras sleep and recordings are read whole."""
    pace = camera.pace or default_pace(camera.url, camera.format)
    return camera.decode or ("always" if pace == "demand" else "motion")


def camera_options(name: str, camera: CameraConfig) -> CameraOptions:
    """How the camera is connected to."""
    return CameraOptions(
        camera=name,
        url=camera.url,
        pace=camera.pace or default_pace(camera.url, camera.format),
        analyse_fps=camera.analyse_fps,
        loop=camera.loop,
        transport=camera.transport,
        format=camera.format,
        options=camera.options,
        connect_timeout_s=camera.connect_timeout_s,
        stall_after_s=camera.stall_after_s,
        decode=decode_mode(camera),
        look_every_s=camera.look_every_s,
        keep_alive_s=camera.keep_alive_s,
        sleep_after_s=camera.sleep_after_s,
        motion_masks=tuple(tuple(points) for points in _unwatched(camera)),
        decode_threads=camera.decode_threads,
        decode_on=camera.decode_on,
    )


def _unwatched(camera: CameraConfig) -> list[list[tuple[float, float]]]:
    """Where motion wakes nobody: where nothing could be found either, too."""
    hidden = [] if camera.privacy.detect_behind_masks else camera.privacy.masks
    return [*camera.motion_masks, *hidden]


def build_recording(name: str, camera: CameraConfig, video: Path, detector: KnownDetector) -> FrameSource:
    """A recording in the place of a camera's own source: every chosen frame, as fast as they are taken.

    Decoded on the CPU, wherever the camera is: the same recording gives the same pictures on every machine.
    """
    clock = SystemClock()
    in_its_place = {"url": str(video), "format": None, "pace": "demand", "loop": False, "decode_on": "cpu"}
    recording = camera.model_copy(update=in_its_place)
    return private(build_source(name, recording, detector.input_fit, Surroundings.alone(name, clock), clock), camera)


def build_pipeline(
    name: str, camera: CameraConfig, config: Config, detector: KnownDetector, book: CameraAlertBook | None = None
) -> CameraPipeline:
    """Tracker, rules and alert book of one camera; without a book of its own, one whose alerts have no pictures."""
    book = book or build_book(name, camera, policies(camera), config, detector)
    return CameraPipeline(build_tracker(camera, detector), build_rules_of(camera, config), book)


def build_rules_of(camera: CameraConfig, config: Config) -> list[Rule]:
    """All rules of one camera, configured ones and those that judge the camera itself; each behind a wall."""
    return isolated([*build_rules(camera, config.zone_info()), *build_trouble_rules(camera)])


def build_book(
    name: str,
    camera: CameraConfig,
    policies: Mapping[str, AlertPolicy],
    config: Config,
    detector: KnownDetector,
    snapshot_path: Callable[[AlertChange], str] | None = None,
) -> CameraAlertBook:
    """A book of one camera's alerts, signed with the hashes of model and configuration."""
    return CameraAlertBook(
        name,
        policies,
        model_hash=detector.model_hash[:16],
        config_hash=config_hash(camera, config),
        snapshot_path=snapshot_path,
    )


def build_tracker(camera: CameraConfig, detector: KnownDetector) -> Tracker:
    """Follows objects, from the score on at which the model is to be believed; the configuration may overrule both."""
    chosen = {"high_score": detector.thresholds.track_score}
    if camera.tracking.track_score is not None:
        chosen["high_score"] = camera.tracking.track_score
    if camera.tracking.lost_after_s is not None:
        chosen["lost_after_s"] = camera.tracking.lost_after_s
    return StitchingTracker(KalmanTracker(detector.labels, **chosen))


def config_hash(camera: CameraConfig, config: Config) -> str:
    """Which settings judged this, in hex: the same for the same zones, rules and rates, wherever pictures are from."""
    judged = camera.model_dump(mode="json", include={"zones", "lines", "rules", "trouble", "tracking", "analyse_fps"})
    if camera.detect != DetectConfig():
        judged["detect"] = camera.detect.model_dump(mode="json")
    if camera.privacy.masks and not camera.privacy.detect_behind_masks:
        judged["masks"] = camera.privacy.model_dump(mode="json", include={"masks"})["masks"]
    text = json.dumps({**judged, "timezone": config.timezone}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
