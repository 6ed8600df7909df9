"""The page for machines: /metrics for Prometheus, /livez and /readyz for whoever restarts and routes."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from streamer.errors import ConfigError

_log = logging.getLogger("streamer.http")


@dataclass(frozen=True, slots=True)
class Health:
    """An answer to "are you well?": ok, and what a person on call wants to know."""

    ok: bool
    details: dict[str, object] = field(default_factory=dict)


class TelemetryServer:
    """Serves three pages on one address until close(). Port 0 takes a free one: see `address`."""

    def __init__(
        self,
        host: str,
        port: int,
        registry: CollectorRegistry,
        *,
        live: Callable[[], Health],
        ready: Callable[[], Health],
    ) -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 5  # seconds a slow client may hold a thread

            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                if path == "/metrics":
                    self._answer(200, CONTENT_TYPE_LATEST, generate_latest(registry))
                elif path in ("/livez", "/readyz"):
                    health = live() if path == "/livez" else ready()
                    body = json.dumps({"ok": health.ok, **health.details}, default=str).encode()
                    self._answer(200 if health.ok else 503, "application/json", body)
                else:
                    self._answer(404, "text/plain", b"there is /metrics, /livez and /readyz\n")

            def _answer(self, status: int, kind: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing: a probe every second is not an event."""

        try:
            self._server = ThreadingHTTPServer((host, port), Handler)
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
