"""The console's address: uvicorn on a thread of its own, until close()."""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import uvicorn

from streamer.errors import ConfigError
from streamer.web.app import build_app
from streamer.web.impatient import REQUEST_WITHIN_S, impatient
from streamer.web.parts import ConsoleParts
from streamer.workers import Deadline, Worker

_log = logging.getLogger("streamer.web")

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
        self._socket = _listening(host, port)
        port = self._socket.getsockname()[1]
        shown = f"[{host}]" if ":" in host else host
        self.address = f"{'https' if cert else 'http'}://{shown}:{port}"
        self._news = parts.room.news
        try:
            settings = uvicorn.Config(
                build_app(parts),
                http=impatient(request_within_s),
                log_config=None,
                log_level="warning",
                access_log=False,  # an address may name an alert, and who looks at what is for the audit log
                server_header=False,
                proxy_headers=False,
                lifespan="off",
                limit_concurrency=_MOST_CONNECTIONS,
                timeout_graceful_shutdown=1,
                ssl_certfile=cert,
                ssl_keyfile=key,
            )
            settings.load()
        except (OSError, ssl.SSLError) as error:
            self._socket.close()
            raise ConfigError([f"web.cert, web.key: {cert} and {key} cannot be used: {error}"]) from error
        self._server = uvicorn.Server(settings)
        self._worker = Worker("web", self._serve, lambda: _log.error("the console has ended: %s", self._worker.error))
        self._worker.start()
        _log.info("console on %s", self.address)

    @property
    def workers(self) -> tuple[Worker, ...]:
        """Its thread, for those who report a dead one."""
        return (self._worker,)

    def close(self) -> None:
        """Stop answering; streams end."""
        self._news.close()
        self._server.should_exit = True
        if not self._worker.join(Deadline(_CLOSE_WITHIN_S)):
            _log.warning("somebody held the console until the end")
        self._socket.close()

    def _serve(self) -> None:
        serve: Callable[..., None] = self._server.run
        serve(sockets=[self._socket])


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
