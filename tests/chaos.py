"""The ground on which tests hold drills, and where what came of them is written down."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from streamer.caches import cache_folder
from streamer.chaos.camera.coded_clip import CodedClip
from streamer.chaos.clips import drawn_clips
from streamer.chaos.drill.faults import Fault
from streamer.chaos.drill.programme import Stay, camps, stay
from streamer.chaos.drill.scratch import camera_for_drills

RECORD = "STREAMER_CHAOS_RECORD"
"""The name of a file in the environment: every stay is added to it as a line (tests.benchmarks.reliability)."""
CAMERA = camera_for_drills(
    {
        "stall_after_s": 2.0,
        "connect_timeout_s": 2.0,
        "trouble": {"offline_after_s": 3.0},
        "analyse_fps": 2,
        "clips": None,
    }
)
SETTINGS = {"inference": {"max_age_s": 30, "depth": 200}}
"""A busy test machine must not drop what is counted."""


def clips() -> tuple[CodedClip, ...]:
    """What the cameras play; drawn once for all tests of a run."""
    return drawn_clips(cache_folder("chaos"))


def hold(faults: Sequence[Fault], folder: Path) -> list[Stay]:
    """Try all of these, and write down what came of it."""
    stays = []
    for number, camp in enumerate(camps(faults, [CAMERA], SETTINGS)):
        made = stay(camp, folder / str(number), clips(), print)
        stays.append(made)
        _write_down(made)
    return stays


def _write_down(made: Stay) -> None:
    if path := os.environ.get(RECORD):
        with Path(path).open("a", encoding="utf-8") as record:
            record.write(json.dumps(asdict(made)) + "\n")
