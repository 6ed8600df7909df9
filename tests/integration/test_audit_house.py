"""The audit log of a service: its own beginning and end, and what machines ask of it."""

from __future__ import annotations

import http.client
from pathlib import Path

from streamer.assembly.house import open_house
from streamer.audit.reading import Asked, newest_first, verify
from streamer.clock import SystemClock
from streamer.config import Config
from tests.rtsp import free_port


def test_who_woke_a_camera_is_known_and_so_is_when_the_service_ran(tmp_path: Path, street: Path) -> None:
    port = free_port()
    config = Config.model_validate(
        {
            "cameras": {"gate": {"url": str(street), "pace": "realtime", "loop": True}},
            "http": {"port": port},
            "data_dir": tmp_path / "data",
        }
    )
    with open_house(config, SystemClock(), "test"):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("POST", "/cameras/gate/wake", '{"for_s": 5}')
        assert connection.getresponse().status == 200
        connection.close()
    entries = [
        (each["who"], each["role"], each["did"], each["what"]) for each in newest_first(config.data_dir, Asked())
    ]
    assert entries[::-1] == [
        ("streamer", "service", "started", "with 1 cameras"),
        ("http", "machine", "woke", "gate for 5 s"),
        ("streamer", "service", "stopped", "the service"),
    ]
    assert not verify(config.data_dir).problems
