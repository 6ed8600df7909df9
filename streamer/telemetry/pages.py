"""The pages for machines: /metrics for Prometheus, /livez and /readyz for whoever restarts and routes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from streamer.telemetry.answer import Answer, Request


@dataclass(frozen=True, slots=True)
class Health:
    """An answer to "are you well?": ok, and what a person on call wants to know."""

    ok: bool
    details: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pages:
    """Responds to GET with how the service is."""

    registry: CollectorRegistry
    live: Callable[[], Health]
    ready: Callable[[], Health]

    def __call__(self, request: Request) -> Answer | None:
        """The page, where there is one of this path."""
        if request.method != "GET":
            return None
        if request.path == "/metrics":
            return Answer(200, CONTENT_TYPE_LATEST, generate_latest(self.registry))
        if request.path in ("/livez", "/readyz"):
            health = self.live() if request.path == "/livez" else self.ready()
            return Answer.json(200 if health.ok else 503, {"ok": health.ok, **health.details})
        return None
