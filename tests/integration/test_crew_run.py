"""The whole service with its cameras in worker processes: the same alerts, and whatever dies there comes back."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from streamer.zoo import bundled_model
from tests.crew import eventually
from tests.living import Changes, follow, published, running, told, write_config
from tests.redis_server import RedisServer
from tests.rtsp import aio_rtsp_server

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through /proc")

EVERYWHERE = {
    "zones": {"all": [[0, 0], [1, 0], [1, 1], [0, 1]]},
    "rules": [{"name": "in", "kind": "intrusion", "zone": "all", "labels": ["person"], "min_score": 0.4}],
}


def a_config(folder: Path, redis_url: str, video: Path | str, processes: int, **camera: Any) -> Path:
    folder.mkdir(exist_ok=True)
    return write_config(
        folder / "c.yaml",
        model={"path": str(bundled_model())},
        redis={"url": redis_url},
        data_dir=str(folder / "data"),
        inference={"max_age_s": 30, "depth": 200},  # a busy test machine must not drop what is compared
        shutdown_s=60,  # nor leave behind what it had no time for yet
        capture={"processes": processes},
        cameras={"gate": {"url": str(video), "pace": "realtime", "analyse_fps": 5, **EVERYWHERE, **camera}},
    )


def test_a_file_played_in_real_time_gives_the_same_alerts_in_a_member_as_in_the_house(tmp_path, street):
    seen: list[Changes] = []
    for processes in (0, 1):
        folder = tmp_path / str(processes)
        folder.mkdir()
        with RedisServer(folder / "redis") as redis:
            config = a_config(folder, redis.url, street, processes, clips=None)
            with running(config) as service:
                assert service.wait(90) == 0, config.with_suffix(".log").read_text()
            seen.append(published(redis.url))
    here, there = seen
    assert len(here) > 4
    assert [told(change) for change in there] == [told(change) for change in here]
    for one, other in zip(here, there, strict=True):
        assert one["media_s"] == pytest.approx(other["media_s"])
        assert one["box"] == (pytest.approx(other["box"], abs=0.001) if other["box"] else None)
        assert bool(one["snapshot"]) == bool(other["snapshot"])


def test_every_alert_has_its_clip_and_its_hash_where_a_member_has_the_packets(tmp_path, street):
    with RedisServer(tmp_path / "redis") as redis, aio_rtsp_server(street.parent) as rtsp:
        clips = {"before_s": 1, "after_s": 2}
        config = a_config(tmp_path / "run", redis.url, rtsp.url(street.name), 1, pace="live", clips=clips)
        with running(config):
            follow(redis.url, lambda changes: len(_of_pictures(_opened(changes))) >= 2, within_s=90)
        changes = published(redis.url)
    clip_of = {c["id"]: c["clip"] for c in changes if c["clip"]}
    assert set(clip_of) == {c["id"] for c in _of_pictures(_opened(changes))}
    for clip in clip_of.values():
        content = (tmp_path / "run" / "data" / clip["path"]).read_bytes()
        assert (clip["sha256"], clip["bytes"]) == (hashlib.sha256(content).hexdigest(), len(content))


def test_a_service_whose_member_is_killed_goes_on_and_ends_in_order(tmp_path, street):
    with RedisServer(tmp_path / "redis") as redis:
        config = a_config(tmp_path / "run", redis.url, street, 1, loop=True, record={"segment_s": 2})
        with running(config) as service:
            [before] = follow(redis.url, lambda changes: len(_opened(changes)) >= 1, within_s=60)[:1]
            [member] = _children(service.pid)
            os.kill(member, signal.SIGKILL)
            sessions = {before["session"]}
            follow(redis.url, lambda changes: {c["session"] for c in _opened(changes)} - sessions, within_s=60)
            [successor] = eventually(lambda: _children(service.pid))
            assert successor != member
            service.send_signal(signal.SIGTERM)
            assert service.wait(60) == 0, config.with_suffix(".log").read_text()
        log = config.with_suffix(".log").read_text()
        assert "capture process 0 died of SIGKILL; it is started again in 0.5 s, and until then offline: gate" in log
        assert log.count("is online") >= 2  # the members' logs look like the house's
        assert "Traceback" not in log
        assert "resource_tracker" not in log
        changes = published(redis.url)
    assert not Path(f"/proc/{successor}").exists()
    last = {change["id"]: change for change in changes}
    assert all(change["change"] in ("closed", "evidence") for change in last.values())


def _opened(changes: Changes) -> Changes:
    return [c for c in changes if c["change"] == "opened"]


def _of_pictures(changes: Changes) -> Changes:
    return [c for c in changes if not c["kind"].startswith("camera.")]


def _children(pid: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                stat = (entry / "stat").read_text()
                state, parent = stat[stat.rindex(")") + 2 :].split()[:2]
                if int(parent) == pid and state != "Z":
                    found.append(int(entry.name))
    return found
