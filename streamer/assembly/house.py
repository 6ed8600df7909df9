"""The whole service out of a configuration: everything opened in order, and closed in the reverse one."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import cv2

from streamer.alerts.book import closing_change
from streamer.alerts.illustrated import Illustrated
from streamer.alerts.snapshots import SnapshotStore
from streamer.assembly.admission import admitted
from streamer.assembly.apart import with_model
from streamer.assembly.audit import open_trail, orders_told_to
from streamer.assembly.behaviour import Behaving, check_behaviour
from streamer.assembly.camera import build_source
from streamer.assembly.cameras import Cameras, Rooms, places_of
from streamer.assembly.canary import PastCanary, canary_of, with_canary
from streamer.assembly.certificate import check_web
from streamer.assembly.change import RunningChange
from streamer.assembly.changing import Changing, Warming
from streamer.assembly.configuration_desk import ConfigurationDesk, open_desk
from streamer.assembly.crew import Crew, with_crew
from streamer.assembly.decoding import check_decoding
from streamer.assembly.delivery import OnPublished, open_delivery, told_latency
from streamer.assembly.footage import Footage, check_main_streams
from streamer.assembly.labels import check_labels
from streamer.assembly.model import ModelOf, OpenModel, model_here
from streamer.assembly.moving import MovingCamera
from streamer.assembly.privacy import check_privacy
from streamer.assembly.readings import command_rows, delivery_rows, disk_rows, spoiled_rows
from streamer.assembly.regions import Looking
from streamer.assembly.unit import MakeSource
from streamer.assembly.web import open_console, with_video
from streamer.clock import Clock
from streamer.config import Config
from streamer.control.desk import WakeDesk
from streamer.control.http_orders import WakeOrders
from streamer.control.redis_commands import CommandListener
from streamer.detect.known import DetectorLanes
from streamer.footage.witness import Witness
from streamer.heaps import few_heaps
from streamer.inbox import BatchPolicy, FrameInbox
from streamer.privacy.screen import Screen, Screened
from streamer.scheduling.costs import CostModel
from streamer.service import Service
from streamer.sinks.delivery import Delivery
from streamer.sinks.fencing import EpochOf
from streamer.stages import Sink
from streamer.telemetry.http import TelemetryServer
from streamer.telemetry.metrics import Metrics
from streamer.types import AlertChange

_log = logging.getLogger("streamer.assembly")


@dataclass(frozen=True, slots=True)
class House:
    """A service that is ready to run, and what belongs to it."""

    service: Service
    detector: DetectorLanes
    metrics: Metrics
    telemetry: TelemetryServer | None
    changing: Changing
    delivery: Delivery
    configuration: ConfigurationDesk | None = None
    moving: Callable[[str], MovingCamera] | None = None
    warming: Warming | None = None


Arrives = Callable[[MovingCamera], Sequence[AlertChange]]
"""Of a camera that is about to be watched: goes on from what its last owner left; ends of alerts that cannot go on."""


@contextlib.contextmanager
def open_house(
    config: Config,
    clock: Clock,
    origin: str,
    *,
    on_published: OnPublished | None = None,
    make_source: MakeSource = build_source,
    overruling: Callable[[Config], Config] = lambda config: config,
    epoch_of: EpochOf | None = None,
    arrives: Arrives | None = None,
    model_of: ModelOf = model_here,
) -> Iterator[House]:
    """The service of a configuration, ready to run; closes what it opened.

    The model comes first: creating a session holds the interpreter's lock, which cameras must not feel. `origin` names
    the configuration in messages; on_published(camera, seconds) is told the capture-to-publish latency of every frame;
    make_source stands in for the cameras themselves; overruling: what the command line says on top of the file,
    whenever it is read again; epoch_of, arrives: of a node of a cluster, whose cameras have leases (sinks/fencing.py)
    and come from other nodes; model_of: opens the model, where it is not this machine's.
    Raises ConfigError, ArtifactError, SinkUnavailable.
    """
    check_decoding(config, origin)
    check_main_streams(config, origin)
    check_web(config, origin)
    # A hundred cameras look at small pictures: OpenCV's own threads would only wait for one another.
    cv2.setNumThreads(1)
    few_heaps()
    model = model_of(config)
    detector = model.pool.first
    admission = admitted(config, model.plan.capacity)
    config = admission.config
    check_labels(config, detector, origin)
    check_privacy(config, detector.labels, origin)
    check_behaviour(config, origin)
    behaving = Behaving(config, detector)
    behaving.open_for(config)
    metrics = Metrics(clock.monotonic)
    canary = canary_of(config, detector, clock) if epoch_of is None else None
    with contextlib.ExitStack() as stack:
        delivery = open_delivery(
            config, clock, told_latency(metrics, clock, on_published), lambda: service.stop(), epoch_of
        )
        stack.callback(delivery.close)
        trail = stack.enter_context(open_trail(config, clock))
        metrics.read_from(trail.rows)
        console = stack.enter_context(open_console(config, clock, origin, delivery, trail))
        seen: Sink = console.overlooking(delivery) if console else delivery
        # After the receivers are known to the outbox, so that they are told of these too. In a cluster whoever has the
        # camera now goes on with them, or closes them.
        if epoch_of is None:
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
        footage = Footage(config, clock, lambda: service.stop(), crew)
        stored = _witnessed(seen, footage, metrics, config)
        illustrated = Illustrated(stored, pictures, places_of(config))
        screen = Screen(footage.veils.add)
        # Screened is the first: no sink is shown more than may be seen; the canary shows nobody.
        sink = PastCanary(Screened(illustrated, screen), delivery)
        stack.callback(sink.close)
        desk = WakeDesk()
        heard = orders_told_to(trail, "redis")
        commands = CommandListener(config.redis.url, desk, clock, on_order=heard) if config.redis else None
        looking = Looking(model.pool, config.model.keys)
        service = _service(config, model, looking, sink, delivery, commands, footage, crew, metrics, clock)
        if model.elsewhere:
            stack.callback(model.elsewhere.close)
            model.elsewhere.serve(service, metrics, lambda: behaving.model is not None)

        def gone(name: str) -> None:
            screen.forget(name)
            if console:
                console.forget(name)

        rooms = Rooms(
            clock, detector, metrics, desk, looking, behaving, footage, crew, make_source, pictures.path_for,
            lambda around, camera: with_video(around, camera, console), gone, config.shutdown_s,
            lambda name: console.room.pictures.forget(name) if console else None,
            lambda moving: seen.announce(arrives(moving)) if arrives else None,
        )  # fmt: skip
        cameras = Cameras(rooms, service)
        for name in config.cameras:
            cameras.take_in(cameras.build(name, admission))
        if canary and not all(unit.source.demand_paced for unit in service.cameras):
            service.add(canary.unit)
            metrics.read_from(canary.rows)
        else:
            canary = None
        changing = RunningChange(
            admission, cameras, service, detector, looking, behaving, model.plan.capacity, origin,
            lambda changed: illustrated.show_places(places_of(changed)),
        )  # fmt: skip
        delivery.start()
        if canary:
            stack.enter_context(canary.watching(seen))
        if commands:
            stack.callback(commands.close)
            commands.start(service.stop)
            metrics.read_from(lambda: command_rows(commands))
        named = f"{detector.model_name}@{detector.model_hash[:12]}"
        metrics.read_from(lambda: [("streamer_model_info", (named,), 1.0)])
        metrics.read_from(lambda: changing.admission.rows())
        metrics.read_from(lambda: spoiled_rows(model.pool))
        metrics.read_from(lambda: delivery_rows(delivery))
        metrics.read_from(lambda: disk_rows(config.data_dir))
        metrics.read_from(lambda: [("streamer_promised_latency_seconds", (), config.inference.max_age_s)])
        metrics.read_from(illustrated.rows)
        if crew:
            metrics.read_from(crew.rows)
        metrics.read_from(footage.rows)
        stack.callback(footage.close_main_streams)
        metrics.read_from(cameras.rows)
        telemetry = None
        if config.http:
            token = config.http.token.get_secret_value() if config.http.token else None
            telemetry = TelemetryServer(
                config.http.host,
                config.http.port,
                metrics.registry,
                live=service.live,
                ready=lambda: with_model(with_canary(service.ready(), canary), model),
                orders=WakeOrders(desk, token, orders_told_to(trail, "http")),
            )
            stack.callback(telemetry.close)
        configuration = open_desk(origin, changing, config, clock, overruling)
        if console:
            stack.enter_context(console.serving(service, desk, changing, configuration))
        yield House(
            service, model.pool, metrics, telemetry, changing, delivery, configuration, cameras.moving, changing
        )


def _service(
    config: Config,
    model: OpenModel,
    looking: Looking,
    sink: Sink,
    delivery: Delivery,
    commands: CommandListener | None,
    footage: Footage,
    crew: Crew | None,
    metrics: Metrics,
    clock: Clock,
) -> Service:
    settings = config.inference
    policy = BatchPolicy(settings.max_batch, settings.max_wait_s, settings.max_age_s, settings.depth)
    inbox = FrameInbox({}, policy, clock, lanes=model.pool.lanes, costs=CostModel(model.plan.seconds))
    metrics.read_from(lambda: [("streamer_inbox_waiting_frames", (), float(inbox.waiting()))])
    if model.elsewhere is None:  # else it was not measured here, and who has it tells
        metrics.read_from(lambda: [("streamer_model_slowness", (), inbox.slowness)])
    return Service(
        (),
        inbox,
        looking,
        sink,
        metrics,
        clock,
        lanes=model.pool.lanes,
        show_cameras=delivery.update_cameras,
        others=lambda: (
            *delivery.workers,
            *(commands.workers if commands else ()),
            *footage.workers,
            *(crew.workers if crew else ()),
        ),
        shutdown_s=config.shutdown_s,
    )


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
