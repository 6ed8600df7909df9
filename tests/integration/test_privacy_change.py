"""Privacy that is switched on while the service runs is in force at once, also for what was seen before."""

from __future__ import annotations

import http.client
import threading
from pathlib import Path

import cv2
import numpy as np

from streamer.assembly.house import House, open_house
from streamer.clock import SystemClock
from streamer.config import Config
from tests.crew import eventually
from tests.rtsp import free_port

LEFT = [[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]]


def picture(port: int) -> np.ndarray | None:
    """The newest that the console shows, if there is one."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/api/cameras/gate/picture.jpg")
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR) if answer.status == 200 else None


def is_masked(shown: np.ndarray) -> bool:
    return float(shown[:, : shown.shape[1] // 2 - 4].max()) < 30


def test_nobody_sees_what_was_seen_before_a_mask_was_drawn(tmp_path: Path, street: Path) -> None:
    port = free_port()
    camera = {"url": str(street), "pace": "realtime", "loop": True, "decode": "always", "clips": None}
    settings = {"http": None, "web": {"port": port}, "data_dir": str(tmp_path / "data"), "shutdown_s": 60}
    settings["inference"] = {"max_age_s": 60, "depth": 200, "when_full": "admit"}
    config = Config.model_validate({"cameras": {"gate": camera}, **settings})
    private = Config.model_validate({"cameras": {"gate": {**camera, "privacy": {"masks": [LEFT]}}}, **settings})
    with open_house(config, SystemClock(), "test") as house:
        service = threading.Thread(target=house.service.run)
        service.start()
        try:
            shown = eventually(lambda: [each for each in [picture(port)] if each is not None], 120)[0]
            assert not is_masked(shown)
            assert changed(house, private)
            first = picture(port)  # at once: none, or a masked one
            assert first is None or is_masked(first)
            eventually(lambda: picture(port) is not None, 120)
            assert is_masked(eventually(lambda: [picture(port)])[0])
            assert changed(house, config)
            eventually(lambda: (newest := picture(port)) is not None and not is_masked(newest), 120)
        finally:
            house.service.stop()
            service.join(90)


def changed(house: House, wanted: Config) -> bool:
    assert house.changing is not None
    [outcome] = house.changing.change(wanted).cameras
    return outcome.problem is None
