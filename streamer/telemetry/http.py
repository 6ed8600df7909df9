"""The service's HTTP address: reads requests within limits, and lets others decide what they are answered."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

from prometheus_client import CollectorRegistry

from streamer.errors import ConfigError
from streamer.telemetry.answer import Answer, Request, Respond
from streamer.telemetry.pages import Health, Pages

__all__ = ["Health", "TelemetryServer"]

_log = logging.getLogger("streamer.http")

MOST_BODY_BYTES = 4096
_NO_FILE_PAUSE_S = 0.2


class TelemetryServer:
    """Serves pages, and takes orders where somebody does, on one address until close().

    Port 0 takes a free one: see `address`. orders: asked about what is no page.
    """

    def __init__(
        self,
        host: str,
        port: int,
        registry: CollectorRegistry,
        *,
        live: Callable[[], Health],
        ready: Callable[[], Health],
        orders: Respond = lambda _: None,
    ) -> None:
        responds = (Pages(registry, live, ready), orders)

        class Handler(_Handler):
            def respond(self, request: Request) -> Answer | None:
                return next((answer for respond in responds if (answer := respond(request))), None)

        try:
            self._server = _Server((host, port), Handler)
        except OSError as error:
            raise ConfigError(
                [f"http: cannot listen on {host}:{port} ({error.strerror or error}); set http.port to a free one, or 0"]
            ) from error
        self._server.daemon_threads = True
        self.address = f"http://{host}:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, name="http", daemon=True)
        self._thread.start()
        _log.info("metrics on %s/metrics", self.address)

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(2.0)


class _Server(ThreadingHTTPServer):
    def get_request(self) -> tuple[socket.socket, Any]:
        try:
            return super().get_request()
        except OSError:  # no file is left to take it with: it goes on waiting, and would be tried again at once
            time.sleep(_NO_FILE_PAUSE_S)
            raise


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 5  # seconds a slow client may hold a thread

    def respond(self, request: Request) -> Answer | None:
        raise NotImplementedError

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        body = self._body()
        if isinstance(body, Answer):
            self.close_connection = True  # what follows on it would be read as the next request
            self._send(body)
            return
        path, _, query = self.path.partition("?")
        request = Request(
            method=self.command,
            path=path,
            peer=self.client_address[0],
            query=dict(parse_qsl(query)),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=body,
        )
        self._send(self.respond(request) or Answer.text(404, "there is /metrics, /livez and /readyz"))

    def _body(self) -> bytes | Answer:
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not length.isdecimal():
            return Answer.text(411, "send the body with a Content-Length, not in chunks")
        if int(length) > MOST_BODY_BYTES:
            return Answer.text(413, f"the body may have {MOST_BODY_BYTES} bytes, this one has {int(length)}")
        return self.rfile.read(int(length))

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(answer.body)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: a probe every second is not an event, and an address may hold a token."""
