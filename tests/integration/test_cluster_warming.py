"""The house reads a camera that is about to come, itself or in its crew, and goes on behind a frame."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from streamer.assembly.moving import MovingCamera
from streamer.cluster.handover import Handover, LastSeen
from streamer.errors import ConfigError
from streamer.types import AlertChange
from tests.crew import children, eventually
from tests.integration import test_change_house
from tests.integration.test_change_house import (
    WAITS_S,
    a_camera,
    a_config,
    analysed,
    running,
    units,
    wait_for_frames,
    with_cameras,
)

long_street = test_change_house.long_street  # a fixture


@pytest.mark.parametrize("processes", [0, 1])
def test_a_camera_that_is_warm_goes_on_behind_the_last_frame_that_was_seen(
    tmp_path: Path,
    long_street: Path,
    processes: int,
) -> None:
    stays = {"stays": a_camera(long_street)}
    comes = {**stays, "comes": a_camera(long_street, analyse_fps=5)}
    config = a_config(tmp_path, stays, capture={"processes": processes})
    left: list[Handover] = []

    def arrives(moving: MovingCamera) -> list[AlertChange]:
        return moving.arrive(left[0]) if left and moving.camera == "comes" else []

    with running(config, arrives=arrives) as house:
        warming = house.warming
        assert warming is not None
        wait_for_frames(house, "stays")
        wanted = with_cameras(config, comes)
        warming.warm("comes", wanted.cameras["comes"])
        assert set(units(house)) == {"stays"}
        eventually(lambda: warming.warmth() == {"comes": "warm"}, WAITS_S)
        warm = house.warming._cameras._warm["comes"][1].warm  # type: ignore[union-attr,attr-defined]
        eventually(lambda: len(warm._held) > 8, WAITS_S)
        held = [frame.captured_at for frame in tuple(warm._held)]
        left.append(Handover("comes", 0.0, "it moved", seen=LastSeen(held[4])))
        assert house.changing.change(wanted).cameras[0].problem is None
        assert warming.warmth() == {}
        unit = units(house)["comes"]
        eventually(lambda: analysed(house, "comes") > len(held) + 5, WAITS_S)
        counts = unit.ledger.counts()
        assert counts.dropped == {}
        assert counts.skipped["warming"] >= 5  # more where the machine was so slow that some were held too long
        assert unit.status.state().sessions == 1
        eventually(lambda: not [each for each in threading.enumerate() if each.name == "warm:comes"], WAITS_S)
        assert house.changing.change(config).cameras[0].problem is None
        counts = unit.ledger.counts()
        assert counts.waiting == 0
        assert counts.dropped == {}


@pytest.mark.parametrize("processes", [0, 1])
def test_what_is_warm_and_never_comes_leaves_nothing_behind(
    tmp_path: Path,
    long_street: Path,
    processes: int,
) -> None:
    stays = {"stays": a_camera(long_street)}
    comes = {**stays, "comes": a_camera(long_street, clips={"before_s": 1, "after_s": 1})}
    config = a_config(tmp_path, stays, capture={"processes": processes})
    with running(config) as house:
        wait_for_frames(house, "stays")
        before = {thread.name for thread in threading.enumerate()}, children()
        camera = with_cameras(config, comes).cameras["comes"]
        assert house.warming is not None
        for _ in range(3):
            house.warming.warm("comes", camera)
            eventually(lambda: house.warming.warmth() == {"comes": "warm"}, WAITS_S)  # type: ignore[union-attr]
            house.warming.cool("comes")
            assert house.warming.warmth() == {}
        eventually(lambda: {thread.name for thread in threading.enumerate()} <= before[0], WAITS_S)
        assert children() <= before[1]
        assert set(units(house)) == {"stays"}
        assert units(house)["stays"].ledger.counts().dropped == {}
        unfit = camera.model_copy(update={"pace": "demand"})
        with pytest.raises((ValueError, ConfigError), match="recording"):
            house.warming.warm("comes", unfit)
        gone = camera.model_copy(update={"url": str(tmp_path / "none.mp4")})
        house.warming.warm("comes", gone)
        eventually(lambda: house.warming.warmth() == {"comes": "cold"}, WAITS_S)  # type: ignore[union-attr]
        house.warming.cool("comes")
