"""A member's process: started with a socket and shared memory of its own, and tied to the house's life."""

from __future__ import annotations

import ctypes
import mmap
import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from streamer.crew.crash_report import report_of, report_to
from streamer.crew.letters import read_packed
from streamer.crew.memory import mapped, new_memory
from streamer.crew.orders import Orders

_PR_SET_PDEATHSIG = 1
_CODE = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class End:
    """How a process ended: 'died of SIGSEGV', 'ended with code 1'; and what it wrote when it crashed."""

    how: str
    report: bytes


@dataclass(frozen=True, slots=True)
class MemberProcess:
    """One that runs, as the house holds it. crashes: where it writes of them."""

    process: subprocess.Popen[bytes]
    connection: socket.socket
    memory: mmap.mmap
    crashes: int

    def end(self) -> End:
        """Kill it where it still runs; once."""
        self.process.kill()
        code = self.process.wait()
        report = report_of(self.crashes)
        if code >= 0:
            return End(f"ended with code {code}", report)
        try:
            return End(f"died of {signal.Signals(-code).name}", report)
        except ValueError:
            return End(f"died of signal {-code}", report)


def start_process(module: str, memory_bytes: int) -> MemberProcess:
    """`python -m MODULE SOCKET MEMORY CRASHES HOUSE`. The thread that calls this must live as long as the process.

    A new interpreter, never a fork of this one: of a process with threads and an inference runtime nothing could be
    relied on in the copy. Raises OSError where there is no room for another process.
    """
    ours, its = socket.socketpair()
    memory, crashes = new_memory(memory_bytes), new_memory(0)
    handed = (its.fileno(), memory, crashes)
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *map(str, handed), str(os.getpid())],
            pass_fds=handed,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # results of the house go there; logs go to the same stderr
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(_CODE), os.environ.get("PYTHONPATH")]))},
        )
    except BaseException:
        ours.close()
        os.close(memory)
        os.close(crashes)
        raise
    finally:
        its.close()
    return MemberProcess(process, ours, mapped(memory, memory_bytes), crashes)


def taken_up(arguments: list[str]) -> tuple[socket.socket, mmap.mmap, Orders]:
    """In the member: what start_process gave it, and its orders, once they have come. Raises EOFError, OSError."""
    connection_fd, memory_fd, crashes_fd, house = map(int, arguments)
    _tied_to(house)
    report_to(crashes_fd)
    for number in (signal.SIGINT, signal.SIGTERM):  # meant for the house, which ends its members in order
        signal.signal(number, signal.SIG_IGN)
    connection = socket.socket(fileno=connection_fd)
    orders: Orders = read_packed(connection)
    return connection, mapped(memory_fd, orders.memory_bytes), orders


def _tied_to(house: int) -> None:
    """Ended by the kernel when the thread that started it is gone, even while halted; elsewhere by the socket's end."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != house:
            raise EOFError("the house is gone")
