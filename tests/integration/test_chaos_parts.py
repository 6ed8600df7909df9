"""Network, Redis, disk and process of the fault kit: each really fails as it says, and is well again afterwards."""

from __future__ import annotations

import os
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from streamer.chaos.disk import FailingDisk, problem_with_failing
from streamer.chaos.errors import ChaosError
from streamer.chaos.process import SupervisedProcess, limit_files, limit_open_files
from streamer.chaos.proxy import FaultProxy
from streamer.chaos.redis_server import COMMANDS, RedisServer
from streamer.wire import Keys
from tests.conftest import ROOT
from tests.crew import eventually

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="limits of another process can be set on Linux only")


# --- network ----------------------------------------------------------------------------------------------------------


class _Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while content := self.request.recv(65536):
            self.request.sendall(content)


@pytest.fixture
def proxy() -> Iterator[FaultProxy]:
    """A proxy before an echo."""

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), _Echo) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with FaultProxy(server.server_address[1]) as running:
            yield running
        server.shutdown()


def connected(proxy: FaultProxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=20)


def echo(client: socket.socket, content: bytes) -> bytes:
    client.sendall(content)
    answer = b""
    while len(answer) < len(content):
        chunk = client.recv(65536)
        if not chunk:
            break
        answer += chunk
    return answer


def test_a_proxy_passes_everything_on(proxy: FaultProxy) -> None:
    content = bytes(range(256)) * 4000
    with connected(proxy) as client:
        assert echo(client, content) == content


def test_a_delay_delays_and_loses_nothing(proxy: FaultProxy) -> None:
    with connected(proxy) as client:
        proxy.do("delay=0.3")
        began_s = time.monotonic()
        assert echo(client, b"x" * 50_000) == b"x" * 50_000
        assert time.monotonic() - began_s >= 0.6  # there and back
        proxy.do("go")
        assert echo(client, b"y") == b"y"


def test_a_throttle_lets_so_much_through(proxy: FaultProxy) -> None:
    proxy.do("throttle=20000")
    with connected(proxy) as client:
        began_s = time.monotonic()
        assert echo(client, b"x" * 20_000) == b"x" * 20_000
        assert time.monotonic() - began_s >= 0.9


def test_corruption_changes_what_comes_back_and_go_ends_it(proxy: FaultProxy) -> None:
    proxy.do("corrupt=1")
    with connected(proxy) as client:
        answer = echo(client, b"x" * 1000)
        assert len(answer) == 1000
        assert answer != b"x" * 1000
        proxy.do("go")
        assert echo(client, b"z" * 1000) == b"z" * 1000


HOW_THEY_END = [("reset", ConnectionResetError), ("close", None), ("refuse", ConnectionError)]


@pytest.mark.parametrize(("command", "how"), HOW_THEY_END)
def test_connections_end_as_they_are_told(proxy: FaultProxy, command: str, how: type[Exception] | None) -> None:
    with connected(proxy) as client:
        assert echo(client, b"x") == b"x"
        proxy.do(command)
        if how is None:
            assert client.recv(1) == b""
        else:
            with pytest.raises(how):
                client.recv(1)
    proxy.do("go")
    with connected(proxy) as client:
        assert echo(client, b"x") == b"x"


def test_an_unknown_command_names_those_that_there_are(proxy: FaultProxy) -> None:
    with pytest.raises(ChaosError, match="a proxy knows no 'melt'; it knows stall, delay"):
        proxy.do("melt")
    with pytest.raises(ChaosError, match="a number is expected"):
        proxy.do("delay=long")


# --- Redis ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "go"])
def test_a_redis_fails_as_it_is_told_and_is_well_again_afterwards(tmp_path: Path, command: str) -> None:
    with RedisServer(tmp_path / "redis") as server:
        client = redis.Redis.from_url(server.url, socket_timeout=1.0)
        client.set("kept", "here")
        server.do(command if command != "tail" else "tail=100000")
        if command in ("stop", "kill"):
            with pytest.raises(redis.exceptions.ConnectionError):
                client.ping()
        elif command == "freeze":
            with pytest.raises(redis.exceptions.TimeoutError):
                client.ping()
        elif command in ("empty", "tail"):
            assert client.get("kept") is None
        elif command == "memory":
            with pytest.raises(redis.exceptions.OutOfMemoryError):
                client.set("more", "x")
        elif command == "replica":
            with pytest.raises(redis.exceptions.ReadOnlyError):
                client.set("more", "x")
        else:  # slow
            patient = redis.Redis.from_url(server.url, socket_timeout=20)
            took_s = []
            for _ in range(6):
                began_s = time.monotonic()
                patient.ping()
                took_s.append(time.monotonic() - began_s)
            assert max(took_s) > 0.3
        server.do("go")
        client.set("again", "x")
        assert client.get("again") == b"x"


def test_a_redis_that_loses_its_tail_loses_the_newest_alert_however_much_came_after_it(tmp_path: Path) -> None:
    with RedisServer(tmp_path / "redis") as server:
        client = redis.Redis.from_url(server.url, socket_timeout=1.0)
        alerts = Keys().alerts
        client.xadd(alerts, {"data": "older"})
        client.xadd(alerts, {"data": "newest"})
        client.xgroup_create(alerts, "readers", id="0")
        for _, entries in client.xreadgroup("readers", "one", {alerts: ">"}):
            client.xack(alerts, "readers", *[entry for entry, _ in entries])
        for number in range(200):
            client.set(f"frame{number}", "x" * 1000)
        server.do("tail=1000")
        assert [fields for _, fields in client.xrange(alerts)] == [{b"data": b"older"}]
        assert not client.keys("frame*")


def test_a_redis_dies_with_whoever_started_it(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from streamer.chaos.redis_server import RedisServer\n"
        "server = RedisServer(Path(sys.argv[1])).start(); print(server.port, flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as it:
        assert it.stdout is not None
        client = redis.Redis(port=int(it.stdout.readline()), socket_timeout=5)
        assert client.ping()
        it.kill()

    def is_gone() -> bool:
        try:
            return not client.ping()
        except redis.exceptions.ConnectionError:
            return True

    if sys.platform == "linux":
        eventually(is_gone)


# --- disk -------------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(problem_with_failing() is not None, reason=problem_with_failing() or "")
def test_a_failing_disk_turns_read_only_under_an_open_file_and_can_be_repaired(tmp_path: Path) -> None:
    with FailingDisk(tmp_path / "disk") as disk:
        with (disk.folder / "file").open("w") as file:
            file.write("before")
            file.flush()
            disk.fail()
            with pytest.raises(OSError, match=r"Read-only|Input/output"):
                (disk.folder / "other").write_text("x")
        disk.repair()
        (disk.folder / "other").write_text("x")
    assert not (tmp_path / "disk.img").exists()


# --- process ----------------------------------------------------------------------------------------------------------

WRITER = """
import pathlib, sys, time
path = pathlib.Path(sys.argv[1])
kept = []
while True:
    try:
        with path.open("ab") as file:
            file.write(b"x" * 100); file.flush()
        print("written", flush=True)
    except OSError as error:
        print(error.strerror, flush=True)
    time.sleep(0.02)
"""


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[SupervisedProcess]:
    """A process that opens a file and writes to it, again and again."""
    process = SupervisedProcess([sys.executable, "-c", WRITER, str(tmp_path / "file")], tmp_path / "log")
    process.start()
    yield process
    process.stop(5)


def said_since(process: SupervisedProcess, size: int) -> str:
    return process.log.read_bytes()[size:].decode() if process.log.exists() else ""


def test_a_process_that_is_killed_is_started_again_and_one_that_is_stopped_is_not(writer: SupervisedProcess) -> None:
    first = writer.pid
    os.kill(first, signal.SIGKILL)
    eventually(lambda: writer.exits == [-9] and _runs(writer) and writer.pid != first)
    writer.stop(5)
    assert not _runs(writer)
    assert writer.exits[1:] == [-15]


def _runs(process: SupervisedProcess) -> bool:
    try:
        return process.pid > 0
    except ChaosError:
        return False


LIMITS = {
    "Too many open files": lambda pid: limit_open_files(pid, None),
    "File too large": lambda pid: limit_files(pid, 1),
}


@LINUX
@pytest.mark.parametrize("words", LIMITS)
def test_a_limit_is_felt_at_once_and_lifted(writer: SupervisedProcess, words: str) -> None:
    eventually(lambda: "written" in said_since(writer, 0))
    lift = LIMITS[words](writer.pid)
    eventually(lambda: words in said_since(writer, 0))
    lift()
    size = len(writer.log.read_bytes())
    eventually(lambda: "written" in said_since(writer, size))
