"""The console's address: uvicorn on a thread of its own, until close().

The address is taken at once, and whoever calls waits until the thread has imported the web framework and put the
console together: a third of a second that the cameras are not made to wait for.
"""

from __future__ import annotations

import logging
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from streamer.errors import ConfigError
from streamer.web.parts import ConsoleParts
from streamer.workers import Deadline, Worker

if TYPE_CHECKING:
    import uvicorn

_log = logging.getLogger("streamer.web")

REQUEST_WITHIN_S = 15.0
"""A request that takes longer to arrive is not waited for (impatient.py)."""
_CLOSE_WITHIN_S = 3.0
_MOST_CONNECTIONS = 512


class ConsoleServer:
    """Serves the console on one address. Port 0 takes a free one: see `address`. Raises ConfigError."""

    def __init__(
        self,
        parts: ConsoleParts,
        host: str,
        port: int,
        *,
        cert: Path | None = None,
        key: Path | None = None,
        request_within_s: float = REQUEST_WITHIN_S,
    ) -> None:
        _check_certificate(cert, key)
        self._socket = _listening(host, port)
        port = self._socket.getsockname()[1]
        shown = f"[{host}]" if ":" in host else host
        self.address = f"{'https' if cert else 'http'}://{shown}:{port}"
        self._parts, self._cert, self._key, self._request_within_s = parts, cert, key, request_within_s
        self._lock = threading.Lock()
        self._closing = False
        self._server: uvicorn.Server | None = None
        self._worker = Worker("web", self._serve, lambda: _log.error("the console has ended: %s", self._worker.error))
        self._worker.start()

    @property
    def workers(self) -> tuple[Worker, ...]:
        """Its thread, for those who report a dead one."""
        return (self._worker,)

    def close(self) -> None:
        """Stop answering; streams end."""
        self._parts.room.news.close()
        with self._lock:
            self._closing = True
            if self._server is not None:
                self._server.should_exit = True
        if not self._worker.join(Deadline(_CLOSE_WITHIN_S)):
            _log.warning("somebody held the console until the end")
        self._socket.close()

    def _serve(self) -> None:
        server = self._built()
        with self._lock:
            if self._closing:
                return
            self._server = server
        _log.info("console on %s", self.address)
        serve: Callable[..., None] = server.run
        serve(sockets=[self._socket])

    def _built(self) -> uvicorn.Server:
        import uvicorn

        from streamer.web.app import build_app
        from streamer.web.impatient import impatient

        settings = uvicorn.Config(
            build_app(self._parts),
            http=impatient(self._request_within_s),
            log_config=None,
            log_level="warning",
            access_log=False,  # an address may name an alert, and who looks at what is for the audit log
            server_header=False,
            proxy_headers=False,
            lifespan="off",
            limit_concurrency=_MOST_CONNECTIONS,
            timeout_graceful_shutdown=1,
            ssl_certfile=self._cert,
            ssl_keyfile=self._key,
        )
        settings.load()
        return uvicorn.Server(settings)


def _check_certificate(cert: Path | None, key: Path | None) -> None:
    if cert is None:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError([f"web.cert, web.key: {cert} and {key} cannot be used: {error}"]) from error


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise ConfigError(
            [f"web: cannot listen on {host}:{port} ({error.strerror or error}); set web.port to a free one, or 0"]
        ) from error
    return listener
