"""What a configuration may say about privacy, and what it may not leave unsaid."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from streamer.assembly.camera import camera_options, config_hash
from streamer.assembly.crew import may_be_crewed
from streamer.assembly.footage import footage_orders
from streamer.assembly.privacy import check_privacy, privacy_of, raw_pictures_allowed
from streamer.config import CameraConfig, Config
from streamer.errors import ConfigError

MASK = [[0.5, 0.0], [1.0, 0.0], [1.0, 0.5], [0.5, 0.5]]


def camera(privacy: dict[str, Any] | None = None, **more: Any) -> CameraConfig:
    return CameraConfig.model_validate({"url": "rtsp://127.0.0.1/gate", "privacy": privacy or {}, **more})


def house(folder: Path, gate: CameraConfig) -> Config:
    return Config.model_validate({"cameras": {"gate": gate}, "data_dir": folder})


def test_without_a_word_about_it_nothing_is_hidden(tmp_path: Path) -> None:
    gate = camera()
    assert not privacy_of(gate).hides
    assert raw_pictures_allowed(gate)
    assert footage_orders("gate", gate, house(tmp_path, gate)) is not None


@pytest.mark.parametrize("clips", ["none", "redacted", "raw"])
def test_what_is_made_of_packets_is_what_was_asked_for(tmp_path: Path, clips: str) -> None:
    gate = camera({"redact": "heads", "clips": clips})
    orders = footage_orders("gate", gate, house(tmp_path, gate))
    assert raw_pictures_allowed(gate) == (clips == "raw")
    assert (orders is None) == (clips == "none")
    assert orders is None or orders.redacted == (clips == "redacted")
    assert may_be_crewed("gate", gate) == (clips != "redacted")
    assert (privacy_of(gate).no_clip is None) == (clips != "none")


@pytest.mark.parametrize(
    ("privacy", "more", "problem"),
    [
        ({"redact": "heads"}, {"record": {}}, "'record' keeps packets as they came"),
        ({"masks": [MASK], "clips": "redacted"}, {"record": {}}, "'record' keeps packets as they came"),
        ({"masks": [MASK], "clips": "redacted"}, {"footage_url": "rtsp://127.0.0.1/main"}, "leave one of them out"),
        ({"clips": "raw"}, {}, "hides nothing"),
        ({"redact": "heads", "detect_behind_masks": True}, {}, "needs 'masks'"),
        ({"masks": [[[0, 0], [1, 1]]]}, {}, "at least 3 corners"),
        ({"redact": "faces"}, {}, "'none', 'heads' or 'boxes'"),
    ],
)
def test_what_would_show_what_is_hidden_is_refused(privacy: dict[str, Any], more: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        camera(privacy, **more)


def test_recordings_that_may_show_everything_are_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    gate = camera({"redact": "heads", "clips": "raw"}, record={})
    with caplog.at_level(logging.WARNING):
        check_privacy(house(tmp_path, gate), ("person", "car"), "c.yaml")
    assert "clips and recordings show what 'privacy' hides" in caplog.text


def test_people_whom_the_model_cannot_find_cannot_be_hidden(tmp_path: Path) -> None:
    gate = camera({"redact": "boxes", "labels": ["person", "face"]})
    with pytest.raises(ConfigError, match="the model knows no 'face', so it could not be hidden"):
        check_privacy(house(tmp_path, gate), ("person", "car"), "c.yaml")


def test_masks_that_the_model_does_not_see_behind_are_part_of_what_judged(tmp_path: Path) -> None:
    """The alerts are others, so their hash is; and motion there wakes nobody."""
    plain, masked = camera(), camera({"masks": [MASK]})
    behind = camera({"masks": [MASK], "detect_behind_masks": True})
    hashes = [config_hash(each, house(tmp_path, each)) for each in (plain, masked, behind)]
    assert hashes[0] == hashes[2] != hashes[1]
    assert [len(camera_options("gate", each).motion_masks) for each in (plain, masked, behind)] == [0, 1, 0]
