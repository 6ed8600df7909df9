"""What placement is asked: cameras out of the configuration, nodes out of what they say of themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from streamer.assembly.admission import EVERY_FRAME_FPS
from streamer.assembly.camera import decode_mode
from streamer.cluster.capacity import PLANNED_WITH, Look, Rates, capacity_of, cost_of
from streamer.cluster.demand import CameraDemand, Node, Resources
from streamer.cluster.state import Beat
from streamer.config import CameraConfig, Config
from streamer.fleet.streams import Stream

PRIORITIES: Mapping[str, int] = {"low": 0, "normal": 1, "high": 2}
UNMEASURED = Rates(
    decode_s=0.005, demux_s=0.003, picture_s=0.004, model_s=0.02, model_cpu_s=0.02, cores=1, on_gpu=False
)
"""Where no node brings a record of `streamer bench`: a guess, so that nodes are compared by their cores."""
PICTURE = (1920, 1080, EVERY_FRAME_FPS)
"""Width, height in pixels and pictures a second of a stream that nobody has measured yet."""


def reference_of(beats: Iterable[Beat]) -> Rates:
    """The machine in whose seconds everything is counted: the first measured one by name, so that it stays the same."""
    measured = sorted((beat.node, beat.rates) for beat in beats if beat.rates)
    return Rates(**measured[0][1]) if measured else UNMEASURED


def demands_of(
    config: Config, reference: Rates, streams: Mapping[str, Stream] = MappingProxyType({})
) -> list[CameraDemand]:
    """Every camera of a configuration. streams: what those send of which that is known."""
    return [_demand(name, camera, reference, streams.get(name, PICTURE)) for name, camera in config.cameras.items()]


def node_of(beat: Beat, reference: Rates, *, draining: bool) -> Node:
    """One node as placement sees it. Where nobody measured it: as fast as the reference, with the cores it says."""
    rates = Rates(**beat.rates) if beat.rates else None
    if rates is not None:
        capacity = capacity_of(rates, reference, gpus=beat.gpus)
    else:
        endless = Resources.endless()
        capacity = Resources(
            PLANNED_WITH * beat.cores, endless.decode, endless.model, PLANNED_WITH * beat.gpus, endless.memory_mb
        )
    return Node(beat.node, capacity, frozenset(beat.labels), draining)


def _demand(name: str, camera: CameraConfig, reference: Rates, stream: Stream) -> CameraDemand:
    width, height, fps = stream
    look = Look(width, height, fps, camera.analyse_fps or fps, decode_mode(camera))
    return CameraDemand(
        name,
        cost_of(look, reference),
        PRIORITIES[camera.priority],
        frozenset(camera.node.require),
        frozenset(camera.node.prefer),
        camera.node.gpu,
    )
