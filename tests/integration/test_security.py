"""What docs/security.md promises and no other test holds: looked at from outside, at a service that runs."""

from __future__ import annotations

import json
import os
import socket
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from redis import Redis

from streamer.demo.servers import free_port
from streamer.web.access import Role
from streamer.web.server import ConsoleServer
from tests.clips import write_clip
from tests.console_server import TOKENS, served
from tests.living import running
from tests.redis_server import RedisServer

REDIS_SECRET, CAMERA_SECRET, KEY_SECRET = "Redis-Secret-4711", "Camera-Secret-0815", "Alert-Key-Secret-1234567"
SECRETS = (REDIS_SECRET, CAMERA_SECRET, KEY_SECRET)
DEADLINE_S = 60.0


def children(pid: int) -> Iterator[int]:
    """The process and all below it."""
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from children(int(child))


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="Linux tells about processes in /proc")
def test_no_secret_is_in_logs_metrics_answers_process_list_or_redis_and_no_core_is_left(tmp_path: Path) -> None:
    (tmp_path / "camera-password").write_text(CAMERA_SECRET)
    (tmp_path / "redis-password").write_text(REDIS_SECRET)
    (tmp_path / "alert-key").write_text(KEY_SECRET)
    clip = write_clip(tmp_path / "clip.mp4", frames=20)
    port = free_port()
    with RedisServer(tmp_path / "redis", password=REDIS_SECRET) as redis:
        config = {
            "cameras": {
                # nobody answers there: its trouble is logged, with its address
                "gate": {"url": f"rtsp://admin:${{file:{tmp_path}/camera-password}}@127.0.0.1:{free_port()}/live"},
                "yard": {"url": str(clip), "pace": "realtime", "loop": True},
            },
            "redis": {
                "url": f"redis://:${{file:{tmp_path}/redis-password}}@127.0.0.1:{redis.port}/0",
                "signing_key": f"${{file:{tmp_path}/alert-key}}",
            },
            "capture": {"processes": 1},
            "http": {"port": port},
            "data_dir": str(tmp_path / "data"),
        }
        (tmp_path / "streamer.yaml").write_text(yaml.safe_dump(config))
        with running(tmp_path / "streamer.yaml") as service:
            pages, deadline_s = "", time.monotonic() + DEADLINE_S
            while '"offline"' not in pages or '"online"' not in pages:
                assert time.monotonic() < deadline_s, pages
                time.sleep(0.2)
                try:
                    pages = "".join(
                        urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10).read().decode()
                        for path in ("/readyz", "/metrics", "/livez")
                    )
                except OSError:
                    continue
            everybody = list(children(service.pid))
            assert len(everybody) >= 2  # a capture process is among them
            for pid in everybody:
                told = Path(f"/proc/{pid}/cmdline").read_bytes() + Path(f"/proc/{pid}/environ").read_bytes()
                assert not [secret for secret in SECRETS if secret.encode() in told], pid
                limits = Path(f"/proc/{pid}/limits").read_text()
                [core] = [line.split() for line in limits.splitlines() if line.startswith("Max core file size")]
                assert core[4] == "0", pid
            with Redis.from_url(redis.url) as client:
                held = repr([(key, client.dump(key)) for key in client.keys("*")])
            service.terminate()
            service.wait(DEADLINE_S)
            log = (tmp_path / "streamer.log").read_text(errors="replace")
    assert "gate" in log + pages
    for place, text in {"the log": log, "the pages": pages, "Redis": held}.items():
        assert not [secret for secret in SECRETS if secret in text], place


def test_a_client_that_sends_its_request_byte_by_byte_is_let_go_and_others_are_served(tmp_path: Path) -> None:
    with served(tmp_path) as console:
        server = ConsoleServer(console.parts, "127.0.0.1", 0, request_within_s=1.0)
        port = int(server.address.rpartition(":")[2])
        try:
            slow = []
            for begin in (
                b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ",
                b"",
                b"POST /api/login HTTP/1.1\r\nHost: x\r\nContent-Length: 400\r\n\r\n{",
            ):
                slow.append(socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S))
                slow[-1].sendall(begin)
            with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S) as other:
                other.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                assert other.recv(20).startswith(b"HTTP/1.1 200")
            for connection in slow:
                while connection.recv(4096):  # at most an answer that says no; then the end
                    pass
                connection.close()
        finally:
            server.close()


def test_an_answer_may_take_as_long_as_it_likes(tmp_path: Path) -> None:
    with served(tmp_path) as console:
        server = ConsoleServer(console.parts, "127.0.0.1", 0, request_within_s=0.3)
        try:
            request = urllib.request.Request(
                f"{server.address}/api/events", headers={"Authorization": f"Bearer {TOKENS[Role.VIEWER]}"}
            )
            with urllib.request.urlopen(request, timeout=DEADLINE_S) as stream:
                begun_s = time.monotonic()
                while time.monotonic() - begun_s < 1.2:
                    assert stream.readline()
        finally:
            server.close()


def test_every_answer_forbids_frames_guessing_of_types_and_scripts_from_elsewhere(tmp_path: Path) -> None:
    with served(tmp_path) as console:
        for path in ("/", "/api/alerts", "/nothing", "/static/js/main.js"):
            headers = console.get(path).headers
            policy = headers["content-security-policy"]
            assert "unsafe-inline" not in policy
            assert "unsafe-eval" not in policy
            assert "default-src 'self'" in policy
            assert "frame-ancestors 'none'" in policy
            assert headers["x-frame-options"] == "DENY"
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize(
    "path",
    [
        "/static/../../pyproject.toml",
        "/static/..%2f..%2fpyproject.toml",
        "/static/%2e%2e/%2e%2e/app.py",
        "/static//etc/passwd",
        "/api/alerts/..%2f..%2fconsole.db/snapshot.jpg",
        "/api/cameras/..%2f..%2fetc/picture.jpg",
    ],
)
def test_no_path_leads_out_of_the_folders_that_are_served(tmp_path: Path, path: str) -> None:
    with served(tmp_path) as console:
        answer = console.get(path, Role.ADMIN)
    assert answer.status in (400, 404, 405)
    assert b"root:" not in answer.body
    assert b"[project]" not in answer.body


def test_a_log_in_begins_a_session_of_its_own_whatever_cookie_was_sent(tmp_path: Path) -> None:
    with served(tmp_path) as console:
        planted = "streamer_session=planted-by-somebody-else"
        answer = console.ask(
            "POST", "/api/login", {"user": "viewer-user", "password": "correct horse battery"}, Cookie=planted
        )
        assert answer.status == 200
        given = answer.headers["set-cookie"]
        assert "planted" not in given
        assert "HttpOnly" in given
        assert console.ask("GET", "/api/session", Cookie=planted).status == 401
        assert json.loads(answer.body)
        assert os.environ.get("STREAMER_SESSION") is None
