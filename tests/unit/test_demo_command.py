"""What `streamer demo` understands and what it shows."""

from __future__ import annotations

import argparse
import io
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from streamer.commands.demo import _duration
from streamer.config import load_config
from streamer.demo.script import Ground
from streamer.demo.show import Lines, Screen
from streamer.demo.watch import Addresses, posts, write_configuration
from streamer.types import AlertChange, ChangeType

ADDRESSES = Addresses(
    redis="redis://127.0.0.1:7000/0",
    metrics="http://127.0.0.1:7001/metrics",
    cameras={"gate": "rtsp://127.0.0.1:7002/gate.mp4"},
    folder=Path("demo"),
)


def change(kind: ChangeType, *, seq: int = 1, at: float = 100.0) -> AlertChange:
    return AlertChange(
        id="a1", seq=seq, type=kind, camera="gate", session="s", rule="yard-intrusion", kind="intrusion",
        severity="critical", started_at=100.0, at=at, media_s=3.0, score=0.9, reason={"text": "person is in yard"},
    )  # fmt: skip


@pytest.mark.parametrize(("text", "seconds"), [("45s", 45), ("2m", 120), ("1.5min", 90), ("90", 90), ("1h", 3600)])
def test_durations_are_read_as_people_write_them(text: str, seconds: float) -> None:
    assert _duration(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-3s", "0s", "3 weeks"])
def test_other_durations_are_refused_with_an_example(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="45s"):
        _duration(text)


def test_the_screen_shows_cameras_counts_and_an_alert_through_its_life() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=140, height=50)
    reports: Mapping[str, Mapping[str, Any]] = {
        "gate": {
            "link": "online",
            "fps": 4.96,
            "frames": {"received": 50, "analysed": 25, "skipped": {"rate": 24}, "dropped": {"stale": 1}, "waiting": 0},
        }
    }
    with Screen(console) as screen:
        screen.begins(ADDRESSES)
        screen.cameras(reports)
        screen.change(change("opened"), after_s=7.25)
        while_open = _text(console, screen)
        screen.change(change("closed", seq=2, at=112.0), after_s=19.0)
        afterwards = _text(console, screen)
    for shown in ("online", "5.0", "50", "25", "24", "person is in yard", "7.2 s", "http://127.0.0.1:7001/metrics"):
        assert shown in while_open
    assert "closed after 12 s" in afterwards
    assert "closed" not in while_open


def _text(console: Console, screen: Screen) -> str:
    with console.capture() as caught:
        console.print(screen._drawing())
    return caught.get()


def test_lines_tell_each_alert_once() -> None:
    out = io.StringIO()
    lines = Lines(out)
    lines.begins(ADDRESSES)
    for each in (change("opened"), change("updated", seq=2), change("closed", seq=3)):
        lines.change(each, after_s=7.25)
    assert out.getvalue().count("person is in yard") == 1


def test_the_demos_configuration_is_one_that_a_user_could_have_written(tmp_path: Path) -> None:
    watched = posts(Ground())
    rtsp = {camera: f"rtsp://127.0.0.1:7002/{camera}.mp4?play_count=0" for camera in watched}
    addresses = Addresses(ADDRESSES.redis, ADDRESSES.metrics, rtsp, tmp_path)
    path = tmp_path / "demo.yaml"
    write_configuration(path, watched, addresses, 7001, tmp_path / "model", tmp_path / "data", 20_000)
    config = load_config(path)
    assert set(config.cameras) == set(watched) == set(yaml.safe_load(path.read_text())["cameras"])
    for camera, post in watched.items():
        assert [rule.name for rule in config.cameras[camera].rules] == [rule["name"] for rule in post.rules]


def test_the_demo_says_where_its_console_is_where_there_is_one(tmp_path: Path) -> None:
    for web_port, shown in ((None, False), (7003, True)):
        out = io.StringIO()
        console = web_port and f"http://127.0.0.1:{web_port}"
        Lines(out).begins(replace(ADDRESSES, console=console))
        assert ("console at http://127.0.0.1:7003" in out.getvalue()) == shown
        path = tmp_path / "demo.yaml"
        write_configuration(
            path, {"gate": posts(Ground())["gate"]}, ADDRESSES, 7001, tmp_path, tmp_path, 1000, web_port
        )
        web = load_config(path).web
        assert (web and web.port) == web_port
