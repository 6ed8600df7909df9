"""Real RTSP servers for tests, as context managers: one from PyPI that needs no root, one on Debian's GStreamer."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from streamer.demo.servers import free_port

_HERE = Path(__file__).resolve().parent
START_WITHIN_S = 20.0


@dataclass(frozen=True)
class AioRtspServer:
    """aio-rtsp-toolkit: serves every file in a folder over TCP. No authentication, no UDP.

    Each client gets a file from its first frame. RTP timestamps are decoding times: with B-frames they are those of
    the wrong pictures, which is a mistake that cameras make too.
    """

    port: int
    process: subprocess.Popen[str]

    def url(self, name: str, *, loop: bool = False) -> str:
        """The address of a file in the folder."""
        return f"rtsp://127.0.0.1:{self.port}/{name}" + ("?play_count=0" if loop else "")


@contextmanager
def aio_rtsp_server(folder: Path) -> Iterator[AioRtspServer]:
    """Serve the files of a folder."""
    port, control = free_port(), free_port()
    program = [sys.executable, "-m", "streamer.demo.rtsp_server"]
    command = [*program, "-d", str(folder), "-H", "127.0.0.1", "-p", str(port), "-cp", str(control)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True)
    try:
        _wait_until_open(port, process)
        yield AioRtspServer(port, process)
    finally:
        _end(process)


@dataclass(frozen=True)
class GstRtspServer:
    """GStreamer's RTSP server (see gst_rtsp_server.py): TCP and UDP, logins, faults on command. True timestamps."""

    port: int
    process: subprocess.Popen[str]

    def url(self, name: str, *, login: str | None = None, port: int | None = None) -> str:
        """The address of a mount; login is 'user:password' as a person would write it."""
        user, colon, password = (login or "").partition(":")
        prefix = f"{quote(user, safe='')}{colon}{quote(password, safe='')}@" if login else ""
        return f"rtsp://{prefix}127.0.0.1:{port or self.port}/{name}"

    def tell(self, command: str) -> None:
        """`stall`, `go` or `jump SECONDS`; returns when it is done."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer.startswith("did"), f"the server answered {answer!r}"


@contextmanager
def gst_rtsp_server(
    mounts: Mapping[str, str | Path], *, login: str | None = None, digest: bool = False, port: int | None = None
) -> Iterator[GstRtspServer]:
    """Serve mounts: name → a clip's path, or what else gst_rtsp_server.py understands."""
    port = port or free_port()
    command = ["/usr/bin/python3", str(_HERE / "gst_rtsp_server.py"), str(port)]
    command += [f"{name}={what}" for name, what in mounts.items()]
    command += ["--auth", login] if login else []
    command += ["--digest"] if digest else []
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        ready = process.stdout.readline()
        if ready.strip() != "ready":
            raise RuntimeError(f"the GStreamer RTSP server did not start: {' '.join(command)}")
        yield GstRtspServer(port, process)
    finally:
        _end(process)


def _wait_until_open(port: int, process: subprocess.Popen[str]) -> None:
    give_up_s = time.monotonic() + START_WITHIN_S
    while time.monotonic() < give_up_s:
        if process.poll() is not None:
            raise RuntimeError(f"the RTSP server ended with {process.returncode} before it listened")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"the RTSP server did not listen within {START_WITHIN_S:g} s")


def _end(process: subprocess.Popen[str]) -> None:
    """Stop a server by its own process id."""
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(5)
    for pipe in (process.stdin, process.stdout):
        if pipe:
            pipe.close()
