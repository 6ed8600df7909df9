"""The promise that everything else leans on: `replay` is the specification of `run`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.living import follow, one_camera, published, replayed, running, told
from tests.redis_server import RedisServer
from tests.rtsp import aio_rtsp_server

RULES = {
    "zones": {
        "left": [[0, 0], [0.5, 0], [0.5, 1], [0, 1]],
        "right": [[0.5, 0], [1, 0], [1, 1], [0.5, 1]],
    },
    "lines": {"middle": [[0.5, 0], [0.5, 1]]},
    "rules": [
        {"name": "in-left", "kind": "intrusion", "zone": "left", "labels": ["person"], "min_score": 0.4},
        {"name": "stays", "kind": "loitering", "zone": "right", "dwell_s": 3, "labels": ["person"]},
        {"name": "crosses", "kind": "line_crossing", "line": "middle"},
        {"name": "any", "kind": "occupancy", "zone": "right", "above": 1},
    ],
}


def a_config(folder: Path, redis_url: str, **camera: Any) -> Path:
    return one_camera(folder, redis_url, **RULES, **camera)


def test_recordings_through_the_threaded_service_give_the_same_ids(tmp_path, street):
    with RedisServer(tmp_path / "redis") as redis:
        config = a_config(tmp_path, redis.url, url=str(street))
        _, expected = replayed(street, config, tmp_path / "out.jsonl")
        with running(config) as service:
            assert service.wait(60) == 0, config.with_suffix(".log").read_text()
        seen = published(redis.url)
        assert len(expected) > 4
        assert [identity(c) for c in seen] == [identity(c) for c in expected]
        # The same recording once more: its alerts are known and nothing is sent twice.
        with running(config) as service:
            assert service.wait(60) == 0
        assert len(published(redis.url)) == len(seen)


def test_a_camera_over_rtsp_gives_the_alerts_of_its_recording(tmp_path, street):
    with RedisServer(tmp_path / "redis") as redis, aio_rtsp_server(street.parent) as rtsp:
        config = a_config(tmp_path, redis.url, url=rtsp.url(street.name))
        frames, expected = replayed(street, config, tmp_path / "out.jsonl")
        expected_told = [told(c) for c in expected]
        first_session: list[dict[str, Any]] = []

        def all_there(changes: list[dict[str, Any]]) -> bool:
            alerts = [c for c in changes if c["change"] != "evidence"]  # a recording has no clips: it is one
            first_session[:] = [c for c in alerts if c["session"] == alerts[0]["session"]]
            return len(first_session) >= len(expected)

        with running(config):
            follow(redis.url, all_there, within_s=60)
        assert [told(c) for c in first_session] == expected_told
        interval_s = frames[1]["media_s"] - frames[0]["media_s"]
        for live, recorded in zip(first_session, expected, strict=True):
            assert abs(live["media_s"] - recorded["media_s"]) <= interval_s
            assert live["box"] == pytest.approx(recorded["box"], abs=0.02) if recorded["box"] else live["box"] is None


def identity(change: dict[str, Any]) -> tuple[str, int, str, float]:
    return change["id"], change["seq"], change["change"], change["at"]
