"""Camera trouble on real surveillance footage: nothing is wrong with it until something is done to it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from streamer.rules.camera_blurred import BlurredRule
from streamer.rules.camera_dark import DarkRule
from streamer.rules.camera_frozen import FrozenRule
from streamer.rules.camera_moved import MovedRule
from streamer.rules.glance import Glance
from streamer.stages import Rule
from streamer.types import Tracks
from tests.walks import LABELS, frame_at

pytestmark = pytest.mark.needs("shared")
NOBODY = Tracks.none(LABELS)
Harm = Callable[[np.ndarray], np.ndarray]


@cache
def footage(path: Path) -> list[tuple[float, np.ndarray]]:
    """Two frames a second of a recording, with their times."""
    kept: list[tuple[float, np.ndarray]] = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            if not kept or frame.time - kept[-1][0] >= 0.499:
                kept.append((frame.time, frame.to_ndarray(format="rgb24")))
    return kept


def told(frames: list[tuple[float, np.ndarray]], harm: Harm | None = None) -> dict[str, float]:
    """Kind → when it was first held; from the middle of the recording on, its frames are harmed."""
    glance, first = Glance(), {}
    rules: list[Rule] = [
        DarkRule(glance=glance),
        FrozenRule(frozen_after_s=10, glance=glance),
        BlurredRule(glance=glance),
        MovedRule(glance=glance),
    ]
    middle_s = frames[len(frames) // 2][0]
    for at_s, picture in frames:
        frame = frame_at(at_s, image=harm(picture) if harm and at_s > middle_s else picture)
        for rule in rules:
            if list(rule.judge(frame, NOBODY)):
                first.setdefault(rule.kind, at_s - middle_s)
    return first


@pytest.mark.parametrize(
    "video",
    [
        "videos/vtest_480x360.mp4",
        "videos/cdnet_highway_320x240.mp4",
        "videos/intel_car-detection.mp4",
        "videos/intel_one-by-one-person-detection.mp4",
        "videos/intel_person-bicycle-car-detection_cut.mp4",
        "videos/nvidia_Retail02_short.mp4",
        "caviar/clips/Browse_WhileWaiting2_f001405-001894.mp4",
        "caviar/clips/Walk3_f000212-000772.mp4",
    ],
)
def test_nothing_is_wrong_with_real_footage(shared: Path, video: str) -> None:
    assert told(footage(shared / "data" / video)) == {}


@pytest.mark.parametrize(
    ("kind", "harm"),
    [
        ("camera.dark", lambda p: (p * 0.04).astype(np.uint8)),
        ("camera.blurred", lambda p: cv2.GaussianBlur(p, (0, 0), 2.5)),
        ("camera.moved", lambda p: np.roll(p, 12, axis=1)),
        ("camera.moved", lambda p: np.ascontiguousarray(p[:, ::-1])),
    ],
)
def test_what_is_done_to_real_footage_is_told_and_nothing_else(shared: Path, kind: str, harm: Harm) -> None:
    first = told(footage(shared / "data/videos/vtest_480x360.mp4"), harm)
    assert set(first) == {kind}
    assert 5 <= first[kind] <= 12


def test_real_footage_that_stands_still_is_frozen(shared: Path) -> None:
    frames = footage(shared / "data/videos/vtest_480x360.mp4")
    last = frames[len(frames) // 2][1]
    assert set(told(frames, lambda _: last)) == {"camera.frozen"}


def test_half_the_light_is_no_trouble(shared: Path) -> None:
    assert told(footage(shared / "data/videos/vtest_480x360.mp4"), lambda p: (p * 0.45).astype(np.uint8)) == {}
