"""What the sinks and books count, as rows of the metrics table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from streamer.alerts.book import CameraAlertBook
from streamer.behaviour.model import BehaviourHeads
from streamer.control.redis_commands import CommandListener
from streamer.errors import SinkUnavailable
from streamer.sinks.delivery import Delivery
from streamer.telemetry.metrics import Reading


def delivery_rows(delivery: Delivery) -> Iterable[Reading]:
    """Each receiver's books, and the live feed's."""
    try:
        stats = delivery.stats()
    except SinkUnavailable:
        return  # its trouble is logged where it is met; a scrape must not fail for it
    for receiver in stats.receivers:
        sink = receiver.name
        yield "streamer_outbox_pending", (sink,), receiver.depth
        yield "streamer_outbox_oldest_seconds", (sink,), receiver.oldest_pending_age_s
        yield "streamer_delivered_total", (sink, "alert"), receiver.delivered
        yield "streamer_undelivered_total", (sink, "failed"), receiver.failed
        yield "streamer_undelivered_total", (sink, "rejected"), receiver.rejected
    if stats.feed:
        yield "streamer_delivered_total", ("feed", "frame"), stats.feed.delivered
        yield "streamer_undelivered_total", ("feed", "let_go"), stats.feed.let_go


def command_rows(commands: CommandListener) -> Iterable[Reading]:
    """What became of commands over Redis."""
    stats = commands.stats()
    yield "streamer_commands_total", ("done",), stats.done
    for reason, n in stats.unfit.items():
        yield "streamer_commands_total", (reason,), n


def behaviour_rows(heads: BehaviourHeads, cameras: Iterable[str]) -> Iterable[Reading]:
    """Whether each camera is calibrated, and how far it has moved away since."""
    drift = heads.drift
    for camera in cameras:
        yield "streamer_behaviour_calibrated", (camera,), float(camera in drift)
        if camera in drift:
            yield "streamer_behaviour_drift_ratio", (camera,), drift[camera][0]


def suppressed_rows(books: Mapping[str, CameraAlertBook], kinds: Mapping[tuple[str, str], str]) -> Iterable[Reading]:
    """Alerts held back, by camera and kind; kinds: (camera, rule) → kind."""
    for camera, book in books.items():
        held_back: dict[str, int] = {}
        for (rule, _), n in book.suppressed.items():
            kind = kinds.get((camera, rule), rule)
            held_back[kind] = held_back.get(kind, 0) + n
        for kind, n in held_back.items():
            yield "streamer_alerts_suppressed_total", (camera, kind), n
