"""The service as a process that is killed, halted and starved, and that a supervisor starts again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from streamer.chaos.errors import ChaosError
from streamer.demo import leash

if sys.platform != "win32":
    import resource

RESTART_AFTER_S = 0.5
_GOES_ON_S = 30.0


class SupervisedProcess:
    """One command; started again RESTART_AFTER_S after it ended by itself, as systemd or Kubernetes do.

    log: what it writes goes to the end of this file. It dies with us. stop() ends it for good.
    """

    def __init__(self, command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> None:
        self._command = [sys.executable, "-I", "-S", str(leash.__file__), str(os.getpid()), *command]
        self.log, self._environment = log, {**os.environ, **(environment or {})}
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self.exits: list[int] = []
        """How its lives ended: exit codes, below 0 for signals."""
        self._ready = threading.Event()
        # One thread starts every life: the leash is tied to it.
        self._supervisor = threading.Thread(target=self._supervise, name="supervisor", daemon=True)

    @property
    def pid(self) -> int:
        """The process of the present life. Raises ChaosError between two."""
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                raise ChaosError("the service is not running at this moment")
            return self._process.pid

    @property
    def members(self) -> list[int]:
        """Processes that it has started and that run, its capture crew."""
        return children_of(self.pid)

    def start(self) -> None:
        """Begin; once."""
        self._supervisor.start()
        self._ready.wait()

    def signal(self, number: signal.Signals) -> None:
        """Kill it, halt it, let it go on."""
        os.kill(self.pid, number)

    def stop(self, within_s: float = _GOES_ON_S) -> int:
        """Ask it to end, as an operator would; its exit code, -9 where it had to be killed."""
        self._stopping.set()
        with self._lock:
            process = self._process
        if process is None:
            return self.exits[-1] if self.exits else 0
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(within_s)
            except subprocess.TimeoutExpired:
                process.kill()
        code = process.wait()
        self._supervisor.join()
        return code

    def _supervise(self) -> None:
        while not self._stopping.is_set():
            with self._lock:
                self._process = subprocess.Popen(
                    self._command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,  # not the file: a limit on the size of files would silence it
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    env=self._environment,
                )
            self._ready.set()
            said = self._process.stdout
            assert said is not None
            with self.log.open("ab", buffering=0) as out, said:
                while chunk := os.read(said.fileno(), 65536):  # until its last child is gone
                    out.write(chunk)
            self.exits.append(self._process.wait())
            self._stopping.wait(RESTART_AFTER_S)


def children_of(pid: int) -> list[int]:
    """Processes that this one has started and that still run; empty where there is no /proc."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = entry.read_text()
        except OSError:
            continue
        state, parent = text[text.rindex(")") + 2 :].split()[:2]
        if int(parent) == pid and state != "Z":
            found.append(int(entry.parent.name))
    return found


def limit_open_files(pid: int, spare: int | None) -> Callable[[], None]:
    """No more than `spare` files beyond those that are open now; returns what lifts the limit."""
    _require_limits()
    open_now = max((int(entry.name) for entry in Path(f"/proc/{pid}/fd").iterdir()), default=0)
    return _limit(pid, resource.RLIMIT_NOFILE, open_now + 1 + (spare or 0))


def limit_files(pid: int, size: int) -> Callable[[], None]:
    """No file may grow beyond so many bytes (EFBIG): what a full disk is where none can be mounted."""
    _require_limits()
    return _limit(pid, resource.RLIMIT_FSIZE, size)


def _limit(pid: int, which: int, soft: int) -> Callable[[], None]:
    before = resource.prlimit(pid, which)
    resource.prlimit(pid, which, (soft, before[1]))

    def lift() -> None:
        try:
            resource.prlimit(pid, which, before)
        except ProcessLookupError:
            return  # it is gone, and its limit with it

    return lift


def _require_limits() -> None:
    if sys.platform != "linux":
        raise ChaosError("limits of another process can be set on Linux only")


def wait_until(claim: Callable[[], bool], within_s: float, what: str) -> float:
    """Seconds until it held. Raises ChaosError where it did not in time."""
    began_s = time.monotonic()
    while not claim():
        if time.monotonic() - began_s > within_s:
            raise ChaosError(f"{what}: not within {within_s:g} s")
        time.sleep(0.02)
    return time.monotonic() - began_s
