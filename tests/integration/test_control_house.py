"""The whole service hears what is asked of it, over Redis and over HTTP, and names the thread that listens."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

from redis import Redis

from streamer.assembly.house import open_house
from streamer.bell import WakeBell
from streamer.clock import SystemClock
from streamer.config import Config
from streamer.control.command import WakeCommand
from streamer.control.redis_commands import CommandListener
from streamer.surroundings import Surroundings
from tests.fakes import SquareWorld
from tests.redis_server import RedisServer


class Idle(SquareWorld):
    """A camera that sends nothing until it is closed."""

    def frames(self) -> Any:
        self._stop.wait()
        return
        yield


def a_config(folder: Path, redis_url: str) -> Config:
    return Config.model_validate(
        {
            "cameras": {"gate": {"url": "memory"}, "yard": {"url": "memory"}},
            "redis": {"url": redis_url},
            "http": {"port": 0},
            "data_dir": str(folder / "data"),
        }
    )


def eventually(condition: Any, within_s: float = 15.0) -> None:
    deadline_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline_s, "it did not happen"
        time.sleep(0.02)


def test_cameras_of_a_running_service_are_woken_over_redis_and_over_http(tmp_path):
    bells: dict[str, WakeBell] = {}

    def idle(name: str, camera: Any, fit: Any, around: Surroundings, clock: Any) -> Idle:
        bells[name] = around.bell
        return Idle(name, around.ledger, demand_paced=False)

    with RedisServer(tmp_path / "redis") as redis:
        config = a_config(tmp_path, redis.url)
        with open_house(config, SystemClock(), "test", make_source=idle) as house:
            ended = threading.Thread(target=house.service.run)
            ended.start()
            try:
                request = urllib.request.Request(f"{house.telemetry.address}/cameras/gate/wake", b"", method="POST")
                with urllib.request.urlopen(request, timeout=5) as answer:
                    assert json.load(answer)["woken"] == ["gate"]
                assert bells["gate"].rung(time.monotonic())
                assert not bells["yard"].rung(time.monotonic())
                with Redis.from_url(redis.url) as client:
                    eventually(lambda: _asked(client, "yard") and bells["yard"].rung(time.monotonic()))
            finally:
                house.service.stop()
                ended.join(20)
        assert "listen:commands" not in {thread.name for thread in threading.enumerate()}


def _asked(client: Any, camera: str) -> bool:
    """Again and again, because nobody tells when the listener has begun."""
    client.xadd("streamer:commands", WakeCommand(camera, time.time(), 20.0).fields())
    return True


def test_a_listener_that_dies_of_a_bug_ends_the_service_and_is_named(tmp_path, monkeypatch):
    def broken(self: CommandListener) -> None:
        raise AssertionError("a bug")

    monkeypatch.setattr(CommandListener, "_find_place", broken)
    with RedisServer(tmp_path / "redis") as redis:
        config = a_config(tmp_path, redis.url)
        with open_house(
            config, SystemClock(), "test", make_source=lambda name, _, __, around, ___: Idle(name, around.ledger)
        ) as house:
            report = house.service.run()
    assert set(report.failed) == {"listen:commands"}
    assert not report.clean
