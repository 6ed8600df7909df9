"""One camera as the service runs it: source, pipeline, link watch and books."""

from __future__ import annotations

from collections.abc import Callable

from streamer.alerts.book import CameraAlertBook
from streamer.assembly.admission import WEIGHTS
from streamer.assembly.camera import build_book, build_pipeline, build_source, decode_mode
from streamer.assembly.link import LinkAlerts
from streamer.assembly.privacy import private
from streamer.assembly.regions import is_one_by_one
from streamer.assembly.rules import LINK_KINDS, link_policies
from streamer.camera_unit import CameraUnit
from streamer.clock import Clock
from streamer.config import CameraConfig, Config
from streamer.coverage import Coverage
from streamer.detect.known import KnownDetector
from streamer.fit import InputFit
from streamer.rules.camera_link import LinkWatch
from streamer.stages import FrameSource
from streamer.surroundings import Surroundings

KEY_FRAMES_REACH_S = 10.0
"""How long a picture speaks for where only key frames are looked at: cameras send one every second to ten."""

MakeSource = Callable[[str, CameraConfig, InputFit, Surroundings, Clock], FrameSource]


def build_unit(
    name: str,
    config: Config,
    detector: KnownDetector,
    book: CameraAlertBook,
    around: Surroundings,
    clock: Clock,
    make_source: MakeSource = build_source,
) -> CameraUnit:
    """A camera of the configuration; make_source stands in for the camera itself."""
    camera = config.cameras[name]
    return CameraUnit(
        source=private(make_source(name, camera, detector.input_fit, around, clock), camera),
        pipeline=build_pipeline(name, camera, config, detector, book),
        link=build_link(name, camera, config, detector, clock),
        around=around,
        coverage=Coverage(clock.monotonic(), reach_s(camera)),
        weight=WEIGHTS[camera.priority],
        one_by_one=is_one_by_one(camera.detect),
    )


def reach_s(camera: CameraConfig) -> float:
    """For how long an analysed picture speaks: until the next one is due, and a little more."""
    seconds = 1.0 if camera.analyse_fps is None else max(1.0, 2.0 / camera.analyse_fps)
    match decode_mode(camera):
        case "always":
            return seconds
        case "key_frames":
            return max(seconds, KEY_FRAMES_REACH_S, 2.0 * camera.look_every_s)
        case _:  # asleep it is watched by other means, and analysed once in a while
            return max(seconds, 2.0 * camera.keep_alive_s)


def build_link(name: str, camera: CameraConfig, config: Config, detector: KnownDetector, clock: Clock) -> LinkAlerts:
    """Watches the camera's connection."""
    trouble = camera.trouble
    limits = {"camera.offline": trouble.offline_after_s, "camera.clock_skew": trouble.clock_skew_s}
    settings = {"offline_after_s": trouble.offline_after_s, "max_skew_s": trouble.clock_skew_s}
    watch = LinkWatch(name, **{key: value for key, value in settings.items() if value is not None})
    book = build_book(name, camera, link_policies(camera), config, detector)
    return LinkAlerts(watch, book, clock.now(), frozenset(kind for kind in LINK_KINDS if limits[kind] is not None))
