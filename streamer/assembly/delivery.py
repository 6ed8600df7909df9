"""Where results go: the outbox, the receivers that a configuration names, and the live feed."""

from __future__ import annotations

import logging
from collections.abc import Callable

from streamer.clock import Clock
from streamer.config import Config
from streamer.errors import ConfigError
from streamer.sinks.delivery import Delivery
from streamer.sinks.fencing import EpochOf
from streamer.sinks.json_lines import JsonLines
from streamer.sinks.live_feed import LiveFeed, SeenFrame
from streamer.sinks.outbox import Outbox, Retention
from streamer.sinks.receivers import Receiver
from streamer.sinks.redis_alerts import RedisAlerts
from streamer.sinks.webhook import Webhook
from streamer.sinks.without_canary import WithoutCanary
from streamer.telemetry.metrics import Metrics

_log = logging.getLogger("streamer.assembly")

OnPublished = Callable[[str, float], None]
"""Camera, and seconds from capture to publication."""


def open_delivery(
    config: Config,
    clock: Clock,
    on_seen: Callable[[SeenFrame], None],
    on_failure: Callable[[], None],
    epoch_of: EpochOf | None = None,
) -> Delivery:
    """The outbox in the data folder and everybody whom the configuration wants told; not started yet.

    on_seen: told of every frame whose result went out; on_failure: where a courier dies. Raises ConfigError.
    """
    try:
        config.data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError([f"data_dir: {config.data_dir} cannot be made: {error.strerror or error}"]) from error
    receivers: list[Receiver] = []
    feed = None
    if config.redis:
        key = config.redis.signing_key.get_secret_value() if config.redis.signing_key else None
        receivers.append(RedisAlerts(config.redis.url, kept=config.redis.alerts_keep, signing_key=key))
        feed = LiveFeed(config.redis.url, kept=config.redis.frames_keep, on_published=on_seen, epoch_of=epoch_of)
    for name, hook in config.webhooks.items():
        secret = hook.secret.get_secret_value()
        receivers.append(WithoutCanary(Webhook(name, hook.url, clock, secret=secret, timeout_s=hook.timeout_s)))
    if config.jsonl:
        receivers.append(WithoutCanary(JsonLines(config.jsonl.path, max_bytes=int(config.jsonl.rotate_mb * 1e6))))
    if not receivers:
        _log.warning("no receiver is configured (redis, webhooks, jsonl): alerts stay in %s", config.data_dir)
    outbox = Outbox(
        config.data_dir / "outbox.db",
        clock,
        Retention(keep_s=config.keep.delivered_hours * 3600),
        epoch_of=epoch_of,
        referee=receivers[0].name if epoch_of and config.redis else None,
    )
    return Delivery(outbox, receivers, feed, clock, on_failure=on_failure)


def told_latency(metrics: Metrics, clock: Clock, on_published: OnPublished | None) -> Callable[[SeenFrame], None]:
    """What the live feed tells of a frame, as seconds from its arrival until its result was out."""

    def seen(frame: SeenFrame) -> None:
        seconds = clock.monotonic() - frame.received_s
        metrics.published(frame.camera, seconds)
        if on_published:
            on_published(frame.camera, seconds)

    return seen
