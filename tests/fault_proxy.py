"""A TCP proxy between a camera and its client that stalls, resets, closes, refuses and corrupts on command."""

from __future__ import annotations

import contextlib
import random
import select
import socket
import struct
import threading
from types import TracebackType
from typing import Self


class FaultProxy:
    """Listens on a free port of 127.0.0.1 and passes everything on to target_port, until told otherwise.

    with FaultProxy(8554) as proxy:  connect to proxy.port;  proxy.stall(), proxy.go(), proxy.reset(), …
    Corruption flips one byte in a share of the chunks that come from the camera, the same ones for the same seed.
    """

    def __init__(self, target_port: int, seed: int = 1) -> None:
        self._target_port = target_port
        self._rng = random.Random(seed)
        self._flowing = threading.Event()
        self._flowing.set()
        self._refusing = False
        self._corrupt_share = 0.0
        self._lock = threading.Lock()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._threads: list[threading.Thread] = []
        self.connected = threading.Semaphore(0)  # released once for every client that came
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._flowing.set()
        self.close_connections()
        for thread in self._threads:
            thread.join(5)

    def stall(self) -> None:
        """Nothing passes any more; connections stay up."""
        self._flowing.clear()

    def go(self) -> None:
        """Everything passes again."""
        self._flowing.set()
        self._refusing = False
        self._corrupt_share = 0.0

    def refuse(self) -> None:
        """New clients are turned away at once."""
        self._refusing = True

    def corrupt(self, share: float) -> None:
        """Flip a byte in this share of the chunks that come from the camera."""
        self._corrupt_share = share

    def close_connections(self) -> None:
        """Close what is connected, politely (FIN)."""
        for pair in self._take_pairs():
            for end in pair:
                _hang_up(end)

    def reset_connections(self) -> None:
        """Tear down what is connected (RST)."""
        for client, camera in self._take_pairs():
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
            _hang_up(camera)

    def _take_pairs(self) -> list[tuple[socket.socket, socket.socket]]:
        with self._lock:
            pairs, self._pairs = self._pairs, []
        return pairs

    def _start(self, work: object, *args: object) -> None:
        thread = threading.Thread(target=work, args=args, daemon=True)  # type: ignore[arg-type]
        thread.start()
        self._threads.append(thread)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._refusing:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.close()
                continue
            camera = socket.create_connection(("127.0.0.1", self._target_port))
            with self._lock:
                self._pairs.append((client, camera))
            self._start(self._pump, client, camera, False)
            self._start(self._pump, camera, client, True)
            self.connected.release()

    def _pump(self, source: socket.socket, target: socket.socket, from_camera: bool) -> None:
        with contextlib.suppress(OSError, ValueError):  # closed under us
            while True:
                # A reset goes out when nobody is inside a call on the socket any more: never stay there for long.
                if not select.select([source], [], [], 0.05)[0]:
                    continue
                if not (chunk := source.recv(16384)):
                    break
                self._flowing.wait()
                if from_camera and self._rng.random() < self._corrupt_share:
                    broken = bytearray(chunk)
                    broken[self._rng.randrange(len(broken))] ^= 0xFF
                    chunk = bytes(broken)
                target.sendall(chunk)
        _hang_up(target)


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


def _hang_up(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
