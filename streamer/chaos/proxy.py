"""A TCP proxy between two that delays, throttles, stalls, resets, closes, refuses and corrupts on command."""

from __future__ import annotations

import contextlib
import random
import select
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from streamer.chaos.errors import ChaosError

COMMANDS: Mapping[str, tuple[str | None, str]] = {
    "stall": (None, "nothing passes any more; connections stay up"),
    "delay": ("1", "everything arrives so many seconds later"),
    "throttle": ("10000", "so many bytes a second pass, each way of each connection"),
    "corrupt": ("0.3", "in this share of the chunks from the server one byte is flipped"),
    "reset": (None, "tears connections down (TCP reset); new ones are welcome"),
    "close": (None, "closes connections in order; new ones are welcome"),
    "refuse": (None, "resets connections and turns new ones away"),
    "go": (None, "passes everything on again"),
}
"""What the proxy can be told: its usual argument, and what it then does."""

_LOOK_S = 0.05
"""A reset goes out when nobody is inside a call on the socket any more: never stay there for longer."""
_CHUNK_BYTES = 16384
_HELD_CHUNKS = 64  # of one direction, while they are delayed: then the sender has to wait


class FaultProxy:
    """Listens on a port of 127.0.0.1 and passes everything on to a server, until told otherwise.

    with FaultProxy(8554) as proxy:  connect to proxy.port;  proxy.stall(), proxy.go(), proxy.do("delay=0.5") …
    Corruption flips one byte in a share of the chunks that come from the server, the same ones for the same seed.
    """

    def __init__(self, target_port: int, seed: int = 1, *, target_host: str = "127.0.0.1", port: int = 0) -> None:
        self._target = (target_host, target_port)
        self._rng = random.Random(seed)
        self._flowing = threading.Event()
        self._flowing.set()
        self._over = self._refusing = False
        self._corrupt_share = self._delay_s = 0.0
        self._bytes_per_s: float | None = None
        self._lock = threading.Lock()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._threads: list[threading.Thread] = []
        self.connected = threading.Semaphore(0)  # released once for every client that came
        try:
            self._listener = socket.create_server(("127.0.0.1", port))
        except OSError as error:
            raise ChaosError(f"the proxy cannot listen on 127.0.0.1:{port}: {error.strerror or error}") from error
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        self._acceptor = threading.Thread(target=self._accept, name=f"proxy:{self.port}", daemon=True)
        self._acceptor.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._flowing.set()
        self.close_connections()
        for thread in (self._acceptor, *self._threads):
            thread.join(5)

    def do(self, command: str) -> None:
        """NAME or NAME=VALUE, see COMMANDS. Raises ChaosError."""
        name, equals, value = command.partition("=")
        if name not in COMMANDS:
            raise ChaosError(f"a proxy knows no '{name}'; it knows {', '.join(COMMANDS)}")
        usual = COMMANDS[name][0]
        try:
            number = float(value if equals else usual or "0")
        except ValueError as error:
            raise ChaosError(f"'{command}': a number is expected") from error
        match name:
            case "stall":
                self.stall()
            case "delay":
                self._delay_s = max(0.0, number)
            case "throttle":
                self._bytes_per_s = max(1.0, number)
            case "corrupt":
                self.corrupt(number)
            case "reset":
                self.reset_connections()
            case "close":
                self.close_connections()
            case "refuse":
                self.refuse()
                self.reset_connections()
            case "go":
                self.go()

    def stall(self) -> None:
        """Nothing passes any more; connections stay up."""
        self._flowing.clear()

    def go(self) -> None:
        """Everything passes again."""
        self._refusing = False
        self._corrupt_share = self._delay_s = 0.0
        self._bytes_per_s = None
        self._flowing.set()

    def refuse(self) -> None:
        """New clients are turned away at once."""
        self._refusing = True

    def corrupt(self, share: float) -> None:
        """Flip a byte in this share of the chunks that come from the server."""
        self._corrupt_share = share

    def close_connections(self) -> None:
        """Close what is connected, politely (FIN)."""
        for pair in self._take_pairs():
            for end in pair:
                _hang_up(end)

    def reset_connections(self) -> None:
        """Tear down what is connected (RST)."""
        for client, server in self._take_pairs():
            _reset(client)
            _hang_up(server)

    def _take_pairs(self) -> list[tuple[socket.socket, socket.socket]]:
        with self._lock:
            pairs, self._pairs = self._pairs, []
        return pairs

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._refusing:
                _reset(client)
                continue
            try:
                server = socket.create_connection(self._target, timeout=5.0)
            except OSError:  # nobody is behind us
                _reset(client)
                continue
            server.settimeout(None)
            with self._lock:
                self._pairs.append((client, server))
            self._threads = [thread for thread in self._threads if thread.is_alive()]
            for source, target, from_server in ((client, server, False), (server, client, True)):
                thread = threading.Thread(target=self._pump, args=(source, target, from_server), daemon=True)
                thread.start()
                self._threads.append(thread)
            self.connected.release()

    def _pump(self, source: socket.socket, target: socket.socket, from_server: bool) -> None:
        held: deque[tuple[float, bytes]] = deque()  # when each is due
        ended = False
        with contextlib.suppress(OSError, ValueError):  # closed under us
            while not ended or held:
                if not ended and len(held) < _HELD_CHUNKS:
                    wait_s = min(_LOOK_S, max(0.0, held[0][0] - time.monotonic())) if held else _LOOK_S
                    if select.select([source], [], [], wait_s)[0]:
                        chunk = source.recv(_CHUNK_BYTES)
                        ended = not chunk
                        if chunk:
                            held.append((time.monotonic() + self._delay_s, chunk))
                else:
                    time.sleep(_LOOK_S)
                while held and held[0][0] <= time.monotonic():
                    self._flowing.wait()
                    self._pass_on(held.popleft()[1], target, from_server)
        self._forget(source, target)
        _hang_up(target)

    def _pass_on(self, chunk: bytes, target: socket.socket, from_server: bool) -> None:
        if from_server and self._rng.random() < self._corrupt_share:
            broken = bytearray(chunk)
            broken[self._rng.randrange(len(broken))] ^= 0xFF
            chunk = bytes(broken)
        while chunk:
            per_s = None if self._over else self._bytes_per_s
            if per_s is not None:
                time.sleep(_LOOK_S)
            size = len(chunk) if per_s is None else max(1, int(per_s * _LOOK_S))
            target.sendall(chunk[:size])
            chunk = chunk[size:]

    def _forget(self, one: socket.socket, other: socket.socket) -> None:
        with self._lock:
            self._pairs = [pair for pair in self._pairs if set(pair) != {one, other}]


class SilentServer:
    """Accepts every connection and never says a word."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        return self  # the kernel completes handshakes for a listening socket by itself

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()


def _reset(end: socket.socket) -> None:
    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    end.close()


def _hang_up(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
