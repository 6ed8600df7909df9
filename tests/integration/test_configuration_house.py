"""The configuration of a service that runs: watched, brought in by command, and tried beside it."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from streamer.assembly.trial import Trials
from streamer.cli import main
from streamer.config.model import CameraConfig
from tests.console import wait_until_served, with_console
from tests.living import one_camera, running

pytestmark = pytest.mark.timeout(300)


def eventually(is_so: Callable[[], bool], why: Callable[[], str], within_s: float = 90.0) -> None:
    deadline_s, tick = time.monotonic() + within_s, threading.Event()
    while not is_so():
        assert time.monotonic() < deadline_s, why()
        tick.wait(0.1)


def cameras_at(address: str) -> dict[str, dict[str, object]]:
    with urllib.request.urlopen(f"{address}/api/cameras", timeout=10) as answer:
        return {each["name"]: each for each in json.load(answer)["cameras"]}


def a_config(folder: Path, street: Path) -> tuple[Path, str]:
    config = one_camera(folder, "redis://127.0.0.1:1", url=str(street), pace="realtime", loop=True)
    return config, with_console(config, users={})


def with_yard(config: Path, street: Path) -> str:
    settings = yaml.safe_load(config.read_text())
    settings["cameras"]["yard"] = {"url": str(street), "pace": "realtime", "loop": True}
    return yaml.safe_dump(settings)


def test_a_watched_file_is_brought_in_and_a_broken_one_is_not(tmp_path: Path, street: Path) -> None:
    config, address = a_config(tmp_path, street)
    log = config.with_suffix(".log")
    with running(config, "--watch") as service:
        wait_until_served(address)
        config.write_text(with_yard(config, street))
        eventually(lambda: "yard" in cameras_at(address), log.read_text)
        eventually(
            lambda: (cameras_at(address)["yard"]["state"] or {}).get("frames", {}).get("analysed", 0) > 0, log.read_text
        )
        config.write_text(config.read_text().replace("yard:", "yard: {ulr: x}\n  shed:"))
        eventually(lambda: "what ran before runs on" in log.read_text(), log.read_text)
        assert "cameras.yard.ulr: unknown key; did you mean 'url'?" in log.read_text()
        assert set(cameras_at(address)) == {"gate", "yard"}
        service.terminate()
        assert service.wait(20) == 0


def test_a_signal_brings_the_file_in_at_once_where_the_service_has_no_terminal(tmp_path: Path, street: Path) -> None:
    config, address = a_config(tmp_path, street)
    with running(config) as service:
        wait_until_served(address)
        config.write_text(with_yard(config, street))
        os.kill(service.pid, signal.SIGHUP)
        eventually(lambda: "yard" in cameras_at(address), config.with_suffix(".log").read_text)
        assert service.poll() is None


def test_apply_changes_the_running_service_and_its_file_and_rollback_takes_it_back(
    tmp_path: Path, street: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, address = a_config(tmp_path, street)
    settings = yaml.safe_load(config.read_text())
    settings["web"]["allow_sources"] = ["files"]
    config.write_text(yaml.safe_dump(settings))
    before = config.read_text()
    wanted = tmp_path / "wanted.yaml"
    wanted.write_text("# with a yard\n" + with_yard(config, street))
    with running(config, "--redis", "redis://127.0.0.1:2"):  # what the command line overrules is no change
        wait_until_served(address)
        assert main(["plan", str(wanted), "--service", address]) == 0
        assert "+ yard  added" in capsys.readouterr().out
        assert main(["apply", str(wanted), "--service", address]) == 0
        told = capsys.readouterr().out
        assert "applied; it is number 2" in told
        assert "redis" not in told
        assert set(cameras_at(address)) == {"gate", "yard"}
        assert config.read_text() == wanted.read_text()
        assert main(["config", "rollback", "1", "--service", address]) == 0
        assert set(cameras_at(address)) == {"gate"}
        assert config.read_text() == before


def test_a_drawn_zone_is_in_force_at_once(tmp_path: Path, street: Path) -> None:
    config, address = a_config(tmp_path, street)
    with running(config):
        wait_until_served(address)
        with urllib.request.urlopen(f"{address}/api/session", timeout=10) as answer:
            csrf = json.load(answer)["csrf"]
        with urllib.request.urlopen(f"{address}/api/cameras/gate/places", timeout=10) as answer:
            version = json.load(answer)["version"]
        body = {
            "zones": {"all": [[0, 0], [1, 0], [1, 1], [0, 1]]},
            "rules": [{"name": "in", "kind": "intrusion", "zone": "all", "labels": ["person"], "min_score": 0.4}],
            "version": version,
        }
        headers = {"Content-Type": "application/json", "X-CSRF-Token": csrf}
        path = f"{address}/api/cameras/gate/places"
        request = urllib.request.Request(path, json.dumps(body).encode(), headers, method="PUT")
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert json.load(answer)["in_force"]
        assert [rule["name"] for rule in cameras_at(address)["gate"]["rules"]] == ["in"]

        def alerts() -> int:
            with urllib.request.urlopen(f"{address}/api/alerts?kind=intrusion", timeout=10) as answer:
                return len(json.load(answer)["alerts"])

        eventually(lambda: alerts() > 0, config.with_suffix(".log").read_text)


def test_a_camera_that_is_tried_shows_its_picture_or_why_not(street: Path, tmp_path: Path) -> None:
    trials = Trials()
    found = trials.of("new", CameraConfig(url=str(street)))
    assert (found.ok, (found.jpeg or b"")[:2]) == (True, b"\xff\xd8"), found.said
    assert "the first picture after" in found.said
    gone = trials.of("new", CameraConfig(url=str(tmp_path / "gone.mp4")))
    assert (gone.ok, gone.jpeg) == (False, None)
    assert "new" in gone.said
    no_video = tmp_path / "no.mp4"
    no_video.write_bytes(os.urandom(5000))
    assert not trials.of("new", CameraConfig(url=str(no_video))).ok
