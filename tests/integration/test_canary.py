"""A known event goes through the whole service and comes back from Redis; where it does not, everybody is told."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from redis import Redis

from streamer.assembly.house import open_house
from streamer.client.subscription import subscribe
from streamer.clock import SystemClock
from streamer.config import Config
from streamer.surroundings import Surroundings
from streamer.wire import CANARY_KIND
from tests.fakes import SquareWorld
from tests.redis_server import RedisServer

DEADLINE_S = 60.0


class Idle(SquareWorld):
    """A camera that sends nothing until it is closed."""

    def frames(self) -> Any:
        self._stop.wait()
        return
        yield


def idle(name: str, camera: Any, fit: Any, around: Surroundings, clock: Any) -> Idle:
    return Idle(name, around.ledger, demand_paced=False)


def eventually(look: Callable[[], Any]) -> Any:
    deadline_s = time.monotonic() + DEADLINE_S
    while not (seen := look()):
        assert time.monotonic() < deadline_s, "it did not happen"
        time.sleep(0.05)
    return seen


def page(address: str, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"{address}{path}", timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_the_canary_comes_back_and_where_it_does_not_everybody_is_told_until_it_does(tmp_path: Path) -> None:
    lines = tmp_path / "alerts.jsonl"
    with RedisServer(tmp_path / "redis") as redis:
        config = Config.model_validate(
            {
                "cameras": {"gate": {"url": "memory"}},
                "redis": {"url": redis.url},
                "canary": {"every_s": 5, "within_s": 4},
                "jsonl": {"path": str(lines)},
                "inference": {"max_age_s": 30},
                "http": {"port": 0},
                "data_dir": str(tmp_path / "data"),
            }
        )
        with open_house(config, SystemClock(), "the test", make_source=idle) as house:
            assert house.telemetry is not None
            address = house.telemetry.address
            running = threading.Thread(target=house.service.run)
            running.start()
            try:
                told = eventually(lambda: json.loads(page(address, "/readyz")[1])["canary"]["seconds"])
                assert told > 0
                eventually(lambda: page(address, "/readyz")[0] == 200)
                assert "streamer_canary_ok 1.0" in page(address, "/metrics")[1]
                assert list(json.loads(page(address, "/readyz")[1])["cameras"]) == ["gate"]  # it is nobody's camera
                assert '"_canary"' not in page(address, "/metrics")[1]
                with Redis.from_url(redis.url) as client:
                    assert b"_canary" not in client.hgetall("streamer:cameras")
                    assert not client.keys("streamer:detections:_canary")
                    assert client.xlen("streamer:alerts") >= 2
                with (
                    subscribe(redis.url, None, start="all") as mine,
                    subscribe(redis.url, None, start="all", kinds={CANARY_KIND}) as asked,
                ):
                    assert mine.receive() is None  # people's programs hear nothing of it
                    assert asked.receive() is not None

                redis.freeze()
                failed = eventually(lambda: page(address, "/readyz") if page(address, "/readyz")[0] == 503 else None)
                assert "has not come back" in json.loads(failed[1])["canary"]["trouble"]
                eventually(lambda: lines.exists() and '"kind":"service.canary"' in lines.read_text(encoding="utf-8"))
                assert "streamer_canary_ok 0.0" in page(address, "/metrics")[1]

                redis.thaw()
                eventually(lambda: page(address, "/readyz")[0] == 200)
                eventually(lambda: '"change":"closed"' in lines.read_text(encoding="utf-8"))
                assert CANARY_KIND not in lines.read_text(encoding="utf-8")
            finally:
                redis.thaw()
                house.service.stop()
                running.join(DEADLINE_S)
