"""Placement where the model is on nodes of its own (ADR 15): which these are, and how many cameras they can serve."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from streamer.assembly.admission import AWAKE, EVERY_FRAME_FPS
from streamer.assembly.camera import decode_mode
from streamer.cluster.capacity import PLANNED_WITH, Rates
from streamer.cluster.demand import CameraDemand
from streamer.cluster.state import Beat
from streamer.config import CameraConfig, Config

NO_NODE = "no inference node answers yet"


def has_the_model(config: Config, labels: Iterable[str], gpus: int) -> bool:
    """Whether a node like this answers questions and reads no cameras."""
    apart = config.inference.apart
    return apart is not None and {*apart.require} <= {*labels} and (gpus > 0 or not apart.gpu)


def without_model(rates: Rates) -> Rates:
    """What things cost at a node that only decodes."""
    return replace(rates, model_s=0.0, model_cpu_s=0.0, on_gpu=False)


def that_read_cameras(config: Config, beats: Iterable[Beat]) -> list[Beat]:
    """The nodes among which cameras are shared out, and what they cost there."""
    if config.inference.apart is None:
        return list(beats)
    none = {"model_s": 0.0, "model_cpu_s": 0.0, "on_gpu": False}
    return [replace(each, rates=each.rates and {**each.rates, **none}) for each in beats if each.inference is None]


def with_room_at_the_model(
    config: Config, demands: Sequence[CameraDemand], beats: Iterable[Beat], now: Mapping[str, str]
) -> tuple[list[CameraDemand], dict[str, str]]:
    """The cameras that inference nodes have time for, and of the others why not.

    Only who is not watched yet is kept waiting, the lowest priority first: where an inference node dies, cameras that
    run share what is left, frame by frame, and are not let go.
    """
    if config.inference.apart is None:
        return list(demands), {}
    there = [each.inference for each in beats if each.inference is not None]
    if not there:
        running = [each for each in demands if each.camera in now]
        return running, {each.camera: NO_NODE for each in demands if each.camera not in now}
    room = PLANNED_WITH * sum(float(each["pictures_per_s"]) for each in there)
    asked = {each.camera: pictures_per_s(config.cameras[each.camera]) for each in demands}
    left = room - sum(asked[each.camera] for each in demands if each.camera in now)
    refused: dict[str, str] = {}
    for each in sorted(demands, key=lambda one: (-one.priority, one.camera)):
        if each.camera in now:
            continue
        if asked[each.camera] <= left:
            left -= asked[each.camera]
        else:
            refused[each.camera] = (
                f"no room for the model: it asks for {asked[each.camera]:g} pictures a second, and of the {room:.0f} "
                f"that the inference nodes have time for {max(0.0, left):.0f} are left"
            )
    return [each for each in demands if each.camera not in refused], refused


def pictures_per_s(camera: CameraConfig) -> float:
    """That a camera sends to inference nodes, on average over its day."""
    fps = EVERY_FRAME_FPS if camera.analyse_fps is None else camera.analyse_fps
    return fps * AWAKE[decode_mode(camera)]
