"""What the sinks and books count, as rows of the metrics table."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from streamer.alerts.book import CameraAlertBook
from streamer.behaviour.model import BehaviourHeads
from streamer.control.redis_commands import CommandListener
from streamer.detect.known import DetectorLanes
from streamer.errors import SinkUnavailable
from streamer.sinks.delivery import Delivery
from streamer.telemetry.metrics import Reading


def delivery_rows(delivery: Delivery) -> Iterable[Reading]:
    """Each receiver's books, the live feed's, and whether alerts can be stored at all."""
    yield "streamer_outbox_stuck", (), float(delivery.is_stuck)
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
        if receiver.fenced:
            yield "streamer_undelivered_total", (sink, "fenced"), receiver.fenced
    if stats.feed:
        yield "streamer_delivered_total", ("feed", "frame"), stats.feed.delivered
        yield "streamer_undelivered_total", ("feed", "let_go"), stats.feed.let_go
        if stats.feed.fenced:
            yield "streamer_undelivered_total", ("feed", "fenced"), stats.feed.fenced


def spoiled_rows(detectors: DetectorLanes) -> Iterable[Reading]:
    """What the model gave and nobody could read: a net that begins to do so is broken, or its pictures are."""
    timings = detectors.timings
    yield "streamer_model_spoiled_total", ("rows",), timings.strange_rows
    yield "streamer_model_spoiled_total", ("frames",), timings.spoiled_frames


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


def disk_rows(folder: Path) -> Iterable[Reading]:
    """The disk on which a folder lies; nothing where it cannot be asked."""
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        return  # who writes there says so; a scrape must not fail for it
    yield "streamer_disk_bytes", ("size",), float(usage.total)
    yield "streamer_disk_bytes", ("free",), float(usage.free)
