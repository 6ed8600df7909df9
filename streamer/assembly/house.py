"""The whole service out of a configuration: everything opened in order, and closed in the reverse one."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import cv2

from streamer.alerts.book import closing_change
from streamer.alerts.illustrated import Illustrated
from streamer.alerts.snapshots import SnapshotStore
from streamer.assembly.admission import RefusedSource, admitted, weights
from streamer.assembly.behaviour import check_behaviour, open_behaviour
from streamer.assembly.camera import build_book, build_source
from streamer.assembly.crew import Crew, with_crew
from streamer.assembly.decoding import check_decoding
from streamer.assembly.footage import Footage, check_main_streams, reading_main_streams, start_footage, tap_of
from streamer.assembly.labels import check_labels
from streamer.assembly.model import OpenModel, open_model
from streamer.assembly.on_device import with_shrinker
from streamer.assembly.readings import behaviour_rows, command_rows, delivery_rows, suppressed_rows
from streamer.assembly.regions import looking, one_by_one
from streamer.assembly.rules import policies
from streamer.assembly.unit import MakeSource, build_unit
from streamer.assembly.web import check_web, open_console
from streamer.bell import WakeBell
from streamer.clock import Clock
from streamer.config import CameraConfig, Config
from streamer.control.desk import WakeDesk
from streamer.control.http_orders import WakeOrders
from streamer.control.redis_commands import CommandListener
from streamer.detect.pool import DetectorPool
from streamer.errors import ConfigError
from streamer.fit import InputFit
from streamer.footage.witness import Witness
from streamer.inbox import BatchPolicy, FrameInbox
from streamer.presence import Presence
from streamer.scheduling.costs import CostModel
from streamer.service import CameraUnit, Service
from streamer.sinks.delivery import Delivery
from streamer.sinks.json_lines import JsonLines
from streamer.sinks.live_feed import LiveFeed, SeenFrame
from streamer.sinks.outbox import Outbox, Retention
from streamer.sinks.receivers import Receiver
from streamer.sinks.redis_alerts import RedisAlerts
from streamer.sinks.webhook import Webhook
from streamer.sleep_book import SleepBook
from streamer.stages import BehaviourModel, FrameSource, PacketTap, Sink
from streamer.surroundings import Surroundings
from streamer.telemetry.http import TelemetryServer
from streamer.telemetry.metrics import Metrics

_log = logging.getLogger("streamer.assembly")

OnPublished = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class House:
    """A service that is ready to run, and what belongs to it."""

    service: Service
    detector: DetectorPool
    metrics: Metrics
    telemetry: TelemetryServer | None


@contextlib.contextmanager
def open_house(
    config: Config,
    clock: Clock,
    origin: str,
    *,
    on_published: OnPublished | None = None,
    make_source: MakeSource = build_source,
) -> Iterator[House]:
    """The service of a configuration, ready to run; closes what it opened.

    The model comes first: creating a session holds the interpreter's lock, which cameras must not feel. `origin` names
    the configuration in messages; on_published(camera, seconds) is told the capture-to-publish latency of every frame;
    make_source stands in for the cameras themselves.
    Raises ConfigError, ArtifactError, SinkUnavailable.
    """
    check_decoding(config, origin)
    check_main_streams(config, origin)
    check_web(config, origin)
    # A hundred cameras look at small pictures: OpenCV's own threads would only wait for one another.
    cv2.setNumThreads(1)
    model = open_model(config.model, config.inference.max_batch)
    detector = model.pool.first
    admission = admitted(config, model.plan.capacity)
    config = admission.config
    check_labels(config, detector, origin)
    check_behaviour(config, origin)
    behaviour = open_behaviour(config, detector)
    metrics = Metrics(clock.monotonic)
    with contextlib.ExitStack() as stack:
        delivery = _delivery(config, clock, _latency(metrics, clock, on_published), lambda: service.stop())
        stack.callback(delivery.close)
        console = stack.enter_context(open_console(config, clock, origin, delivery))
        seen: Sink = console.overlooking(delivery) if console else delivery
        # After the receivers are known to the outbox, so that they are told of these too.
        _close_what_was_left_open(delivery, seen, clock)
        pictures = SnapshotStore(
            config.data_dir,
            keep_days=config.keep.snapshots_days,
            keep_bytes=int(config.keep.snapshots_mb * 1e6),
            clock=clock,
        )
        # Another source than the camera itself lives in this process only.
        crew = (
            stack.enter_context(with_crew(config, clock, lambda: service.stop()))
            if make_source is build_source
            else None
        )
        footage = start_footage(config, clock, lambda: service.stop(), crew)
        stored = _witnessed(seen, footage, metrics, config) if footage else seen
        sink = Illustrated(stored, pictures, _places(config))
        stack.callback(sink.close)
        books = {
            name: build_book(name, camera, policies(camera), config, detector, pictures.path_for)
            for name, camera in config.cameras.items()
        }
        bells = {name: WakeBell(clock.monotonic) for name in config.cameras}
        units = [
            build_unit(
                name,
                config,
                detector,
                books[name],
                with_shrinker(
                    _around(name, clock, metrics, bells[name], tap_of(name, camera, footage)), camera, config.model
                ),
                clock,
                _refusing(admission.refused, crew.reading(make_source) if crew else make_source),
            )
            for name, camera in config.cameras.items()
        ]
        desk = WakeDesk(bells)
        commands = CommandListener(config.redis.url, desk, clock) if config.redis else None
        service = _service(config, units, model, behaviour, sink, delivery, commands, footage, crew, metrics, clock)
        delivery.start()
        if commands:
            stack.callback(commands.close)
            commands.start(service.stop)
            metrics.read_from(lambda: command_rows(commands))
        for unit in units:
            metrics.watch(unit.watched)
        named = f"{detector.model_name}@{detector.model_hash[:12]}"
        metrics.read_from(lambda: [("streamer_model_info", (named,), 1.0)])
        metrics.read_from(admission.rows)
        metrics.read_from(lambda: delivery_rows(delivery))
        metrics.read_from(sink.rows)
        if crew:
            metrics.read_from(crew.rows)
        if footage:
            metrics.read_from(footage.rows)
            stack.enter_context(reading_main_streams(config, footage, clock))
        if behaviour:
            metrics.read_from(lambda: behaviour_rows(behaviour, config.cameras))
        metrics.read_from(lambda: suppressed_rows(books, _kinds(config)))
        telemetry = None
        if config.http:
            token = config.http.token.get_secret_value() if config.http.token else None
            telemetry = TelemetryServer(
                config.http.host,
                config.http.port,
                metrics.registry,
                live=service.live,
                ready=service.ready,
                orders=WakeOrders(desk, token),
            )
            stack.callback(telemetry.close)
        if console:
            stack.enter_context(console.serving(service, desk))
        yield House(service, model.pool, metrics, telemetry)


def _refusing(refused: Mapping[str, str], make_source: MakeSource) -> MakeSource:
    """make_source for the cameras that there is room for."""

    def make(name: str, camera: CameraConfig, fit: InputFit, around: Surroundings, clock: Clock) -> FrameSource:
        return RefusedSource(name, refused[name]) if name in refused else make_source(name, camera, fit, around, clock)

    return make


def _around(name: str, clock: Clock, metrics: Metrics, bell: WakeBell, tap: PacketTap | None) -> Surroundings:
    return replace(
        Surroundings.alone(name, clock),
        sleep=SleepBook(name, lambda seconds: metrics.woke(name, seconds)),
        bell=bell,
        presence=Presence(),
        tap=tap,
    )


def _service(
    config: Config,
    units: Sequence[CameraUnit],
    model: OpenModel,
    behaviour: BehaviourModel | None,
    sink: Illustrated,
    delivery: Delivery,
    commands: CommandListener | None,
    footage: Footage | None,
    crew: Crew | None,
    metrics: Metrics,
    clock: Clock,
) -> Service:
    settings = config.inference
    policy = BatchPolicy(settings.max_batch, settings.max_wait_s, settings.max_age_s, settings.depth)
    demand_paced = frozenset(unit.camera for unit in units if unit.source.demand_paced)
    inbox = FrameInbox(
        {unit.camera: unit.ledger for unit in units},
        policy,
        clock,
        demand_paced=demand_paced,
        lanes=model.pool.lanes,
        costs=CostModel(model.plan.seconds),
        weights=weights(config),
        one_by_one=one_by_one(config),
    )
    metrics.read_from(
        lambda: [
            ("streamer_inbox_waiting_frames", (), float(inbox.waiting())),
            ("streamer_model_slowness", (), inbox.slowness),
        ]
    )
    return Service(
        units,
        inbox,
        looking(config, model.pool),
        sink,
        metrics,
        clock,
        lanes=model.pool.lanes,
        behaviour=behaviour,
        show_cameras=delivery.update_cameras,
        others=lambda: (
            *delivery.workers,
            *(commands.workers if commands else ()),
            *(footage.workers if footage else ()),
            *(crew.workers if crew else ()),
        ),
        shutdown_s=config.shutdown_s,
    )


def _delivery(
    config: Config, clock: Clock, on_seen: Callable[[SeenFrame], None], on_failure: Callable[[], None]
) -> Delivery:
    try:
        config.data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError([f"data_dir: {config.data_dir} cannot be made: {error.strerror or error}"]) from error
    receivers: list[Receiver] = []
    feed = None
    if config.redis:
        receivers.append(RedisAlerts(config.redis.url, kept=config.redis.alerts_keep))
        feed = LiveFeed(config.redis.url, kept=config.redis.frames_keep, on_published=on_seen)
    for name, hook in config.webhooks.items():
        secret = hook.secret.get_secret_value()
        receivers.append(Webhook(name, hook.url, clock, secret=secret, timeout_s=hook.timeout_s))
    if config.jsonl:
        receivers.append(JsonLines(config.jsonl.path, max_bytes=int(config.jsonl.rotate_mb * 1e6)))
    if not receivers:
        _log.warning("no receiver is configured (redis, webhooks, jsonl): alerts stay in %s", config.data_dir)
    outbox = Outbox(config.data_dir / "outbox.db", clock, Retention(keep_s=config.keep.delivered_hours * 3600))
    return Delivery(outbox, receivers, feed, clock, on_failure=on_failure)


def _latency(metrics: Metrics, clock: Clock, on_published: OnPublished | None) -> Callable[[SeenFrame], None]:
    def seen(frame: SeenFrame) -> None:
        seconds = clock.monotonic() - frame.received_s
        metrics.published(frame.camera, seconds)
        if on_published:
            on_published(frame.camera, seconds)

    return seen


def _close_what_was_left_open(delivery: Delivery, seen: Sink, clock: Clock) -> None:
    """Alerts that the last run could not close: nobody has watched since, so nobody may believe that they go on."""
    left = delivery.outbox.open_alerts()
    if left:
        why = "the service was stopped before it could see the end"
        seen.announce([closing_change(change, clock.now(), why) for change in left])
        _log.info("closed %d alerts that the last run left open", len(left))


def _witnessed(stored: Sink, footage: Footage, metrics: Metrics, config: Config) -> Witness:
    return Witness(
        stored,
        footage.cameras,
        footage,
        footage.keeper,
        on_evidence=lambda change: metrics.raised([change]),
        finish_within_s=config.shutdown_s,
    )


def _places(config: Config) -> dict[tuple[str, str], tuple[list[tuple[float, float]], bool]]:
    """(camera, zone or line) → its points, and whether they close."""
    places: dict[tuple[str, str], tuple[list[tuple[float, float]], bool]] = {}
    for name, camera in config.cameras.items():
        places.update({(name, zone): (points, True) for zone, points in camera.zones.items()})
        places.update({(name, line): (points, False) for line, points in camera.lines.items()})
    return places


def _kinds(config: Config) -> dict[tuple[str, str], str]:
    return {(name, rule.name): rule.kind for name, camera in config.cameras.items() for rule in camera.rules}
