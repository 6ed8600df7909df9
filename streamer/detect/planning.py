"""A plan for one model on this machine: measured the first time, then remembered in the user's cache folder."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from streamer.cores import processor, usable_cores
from streamer.detect.detector import OnnxDetector
from streamer.detect.plan import Arrangement, Plan, best
from streamer.types import Frame, Picture

Open = Callable[[Arrangement], list[OnnxDetector]]

_log = logging.getLogger("streamer.detect")

_SIZES = (1, 2, 4, 8, 16, 32)
_ROUNDS = 3
_TRIAL_S = 0.4
_MEASURES = "leaner graphs"
"""What plans that are kept were measured on: another text where what runs of the same model has changed."""


def measured(open_lanes: Open, tried: Sequence[Arrangement], max_batch: int) -> tuple[Plan, list[OnnxDetector]]:
    """Try every arrangement, and what calls cost in the best; gives its open, warm detectors too.

    A second or so for a small net. Raises what opening raises.
    """
    rates: dict[Arrangement, float] = {}
    opened: dict[Arrangement, list[OnnxDetector]] = {}
    for arrangement in tried:
        opened[arrangement] = open_lanes(arrangement)
        if len(tried) > 1:
            rates[arrangement] = pictures_per_s(opened[arrangement])
    chosen = best(rates) if rates else tried[0]
    plan = Plan(chosen, call_seconds(opened[chosen][0], max_batch), rates)
    return plan, opened[chosen]


def pictures_per_s(lanes: Sequence[OnnxDetector]) -> float:
    """How many pictures a second go through all lanes together, one at a time in each."""
    done = [0] * len(lanes)
    starts, ends_s = threading.Barrier(len(lanes) + 1), [0.0]

    def work(lane: int) -> None:
        picture = [_grey(lanes[lane])]
        starts.wait()
        while time.perf_counter() < ends_s[0] or not done[lane]:
            lanes[lane].detect(picture)
            done[lane] += 1

    threads = [threading.Thread(target=work, args=(lane,), daemon=True) for lane in range(len(lanes))]
    for thread in threads:
        thread.start()
    began_s = time.perf_counter()
    ends_s[0] = began_s + _TRIAL_S
    starts.wait()
    for thread in threads:
        thread.join()
    return sum(done) / (time.perf_counter() - began_s)


def call_seconds(detector: OnnxDetector, max_batch: int) -> dict[int, float]:
    """Seconds of one call by number of pictures: the fastest of some, which is the one that was disturbed least."""
    picture = _grey(detector)
    costs = {}
    for size in sorted({*(size for size in _SIZES if size < max_batch), max_batch}):
        took_s = []
        for _ in range(_ROUNDS):
            began_s = time.perf_counter()
            detector.detect([picture] * size)
            took_s.append(time.perf_counter() - began_s)
        costs[size] = min(took_s)
    return costs


def plan_file(root: Path, detector: OnnxDetector, cores: int, max_batch: int) -> Path:
    """Where the plan for this model on this machine is kept."""
    import onnxruntime

    about = (
        _MEASURES,
        detector.model_hash,
        processor(),
        usable_cores(),
        cores,
        max_batch,
        onnxruntime.__version__,
    )
    return root / f"{hashlib.sha256(repr(about).encode()).hexdigest()[:24]}.json"


def remembered(path: Path) -> Plan | None:
    """The plan that was kept there; None where there is none that can be read."""
    try:
        kept = json.loads(path.read_text())
        rates = {Arrangement(*map(int, each["arrangement"])): float(each["rate"]) for each in kept["pictures_per_s"]}
        seconds = {int(size): float(value) for size, value in kept["seconds"].items()}
        return Plan(Arrangement(*map(int, kept["arrangement"])), seconds, rates)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def remember(path: Path, plan: Plan) -> None:
    """Keep a plan; where that cannot be it is measured again the next time."""
    text = json.dumps({
        "arrangement": [plan.arrangement.lanes, plan.arrangement.threads],
        "seconds": plan.seconds,
        "pictures_per_s": [
            {"arrangement": [each.lanes, each.threads], "rate": rate} for each, rate in plan.pictures_per_s.items()
        ],
    })  # fmt: skip
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(f".{os.getpid()}")
        beside.write_text(text)
        beside.replace(path)
    except OSError as error:
        _log.info("the plan for this model could not be kept in %s: %s", path, error.strerror or error)


class _NoPicture:
    def rgb(self) -> np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]:
        return np.zeros((1, 1, 3), np.uint8)


def _grey(detector: OnnxDetector) -> Frame:
    """A picture of the canvas' size with nothing in it."""
    w, h = detector.input_fit.canvas_wh
    picture: Picture = _NoPicture()
    image = np.full((h, w, 3), 114, np.uint8)
    return Frame("plan", "plan", 0, image, (w, h), 0.0, 0.0, 0.0, picture)
