"""The house's end of the socket to one member: writing never waits, whatever has become of the member."""

from __future__ import annotations

import contextlib
import select
import socket
import threading

from streamer.crew.letters import packed

MOST_WAITING_BYTES = 4_000_000
_AT_ONCE_BYTES = 1 << 18


class Link:
    """post() from any thread, receive() from one."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self._connection = connection
        self._lock = threading.Lock()
        self._waiting = bytearray()

    @property
    def overfull(self) -> bool:
        """Whether more waits for the member than one that reads would ever let come together."""
        return len(self._waiting) > MOST_WAITING_BYTES

    def post(self, letter: object) -> None:
        """Sent now as far as the socket takes it, the rest with the next receive()."""
        content = packed(letter)
        with self._lock:
            if self._connection.fileno() >= 0:
                self._waiting += content
                self._flush()

    def receive(self, within_s: float) -> bytes | None:
        """What has come, b"" where nothing did in this time; None: the member is gone."""
        with self._lock:
            self._flush()
            ready = select.poll()
            ready.register(self._connection, select.POLLIN | (select.POLLOUT if self._waiting else 0))
        readable = any(what & ~select.POLLOUT for _, what in ready.poll(within_s * 1000))
        if not readable:
            return b""
        try:
            return self._connection.recv(_AT_ONCE_BYTES) or None
        except BlockingIOError:
            return b""
        except OSError:
            return None

    def close(self) -> None:
        """The member sees the end of it."""
        with self._lock:
            self._waiting.clear()
            self._connection.close()

    def _flush(self) -> None:
        with contextlib.suppress(OSError):  # full, or gone: which receive() tells
            while self._waiting:
                del self._waiting[: self._connection.send(self._waiting[:_AT_ONCE_BYTES])]
