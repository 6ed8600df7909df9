"""The same stages as pipeline.replay, with threads between them: who runs, in which order they start and stop.

    capture:CAMERA … ─▶ FrameInbox ─▶ infer:LANE … ─▶ InOrder ─▶ analyse ─▶ Channel ─▶ publish
    watch (link states, four times a second) ─────────────────────────────────▲

Start: from the sink back to the cameras, so that nothing is offered before somebody takes it. Stop: from the cameras
on, each stage draining what the one before it left, all under one deadline. A stage that dies stops the house and is
named. A camera that fails is that camera's affair: it is marked, and everybody else goes on.

Cameras come and go meanwhile. One that is to go is closed, and its end flows through the stages behind its last frame;
so does a change of what is judged in its pictures, between two of them. Nobody else waits for either.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from streamer.board import Board, CameraStates
from streamer.camera_unit import CameraUnit
from streamer.channel import Channel, ChannelClosed
from streamer.clock import Clock
from streamer.errors import ServiceOver, SourceError
from streamer.in_order import HeldBack, InOrder
from streamer.inbox import Act, Batch, FrameInbox, InboxClosed
from streamer.ledger import Drop
from streamer.looking import looked_at
from streamer.pipeline import analyse
from streamer.presence import anybody_moves
from streamer.roll import Place, Roll
from streamer.stages import AlertBook, BehaviourModel, Detector, LinkWatch, Rule, Sink
from streamer.telemetry.http import Health
from streamer.telemetry.metrics import Metrics
from streamer.types import AlertChange, Detections, Frame, FrameResult
from streamer.workers import Deadline, Worker

_log = logging.getLogger("streamer.service")

_WATCH_EVERY_S = 0.25
_SHOW_EVERY_S = 1.0
_SIGNALS_WITHIN_S = 0.5
_DRAIN_AT_LEAST_S = 1.0
_LEAVES_WITHIN_S = 10.0


@dataclass(frozen=True, slots=True)
class _Detected:
    """What one batch brought, the cameras that ended behind it, and what is to be done then."""

    frames: tuple[tuple[Frame, Detections], ...]
    ended: tuple[str, ...]
    then: tuple[Act, ...]


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

    The inbox knows the cameras that are given at the start; those that come later are added to it.

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
        self._inbox, self._detector, self._sink = inbox, detector, sink
        self._behaviour, self._metrics, self._clock = behaviour, metrics, clock
        self._board, self._showing = Board(clock), threading.Lock()
        self._states: CameraStates = {}
        self._show_cameras, self._others, self._shutdown_s = show_cameras, others, shutdown_s
        self._ending = threading.Event()  # somebody asked to stop, a stage failed, or every recording has ended
        self._ended = threading.Event()
        self._stopped_early = False
        self._lost_cameras: dict[str, str] = {}
        self._detected: InOrder[_Detected] = InOrder(capacity=1 + lanes, producers=lanes)  # one in work
        # What one batch brought travels together: waking a thread costs more than most frames do.
        self._results: Channel[tuple[FrameResult, ...] | list[AlertChange] | Act] = Channel(capacity=100)
        self._roll = Roll(self._ending.set)
        self._linking = threading.Lock()  # link watches are ticked by one thread and ended by another
        self._membership = threading.Lock()
        self._begun = self._over = False
        for unit in cameras:
            self._roll.enter(self._place(unit))
        self._states = self._board.states([unit.watched for unit in cameras])
        self._watch_worker = Worker("watch", self._watch, self.stop)
        self._chain = [
            *(Worker("infer" if lanes == 1 else f"infer:{lane}", self._infer, self.stop) for lane in range(lanes)),
            Worker("analyse", self._analyse, self.stop),
            Worker("publish", self._publish, self.stop),
        ]

    @property
    def cameras(self) -> tuple[CameraUnit, ...]:
        """Every camera."""
        return self._roll.units

    def add(self, unit: CameraUnit) -> None:
        """Take a camera in; from any thread, before run() or while it goes on.

        Raises ValueError where there is one of this name, ServiceOver where the end has begun.
        """
        with self._membership:
            if self._over:
                raise ServiceOver("the service is ending")
            place = self._place(unit)
            self._roll.enter(place)
            self._inbox.add(
                unit.ledger,
                demand_paced=unit.source.demand_paced,
                one_by_one=unit.one_by_one,
                weight=unit.weight,
            )
            self._lost_cameras.pop(unit.camera, None)
            begun = self._begun
            if begun:
                place.capture.start()
        if begun:
            self._show()

    def remove(self, camera: str, why: str, within_s: float = _LEAVES_WITHIN_S) -> None:
        """Let a camera go; from any thread that is not one of the stages'. Its open alerts are closed with the reason.

        Returns when all that it sent has been published and accounted for, or when the service has ended meanwhile. A
        source that does not end in time is left behind. Raises LookupError where there is no such camera.
        """
        with self._membership:
            place = self._roll.ask_to_leave(camera, why)
            self._lost_cameras.pop(camera, None)
            begun = self._begun
        place.unit.source.close()
        if begun and not place.capture.join(Deadline(within_s)):
            _log.warning("%s did not end in time and was left behind", place.capture.name, extra={"camera": camera})
        self._inbox.remove(camera, lambda: self._let_go(place))
        if begun:
            self._wait_for(place.gone)
        else:
            self._roll.strike(place)
        self._show()

    def judge_anew(self, camera: str, rules: Sequence[Rule], book: AlertBook, link: LinkWatch, why: str) -> None:
        """Other rules from the camera's next frame on, while its frames and who is followed in them go on.

        What is open is closed with the reason; returns when that is published. From any thread that is not one of the
        stages'. Raises LookupError where there is no such camera.
        """
        place, done = self._roll.of(camera), threading.Event()

        def renew() -> None:
            place.unit = replace(place.unit, pipeline=place.unit.pipeline.judged_by(rules, book), link=link)

        def change() -> None:
            self._finish(place.unit, why, renew)
            self._results.put(done.set)

        with self._membership:
            begun = self._begun
            if not begun:
                renew()
        if begun:
            self._inbox.soon(change)
            self._wait_for(done)

    def weigh(self, camera: str, weight: float) -> None:
        """Another share of the model for this camera."""
        self._inbox.weigh(camera, weight)

    def score_with(self, behaviour: BehaviourModel | None) -> None:
        """Another temporal model, or none, from the next batch on."""
        self._behaviour = behaviour

    def waits_for_its_consumer(self, camera: str) -> bool:
        """Whether it is a recording of which nothing may be lost. Raises LookupError where there is no such camera."""
        return self._roll.of(camera).unit.source.demand_paced

    def held_open(self) -> contextlib.AbstractContextManager[None]:
        """While inside, cameras are still to come: that all recordings have ended is not the end."""
        return self._roll.held_open()

    def stop(self) -> None:
        """Ask for the end; from any thread or a signal handler, returns at once."""
        self._stopped_early = True
        self._ending.set()

    def run(self) -> ServiceReport:
        """Start everything, wait for the end, wind down, and say how it went."""
        self._show()
        for worker in (*reversed(self._chain), self._watch_worker):
            worker.start()
        with self._membership:
            self._begun = True
            for place in self._roll.places:
                place.capture.start()
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

    def _capture(self, place: Place) -> None:
        unit = place.unit
        try:
            with contextlib.closing(unit.source.frames()) as frames:  # type: ignore[type-var]
                for frame in frames:
                    # One that was left behind has no place in the inbox, and another camera may have its name.
                    if place.gone.is_set() or not self._inbox.offer(frame):
                        break
        except SourceError as error:
            self._lose_camera(place, str(error))
        except Exception as error:  # noqa: BLE001 - one camera never harms another
            _log.exception("camera '%s': its capture failed and will not come back before a restart", unit.camera)
            self._lose_camera(
                place, f"camera '{unit.camera}': internal error in capture: {type(error).__name__}: {error}"
            )
        finally:
            if not self._stopped_early and place.leaves_because is None:  # told to stop is not come to its end
                self._inbox.end(unit.camera)
            self._roll.has_read(place)
            if place.gone.is_set():
                unit.ledger.settle(Drop.SHUTDOWN)

    def _infer(self) -> None:
        with self._detected, contextlib.suppress(InboxClosed, ChannelClosed), HeldBack(self._detected) as found:
            while True:
                if (batch := self._inbox.take_ready()) is None:
                    found.hand_over()
                    batch = self._inbox.take()
                seen = self._seen(batch, found.hand_over) if batch.frames else ()
                found.hand_over()
                found.hold(batch.number, _Detected(seen, batch.ended, batch.then))

    def _seen(self, batch: Batch, hand_over: Callable[[], None]) -> tuple[tuple[Frame, Detections], ...]:
        started_s = time.perf_counter()
        seen = looked_at(
            self._detector,
            batch.frames,
            hand_over,
            waits=lambda frame: self.waits_for_its_consumer(frame.camera),
            lose=lambda frame, why: self._roll.of(frame.camera).unit.ledger.dropped(why),
        )
        took_s = time.perf_counter() - started_s
        # What nobody answered says nothing of what an answer costs.
        self._inbox.done(batch, took_s if len(seen) == len(batch.frames) else 0.0)
        if seen:
            self._metrics.stage("infer", took_s)
            self._metrics.batch_frames.observe(len(seen))
        return seen

    def _analyse(self) -> None:
        with self._results, contextlib.suppress(ChannelClosed), contextlib.closing(self._detected):
            for detected in self._detected:
                results: list[FrameResult] = []
                try:
                    results.extend(self._analysed(detected.frames))
                finally:  # where one frame kills the stage, those before it are still delivered
                    self._results.put(tuple(results))
                for camera in detected.ended:
                    self._results.put(self._roll.of(camera).unit.pipeline.finish("the recording ended"))
                for act in detected.then:
                    act()
            for place in self._roll.places:
                self._finish(place.unit, place.leaves_because or "the service stopped")

    def _analysed(self, batch: Sequence[tuple[Frame, Detections]]) -> Iterator[FrameResult]:
        started_s = time.perf_counter()
        of_cameras = [(self._roll.of(frame.camera).unit.pipeline, frame, detections) for frame, detections in batch]
        for result in analyse(of_cameras, self._behaviour):
            # The first of a batch bears what was done for all of it.
            self._metrics.stage("analyse", time.perf_counter() - started_s)
            unit = self._roll.of(result.frame.camera).unit
            unit.ledger.analysed()
            unit.coverage.analysed(result.frame.received_s)
            if unit.around.presence is not None:
                tracks = result.tracks
                unit.around.presence.sees(len(tracks), unit.pipeline.alerted, anybody_moves(tracks))
            yield result
            started_s = time.perf_counter()

    def _finish(self, unit: CameraUnit, why: str, then: Act = lambda: None) -> None:
        """On the analysing thread: close what is open, then do something before its link is looked at again."""
        self._results.put(unit.pipeline.finish(why))
        with self._linking:
            self._results.put(unit.link.finish(why))
            then()

    def _let_go(self, place: Place) -> None:
        """On the analysing thread, behind the camera's last frame."""
        self._finish(place.unit, place.leaves_because or "", lambda: self._roll.strike(place))
        place.unit.ledger.settle(Drop.SHUTDOWN)
        self._results.put(place.gone.set)

    def _publish(self) -> None:
        with self._results:
            for item in self._results:
                if isinstance(item, tuple):
                    for result in item:
                        self._publish_one(result)
                elif callable(item):
                    item()
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
                with self._linking:
                    changes = [
                        change
                        for unit in self._roll.units
                        for change in unit.link.tick(unit.status.state(), now_s, now)
                    ]
                    if changes:
                        self._results.put(changes)
                if now_s - shown_s >= _SHOW_EVERY_S:
                    shown_s = now_s
                    self._show()

    def _wait_for(self, event: threading.Event) -> None:
        """Until it has happened, or the service has ended and it never will."""
        while not (event.wait(_SIGNALS_WITHIN_S) or self._ended.is_set()):
            pass

    def _show(self) -> None:
        with self._showing:
            self._states = self._board.states([unit.watched for unit in self._roll.units if not unit.is_canary])
            self._show_cameras(self._states)

    # --- the end ------------------------------------------------------------------------------------------------

    def _wind_down(self, deadline: Deadline) -> ServiceReport:
        with self._membership:
            self._over = True
            places = self._roll.places
        for place in places:
            place.unit.source.close()
        drain = not self._stopped_early
        if not drain:  # wake captures that wait for room first, or they would never see that they should stop
            self._inbox.close(drain=False)
        order = [*(place.capture for place in places), self._watch_worker]
        hung = [worker.name for worker in order if not worker.join(deadline)]
        self._inbox.close(drain=drain)
        # A camera that hangs must not use up the time in which the others' last results are put away.
        deadline = Deadline(max(deadline.remaining(), _DRAIN_AT_LEAST_S))
        hung += [worker.name for worker in self._chain if not worker.join(deadline)]
        for place in places:  # what a dead or hung stage still held
            place.unit.ledger.settle(Drop.SHUTDOWN)
            place.gone.set()
        self._ended.set()
        self._show()
        self._sink.close()
        everybody = (*order, *self._chain, *self._others())
        failed = {worker.name: worker.error for worker in everybody if worker.error}
        return ServiceReport(failed, tuple(hung), dict(self._lost_cameras))

    def _lose_camera(self, place: Place, why: str) -> None:
        unit = place.unit
        if place.leaves_because is None:
            self._lost_cameras[unit.camera] = why
        unit.status.offline(self._clock.monotonic(), why)
        _log.error("%s", why, extra={"camera": unit.camera})

    def _place(self, unit: CameraUnit) -> Place:
        place = Place(unit, Worker(f"capture:{unit.camera}", lambda: self._capture(place), self.stop))
        return place
