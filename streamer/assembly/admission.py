"""Which cameras of a configuration this machine takes, and how often it looks at each (scheduling/admission.py)."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from streamer.assembly.camera import camera_options
from streamer.assembly.machine_costs import Costs, processor_costs
from streamer.config import CameraConfig, Config
from streamer.errors import SourceUnavailable
from streamer.scheduling.admission import Admission, Asking, admit
from streamer.telemetry.metrics import Reading
from streamer.types import Frame

WEIGHTS = {"low": 0.25, "normal": 1.0, "high": 4.0}
"""What a camera's priority is worth when pictures are shared out."""
AWAKE = {"always": 1.0, "motion": 0.15, "key_frames": 0.1, "on_trigger": 0.05}
"""The share of time in which a camera's pictures are analysed at its full rate, by how it is decoded: on a day on which
somebody is in the picture one minute in twenty it was 0.09 (python -m tests.benchmarks.gating_mixed)."""
PLANNED_WITH = 0.9
"""Of what the model can do: the rest is for what comes all at once."""
EVERY_FRAME_FPS = 25.0

_log = logging.getLogger("streamer.assembly")


@dataclass(frozen=True, slots=True)
class Admitted:
    """The configuration as it is run: with the rates that there is time for. asked: the one that was given."""

    config: Config
    asked: Config
    refused: Mapping[str, str]
    load: float

    def rows(self) -> Iterable[Reading]:
        """For telemetry: what is wanted and given, in pictures a second of an awake camera; refused is 0."""
        for name, camera in self.asked.cameras.items():
            given = 0.0 if name in self.refused else _fps(self.config.cameras[name])
            yield "streamer_camera_analyse_fps", (name, "asked"), _fps(camera)
            yield "streamer_camera_analyse_fps", (name, "given"), given
        yield "streamer_admission_load", (), self.load


def weights(config: Config) -> dict[str, float]:
    """By camera."""
    return {name: WEIGHTS[camera.priority] for name, camera in config.cameras.items()}


def admitted(config: Config, pictures_per_s: float) -> Admitted:
    """What of the configuration this machine can do; said in the log where it is less. pictures_per_s: the model's.

    With `inference.capacity` the processor counts too: decoding, and whatever a picture costs besides the model; the
    scarcer of both decides. Recordings that wait for their consumer take what is left, and are not counted. Raises
    ConfigError where the capacity cannot be read.
    """
    settings = config.inference
    costs = [Costs(pictures_per_s, 0.0)]
    if settings.capacity is not None:
        costs.append(processor_costs(settings.capacity))
    verdicts = [_verdict(config, PLANNED_WITH * each.pictures_per_s, each.pictures_per_stream) for each in costs]
    verdict, asking, there_is = max(verdicts, key=lambda each: (len(each[0].refused), each[0].load))
    _tell(asking, verdict, there_is)
    cameras = {
        name: camera.model_copy(update={"analyse_fps": verdict.fps[name]})
        if name in verdict.fps and verdict.fps[name] < _fps(camera)
        else camera
        for name, camera in config.cameras.items()
    }
    return Admitted(config.model_copy(update={"cameras": cameras}), config, verdict.refused, verdict.load)


def _verdict(
    config: Config, pictures_per_s: float, pictures_per_stream: float
) -> tuple[Admission, list[Asking], float]:
    """pictures_per_stream: what decoding a stream costs, in pictures a second that cost as much."""
    asking = []
    for name, camera in config.cameras.items():
        options = camera_options(name, camera)
        if options.pace != "demand":
            awake = AWAKE[options.decode]
            asking.append(Asking(name, _fps(camera), awake, WEIGHTS[camera.priority], awake * pictures_per_stream))
    settings = config.inference
    return admit(asking, pictures_per_s, settings.when_full, settings.least_fps), asking, pictures_per_s


class RefusedSource:
    """stages.FrameSource of a camera that there is no room for: says so, and ends."""

    demand_paced = False

    def __init__(self, camera: str, why: str) -> None:
        self.camera, self._why = camera, why

    def frames(self) -> Iterator[Frame]:
        """Raises SourceUnavailable."""
        raise SourceUnavailable(
            f"camera '{self.camera}' is refused: {self._why}. Lower 'analyse_fps', give it another machine or a faster "
            "model, or set 'inference.when_full: admit'",
            permanent=True,
        )

    def close(self) -> None:
        """Nothing to close."""


def _fps(camera: CameraConfig) -> float:
    return EVERY_FRAME_FPS if camera.analyse_fps is None else camera.analyse_fps


def _tell(asking: Iterable[Asking], verdict: Admission, pictures_per_s: float) -> None:
    asked = {each.camera: each.fps for each in asking}
    fewer = {camera: fps for camera, fps in verdict.fps.items() if fps < asked[camera]}
    if fewer:
        _log.warning(
            "this machine analyses %.0f pictures a second and its cameras ask for more: %d of them are analysed less "
            "often, at %.2g a second or more (inference.when_full: degrade)",
            pictures_per_s,
            len(fewer),
            min(fewer.values()),
            extra={"event": "degraded"},
        )
    for camera, why in verdict.refused.items():
        _log.error("camera %r is refused: %s", camera, why, extra={"camera": camera, "event": "refused"})
