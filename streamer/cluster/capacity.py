"""What a camera takes and a node has, out of what `streamer bench --json` measured on the nodes.

A second of an old processor is not a second of a new one. So all amounts of processor and model time are in seconds of
one machine, the *reference*: a node that needs half the time for a picture has twice the cores on paper.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Any, Literal

from streamer.cluster.demand import Resources
from streamer.errors import ConfigError

Decode = Literal["always", "motion", "key_frames", "on_trigger"]
AWAKE: Mapping[Decode, float] = {"always": 1.0, "motion": 0.15, "key_frames": 0.1, "on_trigger": 0.05}
"""The share of time in which pictures are analysed at the full rate, as admission on one machine has it (ADR 11)."""
KEY_FRAME_SHARE = 0.02
"""Of the frames of a camera that sleeps: one key frame in fifty."""
PLANNED_WITH = 0.9
"""Of what was measured: the rest is for what comes all at once, and for the cameras of a neighbour that dies."""
MEMORY_MB = 25.0
"""Of a camera where the record does not tell: packets of its last seconds, pictures on their way, books."""

_CAPTURE = ("convert_cpu_s_per_frame",)
_BEHIND = ("track_cpu_s_per_frame", "rules_cpu_s_per_frame", "publish_cpu_s_per_frame", "service_cpu_s_per_frame")
_AROUND_CALLS = ("prepare_s_per_frame_by_batch", "outputs_s_per_frame_by_batch")


@dataclass(frozen=True, slots=True)
class Rates:
    """What things cost on one machine, in seconds.

    decode_s: of a processor for one megapixel decoded; demux_s: for one second of a stream; picture_s: for an analysed
    picture besides the model; model_s: of the model for one picture, in the batch in which it is cheapest;
    model_cpu_s: of a processor meanwhile. on_gpu: where the model runs.
    """

    decode_s: float
    demux_s: float
    picture_s: float
    model_s: float
    model_cpu_s: float
    cores: int
    on_gpu: bool


@dataclass(frozen=True, slots=True)
class Look:
    """How a camera is looked at: its stream, how many pictures a second are analysed, and how it is decoded."""

    width_px: int
    height_px: int
    source_fps: float
    analyse_fps: float
    decode: Decode = "motion"


def rates_of(record: Mapping[str, Any], origin: str) -> Rates:
    """Out of the JSON of `streamer bench`. Raises ConfigError naming origin and what is missing."""
    try:
        costs, video = record["costs"], record["video"]
        megapixels_per_s = video["width_px"] * video["height_px"] * video["fps"] / 1e6
        around = sum(min(map(float, costs[name].values())) for name in _AROUND_CALLS)
        return Rates(
            decode_s=float(costs["decode_cpu_s_per_video_s"]) / megapixels_per_s,
            demux_s=float(costs["demux_cpu_s_per_video_s"]),
            picture_s=around + sum(float(costs[name] or 0.0) for name in (*_CAPTURE, *_BEHIND)),
            model_s=min(map(float, costs["run_s_per_frame_by_batch"].values())),
            model_cpu_s=min(map(float, costs["run_cpu_s_per_frame_by_batch"].values())),
            cores=int(record["machine"]["cores"]),
            on_gpu="cpu" not in str(record["model"]["provider"]).lower(),
        )
    except (KeyError, TypeError, ValueError, AttributeError, ZeroDivisionError) as error:
        raise ConfigError(
            [f"{origin} lacks what a node can do ({error!r}); make one on the node with: streamer bench --json FILE"]
        ) from error


def cost_of(look: Look, rates: Rates, *, memory_mb: float = MEMORY_MB) -> Resources:
    """What a camera takes of a machine with these rates, on average over its day."""
    awake = AWAKE[look.decode]
    asleep_decoded = 1.0 if look.decode == "always" else KEY_FRAME_SHARE
    decoded = awake + (1 - awake) * asleep_decoded
    pictures = min(look.analyse_fps, look.source_fps) * awake
    megapixels = look.width_px * look.height_px * look.source_fps / 1e6
    return Resources(
        cpu=decoded * megapixels * rates.decode_s + rates.demux_s + pictures * (rates.picture_s + rates.model_cpu_s),
        model=pictures * rates.model_s if rates.on_gpu else 0.0,
        gpu=pictures * rates.model_s if rates.on_gpu else 0.0,
        memory_mb=memory_mb,
    )


def capacity_of(rates: Rates, reference: Rates, *, memory_mb: float = inf, gpus: int = 0) -> Resources:
    """What a node has, in seconds of the reference machine.

    It is compared by what a camera of full HD costs that is decoded always and analysed five times a second. A node
    whose model runs on its processor has model time without limit: what limits it is its cores.
    """
    usual = Look(1920, 1080, 25.0, 5.0, "always")
    faster = cost_of(usual, reference).cpu / cost_of(usual, rates).cpu
    model = PLANNED_WITH * max(1, gpus) * reference.model_s / rates.model_s if rates.on_gpu else inf
    return Resources(
        cpu=PLANNED_WITH * rates.cores * faster,
        decode=inf,
        model=model,
        gpu=PLANNED_WITH * gpus * reference.model_s / rates.model_s if rates.on_gpu else 0.0,
        memory_mb=PLANNED_WITH * memory_mb,
    )
