"""The camera itself: listens, gives every client a thread, and takes commands.

with ScriptedCamera([read_clip(path)], login="user:password") as camera:
    camera.url                     rtsp://user:password@127.0.0.1:…/live
    camera.do("stall")             see conduct.COMMANDS
    camera.do("go")
"""

from __future__ import annotations

import contextlib
import random
import socket
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Self
from urllib.parse import quote

from streamer.chaos.camera.coded_clip import CodedClip
from streamer.chaos.camera.conduct import Conduct, hangs_up, told
from streamer.chaos.camera.conversation import Conversation
from streamer.chaos.camera.login import Login
from streamer.chaos.errors import ChaosError

PATH = "/live"
_ENDS_WITHIN_S = 5.0


class ScriptedCamera:
    """Serves rtsp://HOST:PORT/live over TCP; works while its `with` block does.

    clips   what it can play; the first one to begin with. Others are for 'size' and 'codec'
    login   'user:password', or None for everybody
    port    0: a free one. It stays the same when the camera refuses connections and comes back
    """

    def __init__(
        self,
        clips: Sequence[CodedClip],
        *,
        login: str | None = None,
        digest: bool = True,
        host: str = "127.0.0.1",
        port: int = 0,
        seed: int = 1,
    ) -> None:
        if not clips:
            raise ChaosError("a camera needs a clip to play")
        self._clips, self._rng, self._digest = tuple(clips), random.Random(seed), digest
        user, _, password = (login or "").partition(":")
        self._user, self._password = user, password
        self._login = Login(user, password, digest=digest) if login else None
        self._conduct = Conduct()
        self._lock = threading.Lock()
        self._clients: dict[Conversation, threading.Thread] = {}
        self._listener: socket.socket | None = None
        self._acceptor: threading.Thread | None = None
        self.connected = 0
        self.sent = 0
        """Clients so far, and whole pictures sent to all of them."""
        self._host = host
        self._open(port)

    @property
    def url(self) -> str:
        """Its address, with the password that it wanted at first."""
        prefix = f"{quote(self._user, safe='')}:{quote(self._password, safe='')}@" if self._login else ""
        return f"rtsp://{prefix}{self._host}:{self.port}{PATH}"

    @property
    def clients(self) -> int:
        """How many are connected now."""
        with self._lock:
            return len(self._clients)

    def do(self, command: str) -> None:
        """Behave like this from now on: NAME or NAME=VALUE, see conduct.COMMANDS. Raises ChaosError."""
        name, equals, value = command.partition("=")
        with self._lock:
            clip = self._other_clip(name) if name in ("size", "codec") else self._conduct.clip
            before, self._conduct = self._conduct, told(self._conduct, name, value if equals else None, clip)
            after = self._conduct
            if after.password != before.password:
                wanted = after.password or self._password
                self._login = Login(self._user or "user", wanted, digest=self._digest) if wanted else None
        if after.refuses and not before.refuses:
            self._shut()
        reset = hangs_up(name)
        if after.clock_ahead_s != before.clock_ahead_s:
            reset = True  # it restarted, as many do when their clock is set
        if reset is not None:
            self._hang_up(reset=reset)
        if before.refuses and not after.refuses:
            self._open(self.port)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up and stop listening."""
        self._shut()
        for thread in self._hang_up(reset=False):
            thread.join(_ENDS_WITHIN_S)

    def _other_clip(self, command: str) -> int:
        now, count = self._clips[self._conduct.clip], len(self._clips)
        for step in range(1, count):
            number = (self._conduct.clip + step) % count
            other = self._clips[number]
            if command == "codec" and other.codec != now.codec:
                return number
            if command == "size" and other.codec == now.codec and other.wh != now.wh:
                return number
        what = "another size in the same codec" if command == "size" else "another codec"
        raise ChaosError(f"'{command}' needs a clip of {what}")

    def _open(self, port: int) -> None:
        try:
            self._listener = socket.create_server((self._host, port), backlog=64)
        except OSError as error:
            raise ChaosError(f"a camera cannot listen on {self._host}:{port}: {error.strerror or error}") from error
        self.port: int = self._listener.getsockname()[1]
        self._acceptor = threading.Thread(
            target=self._accept, args=(self._listener,), name=f"camera:{self.port}", daemon=True
        )
        self._acceptor.start()

    def _shut(self) -> None:
        if self._listener is None:
            return
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        if self._acceptor is not None:
            self._acceptor.join(_ENDS_WITHIN_S)
        self._listener = None

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:  # closed
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._begin(connection)

    def _begin(self, connection: socket.socket) -> None:
        client = Conversation(
            connection,
            PATH,
            self._clips,
            lambda: self._conduct,
            lambda: self._login,
            self._count,
            random.Random(self._rng.random()),
        )
        thread = threading.Thread(target=self._talk, args=(client,), name=f"camera:{self.port}:client", daemon=True)
        with self._lock:
            self._clients[client] = thread
            self.connected += 1
        thread.start()

    def _talk(self, client: Conversation) -> None:
        try:
            client.run()
        finally:
            with self._lock:
                self._clients.pop(client, None)

    def _count(self) -> None:
        with self._lock:
            self.sent += 1

    def _hang_up(self, *, reset: bool) -> list[threading.Thread]:
        with self._lock:
            clients = dict(self._clients)
        for client in clients:
            client.end(reset=reset)
        return list(clients.values())
