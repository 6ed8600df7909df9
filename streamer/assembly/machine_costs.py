"""What `streamer bench --json` found out about a machine, as admission needs it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from streamer.cores import usable_cores
from streamer.errors import ConfigError

_PER_FRAME = ("convert_cpu_s_per_frame", "track_cpu_s_per_frame", "rules_cpu_s_per_frame", "publish_cpu_s_per_frame")
_IN_CALLS = ("run_cpu_s_per_frame_by_batch", "prepare_s_per_frame_by_batch", "outputs_s_per_frame_by_batch")
_PER_STREAM = ("decode_cpu_s_per_video_s", "demux_cpu_s_per_video_s")


class Costs(NamedTuple):
    """pictures_per_s: how many it does; pictures_per_stream: to decode one costs as much as so many of them."""

    pictures_per_s: float
    pictures_per_stream: float


def processor_costs(path: Path) -> Costs:
    """Of all cores together. Raises ConfigError for a file that `streamer bench --json` did not write."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError([f"inference.capacity: {path} cannot be read: {error.strerror or error}"]) from error
    except ValueError as error:
        raise ConfigError([f"inference.capacity: {path} is no JSON: {error}; {_MAKE_ONE}"]) from error
    try:
        costs = record["costs"]
        frame_s = sum(float(costs[name] or 0.0) for name in _PER_FRAME)
        frame_s += sum(min(map(float, costs[name].values()), default=0.0) for name in _IN_CALLS)
        stream_s = sum(float(costs[name] or 0.0) for name in _PER_STREAM)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigError([f"inference.capacity: {path} lacks costs ({error}); {_MAKE_ONE}"]) from error
    if not frame_s > 0 or stream_s < 0:
        raise ConfigError([f"inference.capacity: {path} says that a picture costs {frame_s:g} s; {_MAKE_ONE}"])
    cores = usable_cores()
    return Costs(cores / frame_s, stream_s / frame_s)


_MAKE_ONE = "make one on this machine with: streamer bench --json FILE"
