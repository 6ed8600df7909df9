"""A service ends in time whatever hangs around it, and begins again where it was."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from streamer.chaos.camera.server import ScriptedCamera
from streamer.chaos.disk import SmallDisk, problem_with_mounting
from streamer.chaos.redis_server import RedisServer
from streamer.errors import ConfigError
from streamer.room import require_room
from tests.chaos import CAMERA, clips
from tests.conftest import ROOT
from tests.crew import eventually
from tests.living import follow, running, write_config

PROMISED_S = 5.0
ON_A_BUSY_MACHINE_S = 15.0


def two_cameras(folder: Path, redis: RedisServer, hung: ScriptedCamera, well: ScriptedCamera, processes: int) -> Path:
    return write_config(
        folder / "c.yaml",
        redis={"url": redis.url},
        data_dir=str(folder / "data"),
        shutdown_s=PROMISED_S,
        capture={"processes": processes},
        inference={"max_age_s": 30, "depth": 200},
        cameras={"hung": {**CAMERA, "url": hung.url}, "well": {**CAMERA, "url": well.url}},
    )


@pytest.mark.parametrize("processes", [0, 1])
def test_a_service_with_a_hung_camera_and_a_hung_redis_ends_in_time(tmp_path: Path, processes: int) -> None:
    with (
        ScriptedCamera(clips()) as hung,
        ScriptedCamera(clips()) as well,
        RedisServer(tmp_path / "redis") as redis,
        running(two_cameras(tmp_path, redis, hung, well, processes)) as service,
    ):
        follow(redis.url, lambda changes: len({change["camera"] for change in changes}) == 2, within_s=90)
        hung.do("mute")
        redis.freeze()
        log = tmp_path / "c.log"
        eventually(lambda: "alerts wait for redis" in log.read_text(), within_s=60)
        service.send_signal(signal.SIGTERM)
        began_s = time.monotonic()
        assert service.wait(60) in (0, 1)
        assert time.monotonic() - began_s < ON_A_BUSY_MACHINE_S
        assert "Traceback" not in log.read_text()
        redis.thaw()


def test_what_a_hung_redis_did_not_take_before_the_end_it_gets_after_the_next_start(tmp_path: Path) -> None:
    with (
        ScriptedCamera(clips()) as hung,
        ScriptedCamera(clips()) as well,
        RedisServer(tmp_path / "redis") as redis,
    ):
        config = two_cameras(tmp_path, redis, hung, well, 0)
        with running(config) as service:
            before = follow(redis.url, lambda changes: len(changes) >= 3, within_s=90)
            redis.freeze()
            eventually(lambda: "alerts wait for redis" in (tmp_path / "c.log").read_text(), within_s=60)
            service.send_signal(signal.SIGTERM)
            service.wait(60)
            redis.thaw()
        opened = {change["id"] for change in before}
        with running(config):
            after = follow(
                redis.url,
                lambda changes: opened <= {c["id"] for c in changes if c["change"] in ("closed", "evidence")},
                within_s=90,
            )
    names = [(change["id"], change["seq"]) for change in after]
    assert len(names) == len(set(names))
    for each in opened:
        numbers = [seq for id_, seq in names if id_ == each]
        assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.skipif(problem_with_mounting() is not None, reason=problem_with_mounting() or "")
def test_evidence_leaves_room_for_alerts(tmp_path: Path) -> None:
    with SmallDisk(tmp_path / "disk", size_mb=8) as disk:
        require_room(disk.folder)
        disk.fill(but_bytes=300_000)
        with pytest.raises(OSError, match="are kept for alerts"):
            require_room(disk.folder)
        disk.free()
        require_room(disk.folder)
        disk.fill()
        with pytest.raises(OSError, match="No space left"):
            (disk.folder / "one").write_bytes(b"1")


@pytest.mark.skipif(problem_with_mounting() is not None, reason=problem_with_mounting() or "")
def test_a_data_folder_on_a_read_only_disk_is_refused_with_a_sentence(tmp_path: Path) -> None:
    with ScriptedCamera(clips()) as camera, RedisServer(tmp_path / "redis") as redis, SmallDisk(tmp_path / "data"):
        subprocess.run(["mount", "-o", "remount,ro", str(tmp_path / "data")], check=True)
        config = two_cameras(tmp_path, redis, camera, camera, 0)
        with running(config) as service:
            assert service.wait(60) in (ConfigError.exit_code, 1)
        said = (tmp_path / "c.log").read_text()
        assert "Read-only file system" in said
        assert "Traceback" not in said


NO_FILES = """
import resource, socket, time
from prometheus_client import CollectorRegistry
from streamer.telemetry.http import Health, TelemetryServer

server = TelemetryServer("127.0.0.1", 0, CollectorRegistry(), live=lambda: Health(True), ready=lambda: Health(True))
client = socket.socket()
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (client.fileno() + 1, hard))
client.connect(("127.0.0.1", int(server.address.rsplit(":", 1)[1])))  # the kernel takes it, the server cannot
client.sendall(b"GET /livez HTTP/1.0\\r\\n\\r\\n")
spent_s, began_s = time.process_time(), time.monotonic()
while time.monotonic() - began_s < 2.0:
    time.sleep(0.1)
print(time.process_time() - spent_s)
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
print(client.recv(64))
"""


def test_a_page_that_nobody_can_be_let_in_to_costs_no_core_meanwhile() -> None:
    """The server asked for the waiting client again and again, as fast as it could."""
    done = subprocess.run([sys.executable, "-c", NO_FILES], capture_output=True, text=True, check=True, cwd=ROOT)
    spent, answer = done.stdout.split("\n", 1)
    assert float(spent) < 0.5
    assert "200 OK" in answer
