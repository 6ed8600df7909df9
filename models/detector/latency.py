"""How long a detector takes per frame, in the net and altogether, and on what machine."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.scores import as_frame
from streamer.cores import processor, usable_cores
from streamer.detect import OnnxDetector

_ROUNDS, _FEWEST_ROUNDS, _AT_MOST_S = 60, 5, 30.0


@dataclass(frozen=True)
class Latency:
    """Median milliseconds per frame.

    run_ms: within session.run alone; detect_ms: for all of detect(); run_cpu_ms: what session.run took of the calling
    thread, which with one thread is all of it, and says more than run_ms where others use the machine too.
    """

    run_ms: float
    detect_ms: float
    run_cpu_ms: float


def latencies(
    detectors: Mapping[str, OnnxDetector], images: Sequence[NDArray[np.uint8]], rounds: int = _ROUNDS
) -> dict[str, Latency]:
    """How long each detector takes for single frames that capture has resized to its input already.

    They take turns, so that whatever else the machine does meets them all alike. At most half a minute.
    """
    frames = {name: [as_frame(image, each.input_fit) for image in images] for name, each in detectors.items()}
    took_ms: dict[str, list[tuple[float, float, float]]] = {name: [] for name in detectors}
    for each in detectors.values():
        each.warm_up()
    began = time.perf_counter()
    for turn in range(rounds):
        for name, each in detectors.items():
            frame, before = frames[name][turn % len(images)], each.timings
            started = time.perf_counter()
            each.detect([frame])
            whole_s, after = time.perf_counter() - started, each.timings
            run_s, run_cpu_s = after.run_s - before.run_s, after.run_cpu_s - before.run_cpu_s
            took_ms[name].append((1000 * run_s, 1000 * whole_s, 1000 * run_cpu_s))
        if turn + 1 >= _FEWEST_ROUNDS and time.perf_counter() - began > _AT_MOST_S:
            break
    return {name: Latency(*map(float, np.median(took, axis=0))) for name, took in took_ms.items()}


def machine() -> dict[str, object]:
    """What milliseconds were measured on: the processor's name and how many of its cores this process may use."""
    return {"cpu": processor(), "cores": usable_cores()}
