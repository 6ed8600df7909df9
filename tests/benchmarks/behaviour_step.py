"""What one step of the track head costs.

    python -m tests.benchmarks.behaviour_step [--head DIR]

`ms_200_tracks`: the head's step for 200 tracks in one run on one thread, as the runtime runs it; `ms_features_200` and
`ms_round_200`: features of 200 tracks in a frame without and with a grid step. Medians; asked is at most 2 ms.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from streamer.behaviour.features import FEATURES, TrackFeatures
from streamer.behaviour.head_artifact import load_head
from streamer.behaviour.step_session import open_step
from streamer.errors import StreamerError
from streamer.zoo import zoo_folder
from tests.benchmarks.report import report

WANTED_MS = 2.0
TRACKS = 200
ROUNDS = 300


def main() -> int:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--head", type=Path, help="a track head's folder (default: the bundled one)")
    parser.add_argument("--keep", action=argparse.BooleanOptionalAction, default=True, help="store the result in docs/")
    args = parser.parse_args()
    try:
        head = load_head(args.head or zoo_folder() / "gait")
        session = open_step(head, FEATURES)
    except StreamerError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    values: dict[str, object] = {"head": head.manifest.name, "sha256": head.manifest.sha256}
    features = np.random.default_rng(0).normal(size=(TRACKS, len(FEATURES))).astype(np.float32)
    states = {"state": np.zeros((TRACKS, head.manifest.state_width), np.float32)}

    def step() -> None:
        states["state"] = session.step(features, states["state"])["next_state"]

    values["ms_200_tracks"], values["ms_200_tracks_cpu"] = _median_ms(step)
    quiet, due = _features_ms()
    report("behaviour_step", {**values, "ms_features_200": quiet, "ms_round_200": due, "wanted_ms": WANTED_MS},
           keep=args.keep and args.head is None)  # fmt: skip
    return 0


def _median_ms(once: Callable[[], None]) -> tuple[float, float]:
    """Wall and CPU milliseconds: machines are shared."""
    wall, cpu = [], []
    for _ in range(ROUNDS):
        began, began_cpu = time.perf_counter(), time.thread_time()
        once()
        wall.append(time.perf_counter() - began)
        cpu.append(time.thread_time() - began_cpu)
    return round(float(np.median(wall)) * 1e3, 3), round(float(np.median(cpu)) * 1e3, 3)


def _features_ms() -> tuple[float, float]:
    """Median CPU milliseconds of a frame of 200 tracks: without a grid step, and with one."""
    memory, random = TrackFeatures(), np.random.default_rng(0)
    corners, ids = random.uniform(0, 1800, (TRACKS, 2)), np.arange(TRACKS)
    taken: dict[bool, list[float]] = {False: [], True: []}
    for frame in range(ROUNDS):
        corners = corners + random.normal(0, 1, corners.shape)
        began = time.thread_time()
        rounds = memory.update(frame / 25, ids, np.concatenate([corners, corners + 60], axis=1), None)
        taken[bool(rounds)].append(time.thread_time() - began)
    quiet, due = (round(float(np.median(taken[each])) * 1e3, 3) for each in (False, True))
    return quiet, due


if __name__ == "__main__":
    sys.exit(main())
