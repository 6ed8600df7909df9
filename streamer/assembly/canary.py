"""The canary: a known event goes the whole way of an alert, over and over, and must come back from Redis in time.

    a bundled picture with a person in it ─▶ inbox ─▶ model ─▶ tracker ─▶ rule ─▶ book ─▶ outbox ─▶ Redis ─▶ back here

Nothing that fails silently stays silent so: a model that finds nothing any more, an outbox that stands still, a Redis
that answers and keeps nothing. Its alerts have the kind `canary.probe`; the client passes them over, webhooks and files
never get them, and it counts as no camera: no coverage, no place among the cameras, no snapshot.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterable, Iterator, Sequence
from importlib.resources import files
from uuid import uuid4

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.alerts.book import CameraAlertBook, Moment
from streamer.alerts.policy import AlertPolicy
from streamer.assembly.canary_watch import CanaryReading, CanaryWatch
from streamer.assembly.link import LinkAlerts
from streamer.camera_unit import CameraUnit
from streamer.client.subscription import subscribe
from streamer.clock import Clock
from streamer.config.model import CanaryConfig, Config
from streamer.coverage import Coverage
from streamer.detect.known import KnownDetector
from streamer.errors import ConfigError, SinkUnavailable
from streamer.fit import InputFit
from streamer.pipeline import CameraPipeline
from streamer.rules.camera_link import LinkWatch
from streamer.sinks.delivery import Delivery
from streamer.stages import Sink
from streamer.surroundings import Surroundings
from streamer.telemetry.http import Health
from streamer.telemetry.metrics import Reading
from streamer.track import KalmanTracker
from streamer.types import AlertChange, Evidence, Frame, FrameResult, Tracks
from streamer.wire import CANARY_KIND
from streamer.workers import Deadline, Worker

CAMERA = "_canary"
"""No configuration can have it: names begin with a letter or a digit."""
FAILED_KIND = "service.canary"
_FRAMES, _FPS = 8, 5.0
_LOOK_EVERY_S = 0.25
_log = logging.getLogger("streamer.canary")


class Canary:
    """Everything of it, for one service. Raises ConfigError where the model does not find what the picture shows."""

    def __init__(self, asked: CanaryConfig, redis_url: str, detector: KnownDetector, clock: Clock) -> None:
        self._clock, self._url, self._since = clock, redis_url, clock.now()
        self._watch = CanaryWatch(asked.within_s)
        self._source = CanarySource(detector.input_fit, clock, self._watch, asked.every_s)
        [found] = detector.detect([self._source.frame("canary-0", 0)])
        if not any(
            found.labels[i] == "person" for i in found.class_ids[found.scores >= detector.thresholds.track_score]
        ):
            raise ConfigError(
                [f"canary: the model '{detector.model_name}' finds no person in the canary's picture; "
                 "take 'canary:' out, or use a model that finds people"]
            )  # fmt: skip
        policies = {CANARY_KIND: AlertPolicy(severity="info", clear_after_s=0.0)}
        book = CameraAlertBook(CAMERA, policies, model_hash=detector.model_hash[:16], config_hash="canary")
        link = CameraAlertBook(CAMERA, {}, model_hash=detector.model_hash[:16], config_hash="canary")
        around = Surroundings.alone(CAMERA, clock)
        self.unit = CameraUnit(
            source=self._source,
            pipeline=CameraPipeline(KalmanTracker(detector.labels), [ProbeRule()], book),
            link=LinkAlerts(LinkWatch(CAMERA), link, self._since, frozenset()),
            around=around,
            coverage=Coverage(clock.monotonic(), asked.every_s),
            is_canary=True,
        )
        self._alarm = CameraAlertBook(
            "service",
            {FAILED_KIND: AlertPolicy(severity="critical", clear_after_s=0.0, update_every_s=300.0)},
            model_hash=detector.model_hash[:16],
            config_hash="canary",
        )
        self._stop = threading.Event()

    def reading(self) -> CanaryReading:
        """How it stands."""
        return self._watch.reading(self._clock.monotonic())

    def rows(self) -> Iterable[Reading]:
        """For telemetry."""
        reading = self.reading()
        yield "streamer_canary_ok", (), float(reading.ok)
        if reading.seconds is not None:
            yield "streamer_canary_seconds", (), reading.seconds

    @contextlib.contextmanager
    def watching(self, sink: Sink) -> Iterator[None]:
        """While inside, what comes back is noted, and an alert raised where it does not."""
        workers = [
            Worker("canary:listen", self._listen, lambda: _log.error("the canary is listened to no more")),
            Worker("canary:judge", lambda: self._judge(sink), lambda: _log.error("the canary is judged no more")),
        ]
        for worker in workers:
            worker.start()
        try:
            yield
        finally:
            self._stop.set()
            deadline = Deadline(2.0)
            for worker in workers:
                worker.join(deadline)

    def _listen(self) -> None:
        with subscribe(self._url, None, kinds={CANARY_KIND}, start="new") as alerts:
            while not self._stop.is_set():
                received = alerts.receive()
                if received is not None and received.change.type == "opened":
                    self._watch.came_back(received.change.session, self._clock.monotonic())

    def _judge(self, sink: Sink) -> None:
        began_s = self._clock.monotonic()
        while not self._stop.wait(_LOOK_EVERY_S):
            reading, now_s = self.reading(), self._clock.monotonic()
            held = [Evidence(subject="canary", text=reading.trouble)] if reading.trouble else []
            moment = Moment(f"canary-{self._since:.3f}", self._clock.now(), now_s - began_s)
            changes = self._alarm.record_at(FAILED_KIND, FAILED_KIND, held, moment)
            if changes:
                _log.log(logging.ERROR if held else logging.INFO, "%s", reading.trouble or "the canary is back")
                _announce(sink, changes)
        _announce(sink, self._alarm.end_session("the service stopped"))


class CanarySource:
    """stages.FrameSource: the same person stands in the picture for a moment, every so often; each time a session."""

    demand_paced = False
    camera = CAMERA

    def __init__(self, input_fit: InputFit, clock: Clock, watch: CanaryWatch, every_s: float) -> None:
        self._clock, self._watch, self._every_s = clock, watch, every_s
        self._whole = _picture()
        self._wh = (self._whole.shape[1], self._whole.shape[0])
        content_wh = input_fit.of(self._wh).content_wh
        self._image = np.ascontiguousarray(cv2.resize(self._whole, content_wh, interpolation=cv2.INTER_AREA), np.uint8)
        self._stop = threading.Event()

    def frames(self) -> Iterator[Frame]:
        """For ever, until close()."""
        while not self._stop.is_set():
            probe, began_s = f"canary-{uuid4().hex}", self._clock.monotonic()
            self._watch.sent(probe, began_s)
            for index in range(_FRAMES):
                yield self.frame(probe, index)
                if self._stop.wait(1 / _FPS):
                    return
            if self._stop.wait(max(0.0, self._every_s - (self._clock.monotonic() - began_s))):
                return

    def frame(self, session: str, index: int) -> Frame:
        """One of them."""
        return Frame(
            camera=CAMERA, session=session, index=index, image=self._image, source_wh=self._wh, media_s=index / _FPS,
            captured_at=self._clock.now(), received_s=self._clock.monotonic(), picture=_Still(self._whole),
        )  # fmt: skip

    def close(self) -> None:
        """End soon."""
        self._stop.set()


class ProbeRule:
    """Once in a session: somebody is followed."""

    name = kind = CANARY_KIND

    def __init__(self) -> None:
        self._told = False

    def judge(self, frame: Frame, tracks: Tracks) -> Iterable[Evidence]:  # noqa: ARG002 - one picture shows it all
        """The known event."""
        if self._told or not len(tracks.ids):
            return ()
        self._told = True
        return (Evidence(subject="canary", text="the canary's known event", momentary=True),)

    def reset(self) -> None:
        """The next probe."""
        self._told = False


class PastCanary:
    """stages.Sink in front of the house's: of the canary, only its alert changes go on, and straight to the outbox."""

    def __init__(self, sink: Sink, delivery: Delivery) -> None:
        self._sink, self._delivery = sink, delivery

    def publish(self, result: FrameResult) -> None:
        """See stages.Sink."""
        if result.frame.camera == CAMERA:
            self._delivery.announce(result.changes)
        else:
            self._sink.publish(result)

    def announce(self, changes: Sequence[AlertChange]) -> None:
        """See stages.Sink."""
        self._delivery.announce([change for change in changes if change.camera == CAMERA])
        if others := [change for change in changes if change.camera != CAMERA]:
            self._sink.announce(others)

    def close(self) -> None:
        """See stages.Sink."""
        self._sink.close()


class _Still:
    def __init__(self, image: NDArray[np.uint8]) -> None:
        self._image = image

    def rgb(self) -> NDArray[np.uint8]:
        return self._image


def with_canary(health: Health, canary: Canary | None) -> Health:
    """The service's own health, and that what it sees arrives."""
    if canary is None:
        return health
    reading = canary.reading()
    told: dict[str, object] = {"ok": reading.ok, "seconds": reading.seconds, "trouble": reading.trouble}
    return Health(health.ok and reading.ok, {**health.details, "canary": told})


def _announce(sink: Sink, changes: Sequence[AlertChange]) -> None:
    try:
        sink.announce(changes)
    except SinkUnavailable as error:
        _log.error("what is to be said of the canary cannot be stored: %s", error)


def canary_of(config: Config, detector: KnownDetector, clock: Clock) -> Canary | None:
    """The canary of a configuration; none where none is asked for. Raises ConfigError."""
    if config.canary is None:
        return None
    if config.redis is None:
        raise ConfigError(["canary: needs 'redis:', the stream of alerts is where it must come back"])
    return Canary(config.canary, config.redis.url, detector, clock)


def _picture() -> NDArray[np.uint8]:
    content = files("streamer.assembly").joinpath("canary.jpg").read_bytes()
    bgr = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    assert bgr is not None  # it is bundled, and a test decodes it
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)
