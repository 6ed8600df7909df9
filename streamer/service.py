"""The same stages as pipeline.replay, with threads between them: who runs, in which order they start and stop.

    capture:CAMERA … ─▶ FrameInbox ─▶ infer:LANE … ─▶ InOrder ─▶ analyse ─▶ Channel ─▶ publish
    watch (link states, four times a second) ─────────────────────────────────▲

Start: from the sink back to the cameras, so that nothing is offered before somebody takes it. Stop: from the cameras
on, each stage draining what the one before it left, all under one deadline. A stage that dies stops the house and is
named. A camera that fails is that camera's affair: it is marked, and everybody else goes on.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from streamer.board import Board, CameraStates, WatchedCamera
from streamer.channel import Channel, ChannelClosed
from streamer.clock import Clock
from streamer.coverage import Coverage
from streamer.errors import SourceError
from streamer.in_order import InOrder
from streamer.inbox import FrameInbox, InboxClosed
from streamer.ledger import CameraStatus, Drop, FrameLedger
from streamer.pipeline import CameraPipeline, analyse
from streamer.stages import BehaviourModel, Detector, FrameSource, LinkWatch, Sink
from streamer.surroundings import Surroundings
from streamer.telemetry.http import Health
from streamer.telemetry.metrics import Metrics
from streamer.types import AlertChange, Detections, Frame, FrameResult
from streamer.workers import Deadline, Worker

_log = logging.getLogger("streamer.service")

_WATCH_EVERY_S = 0.25
_SHOW_EVERY_S = 1.0
_SIGNALS_WITHIN_S = 0.5
_DRAIN_AT_LEAST_S = 1.0


@dataclass(frozen=True, slots=True)
class CameraUnit:
    """One camera with everything that is private to it."""

    source: FrameSource
    pipeline: CameraPipeline
    link: LinkWatch
    around: Surroundings
    coverage: Coverage

    @property
    def camera(self) -> str:
        """The camera's id."""
        return self.around.ledger.camera

    @property
    def ledger(self) -> FrameLedger:
        """Where its frames went."""
        return self.around.ledger

    @property
    def status(self) -> CameraStatus:
        """How its link is."""
        return self.around.status

    @property
    def watched(self) -> WatchedCamera:
        """The books of this camera."""
        return WatchedCamera(self.ledger, self.status, self.coverage, self.around.sleep)


@dataclass(frozen=True, slots=True)
class _Detected:
    """What one batch brought, and the cameras that ended behind it."""

    frames: tuple[tuple[Frame, Detections], ...]
    ended: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ServiceReport:
    """How a run ended. `failed` and `hung` name stages; `cameras` those that could not go on, with the sentence why."""

    failed: Mapping[str, BaseException] = field(default_factory=dict)
    hung: tuple[str, ...] = ()
    cameras: Mapping[str, str] = field(default_factory=dict)

    @property
    def clean(self) -> bool:
        """True where no stage died or hung."""
        return not self.failed and not self.hung


class Service:
    """Runs cameras until stop(), until all recordings have ended, or until a stage fails. Use once.

    lanes: how many calls of the detector get on beside each other. show_cameras is given the state of all cameras about
    once a second; others: threads of the sink's own, to be named in the report where they died.
    """

    def __init__(
        self,
        cameras: Sequence[CameraUnit],
        inbox: FrameInbox,
        detector: Detector,
        sink: Sink,
        metrics: Metrics,
        clock: Clock,
        *,
        lanes: int = 1,
        behaviour: BehaviourModel | None = None,
        show_cameras: Callable[[CameraStates], None] = lambda _: None,
        others: Callable[[], Sequence[Worker]] = tuple,
        shutdown_s: float = 10.0,
    ) -> None:
        self._cameras = {unit.camera: unit for unit in cameras}
        self._inbox, self._detector, self._sink = inbox, detector, sink
        self._behaviour, self._metrics, self._clock = behaviour, metrics, clock
        self._board = Board([unit.watched for unit in cameras], clock)
        self._states: CameraStates = self._board.states()
        self._show_cameras, self._others, self._shutdown_s = show_cameras, others, shutdown_s
        self._ending = threading.Event()  # somebody asked to stop, a stage failed, or every recording has ended
        self._stopped_early = False
        self._lost_cameras: dict[str, str] = {}
        self._detected: InOrder[_Detected] = InOrder(capacity=1 + lanes, producers=lanes)  # one in work
        # What one batch brought travels together: waking a thread costs more than most frames do.
        self._results: Channel[tuple[FrameResult, ...] | list[AlertChange]] = Channel(capacity=100)
        self._captures = [self._worker(f"capture:{unit.camera}", self._capture, unit) for unit in cameras]
        self._capturing = len(self._captures)
        self._capturing_lock = threading.Lock()
        self._watch_worker = Worker("watch", self._watch, self.stop)
        self._chain = [
            *(Worker("infer" if lanes == 1 else f"infer:{lane}", self._infer, self.stop) for lane in range(lanes)),
            Worker("analyse", self._analyse, self.stop),
            Worker("publish", self._publish, self.stop),
        ]

    @property
    def cameras(self) -> tuple[CameraUnit, ...]:
        """Every camera."""
        return tuple(self._cameras.values())

    def stop(self) -> None:
        """Ask for the end; from any thread or a signal handler, returns at once."""
        self._stopped_early = True
        self._ending.set()

    def run(self) -> ServiceReport:
        """Start everything, wait for the end, wind down, and say how it went."""
        for worker in (*reversed(self._chain), self._watch_worker, *self._captures):
            worker.start()
        if not self._captures:
            self._ending.set()
        # A signal that comes just before an endless wait is not handled until that ends, which may be never.
        while not self._ending.wait(_SIGNALS_WITHIN_S):
            pass
        return self._wind_down(Deadline(self._shutdown_s))

    def live(self) -> Health:
        """Is every stage alive? A dead one means: restart me."""
        dead = [worker.name for worker in self._chain if not worker.alive]
        return Health(ok=not dead, details={"dead_stages": dead})

    def ready(self) -> Health:
        """Does the service do its work, and how is each camera? An offline camera does not make it unready."""
        live = self.live()
        return Health(live.ok and not self._ending.is_set(), {**live.details, "cameras": self._states})

    # --- the stages, each on its own thread ---------------------------------------------------------------------

    def _capture(self, unit: CameraUnit) -> None:
        try:
            with contextlib.closing(unit.source.frames()) as frames:  # type: ignore[type-var]
                for frame in frames:
                    if not self._inbox.offer(frame):
                        break
        except SourceError as error:
            self._lose_camera(unit, str(error))
        except Exception as error:  # noqa: BLE001 - one camera never harms another
            _log.exception("camera '%s': its capture failed and will not come back before a restart", unit.camera)
            self._lose_camera(
                unit, f"camera '{unit.camera}': internal error in capture: {type(error).__name__}: {error}"
            )
        finally:
            if not self._stopped_early:  # a source that was told to stop has not come to its end
                self._inbox.end(unit.camera)
            with self._capturing_lock:
                self._capturing -= 1
                if self._capturing == 0:
                    self._ending.set()

    def _infer(self) -> None:
        with self._detected, contextlib.suppress(InboxClosed, ChannelClosed):
            while True:
                batch = self._inbox.take()
                detections: Sequence[Detections] = ()
                if batch.frames:
                    started_s = time.perf_counter()
                    detections = self._detector.detect(batch.frames)
                    took_s = time.perf_counter() - started_s
                    self._inbox.done(batch, took_s)
                    self._metrics.stage("infer", took_s)
                    self._metrics.batch_frames.observe(len(batch.frames))
                self._detected.put(
                    batch.number, _Detected(tuple(zip(batch.frames, detections, strict=True)), batch.ended)
                )

    def _analyse(self) -> None:
        with self._results, contextlib.suppress(ChannelClosed), contextlib.closing(self._detected):
            for detected in self._detected:
                results: list[FrameResult] = []
                try:
                    results.extend(self._analysed(detected.frames))
                finally:  # where one frame kills the stage, those before it are still delivered
                    self._results.put(tuple(results))
                for camera in detected.ended:
                    self._results.put(self._cameras[camera].pipeline.finish("the recording ended"))
            for unit in self._cameras.values():
                self._results.put(unit.pipeline.finish("the service stopped"))
                self._results.put(unit.link.finish("the service stopped"))

    def _analysed(self, batch: Sequence[tuple[Frame, Detections]]) -> Iterator[FrameResult]:
        started_s = time.perf_counter()
        of_cameras = [(self._cameras[frame.camera].pipeline, frame, detections) for frame, detections in batch]
        for result in analyse(of_cameras, self._behaviour):
            # The first of a batch bears what was done for all of it.
            self._metrics.stage("analyse", time.perf_counter() - started_s)
            unit = self._cameras[result.frame.camera]
            unit.ledger.analysed()
            unit.coverage.analysed(result.frame.received_s)
            if unit.around.presence is not None:
                unit.around.presence.sees(len(result.tracks), unit.pipeline.alerted)
            yield result
            started_s = time.perf_counter()

    def _publish(self) -> None:
        with self._results:
            for item in self._results:
                if isinstance(item, tuple):
                    for result in item:
                        self._publish_one(result)
                elif item:
                    self._sink.announce(item)
                    self._metrics.raised(item)

    def _publish_one(self, result: FrameResult) -> None:
        started_s = time.perf_counter()
        self._sink.publish(result)
        self._metrics.stage("publish", time.perf_counter() - started_s)
        self._metrics.raised(result.changes)

    def _watch(self) -> None:
        shown_s = float("-inf")
        with contextlib.suppress(ChannelClosed):
            while not self._ending.wait(_WATCH_EVERY_S):
                now_s, now = self._clock.monotonic(), self._clock.now()
                # A switch that dies takes many cameras with it: one write for all, or frames would wait for each.
                changes = [
                    change
                    for unit in self._cameras.values()
                    for change in unit.link.tick(unit.status.state(), now_s, now)
                ]
                if changes:
                    self._results.put(changes)
                if now_s - shown_s >= _SHOW_EVERY_S:
                    shown_s = now_s
                    self._show()

    def _show(self) -> None:
        self._states = self._board.states()
        self._show_cameras(self._states)

    # --- the end ------------------------------------------------------------------------------------------------

    def _wind_down(self, deadline: Deadline) -> ServiceReport:
        for unit in self._cameras.values():
            unit.source.close()
        drain = not self._stopped_early
        if not drain:  # wake captures that wait for room first, or they would never see that they should stop
            self._inbox.close(drain=False)
        order = [*self._captures, self._watch_worker]
        hung = [worker.name for worker in order if not worker.join(deadline)]
        self._inbox.close(drain=drain)
        # A camera that hangs must not use up the time in which the others' last results are put away.
        deadline = Deadline(max(deadline.remaining(), _DRAIN_AT_LEAST_S))
        hung += [worker.name for worker in self._chain if not worker.join(deadline)]
        for unit in self._cameras.values():  # what a dead or hung stage still held
            unit.ledger.dropped(Drop.SHUTDOWN, unit.ledger.counts().waiting)
        self._show()
        self._sink.close()
        everybody = (*order, *self._chain, *self._others())
        failed = {worker.name: worker.error for worker in everybody if worker.error}
        return ServiceReport(failed, tuple(hung), dict(self._lost_cameras))

    def _lose_camera(self, unit: CameraUnit, why: str) -> None:
        self._lost_cameras[unit.camera] = why
        unit.status.offline(self._clock.monotonic(), why)
        _log.error("%s", why, extra={"camera": unit.camera})

    def _worker(self, name: str, body: Callable[[CameraUnit], None], unit: CameraUnit) -> Worker:
        return Worker(name, lambda: body(unit), self.stop)
