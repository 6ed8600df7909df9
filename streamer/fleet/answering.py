"""An inference node: the model of the cluster's configuration at a desk, and twice a second in Redis how busy it is.

It reads no cameras, holds no leases and keeps nothing: one that dies is started again, and who waits for it asks
another one.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from streamer.apart.answer import Answer
from streamer.apart.desk import AnsweringDesk
from streamer.apart.door import DoorGone
from streamer.apart.gatherer import GathererBooks, GatherPolicy
from streamer.apart.question import Question
from streamer.assembly.model import OpenModel, open_model
from streamer.clock import Clock
from streamer.cluster.state import Beat, ClusterState, Written
from streamer.config import Config
from streamer.config.load import config_of
from streamer.errors import InferenceError, SinkUnavailable
from streamer.fleet.host import BEAT_EVERY_S, TURN_EVERY_S, NodeFacts
from streamer.scheduling.costs import CostModel
from streamer.telemetry.http import Health, TelemetryServer
from streamer.telemetry.metrics import Metrics, Reading

_log = logging.getLogger("streamer.fleet")


class InferenceNode:
    """Runs one node until stop(), which may come from any thread; answer() from any number of threads."""

    def __init__(self, url: str, facts: NodeFacts, clock: Clock) -> None:
        self._facts, self._clock = facts, clock
        self._state = ClusterState(url)
        self._desk: AnsweringDesk | None = None
        self._stopping = threading.Event()
        self._count = 0
        self._busy_s = self._beat_s = 0.0

    @property
    def name(self) -> str:
        """The node's."""
        return self._facts.name

    @property
    def is_ready(self) -> bool:
        """Whether it can be asked."""
        return self._desk is not None and not self._stopping.is_set()

    def answer(self, question: Question) -> Answer:
        """See AnsweringDesk. Raises DoorGone, also while the model is being opened."""
        if self._desk is None:
            raise DoorGone("its model is still being opened")
        return self._desk.answer(question)

    def run(self) -> None:
        """Wait for a configuration, open its model, answer until told to stop. Raises what opening it raises, and
        InferenceError where the model failed: then the process is to end, and another one begins anew."""
        written = self._first_configuration()
        if written is None:
            return
        config = config_of(written.text, Path(written.path), written.path)
        settings, metrics = config.inference, Metrics(self._clock.monotonic)
        model: OpenModel = open_model(config.model, settings.max_batch)
        detector = model.pool.first
        desk = AnsweringDesk(
            model.pool, detector.model_hash, GatherPolicy(settings.max_batch, settings.max_wait_s), self._clock,
            costs=CostModel(model.plan.seconds), lanes=model.pool.lanes, on_failure=self.stop,
            on_run=lambda pictures, seconds: _count(metrics, pictures, seconds),
        )  # fmt: skip
        named = f"{detector.model_name}@{detector.model_hash[:12]}"
        metrics.read_from(lambda: [("streamer_model_info", (named,), 1.0)])
        metrics.read_from(lambda: _rows(desk))
        with contextlib.ExitStack() as stack:
            stack.callback(self._leave)
            telemetry = stack.enter_context(_serving(config, metrics, self))
            desk.start()
            stack.callback(desk.close)
            self._desk, self._beat_s = desk, self._clock.monotonic()
            _log.info("node %s answers for %s", self.name, named, extra={"event": "node_ready", "node": self.name})
            while not self._stopping.is_set():
                with contextlib.suppress(SinkUnavailable):  # it is still asked, and comes into the list again
                    self._state.beat(self._said(desk, written, named, model.plan.capacity, telemetry))
                self._stopping.wait(BEAT_EVERY_S)
        for error in desk.errors:
            raise InferenceError(f"the model failed while running: {error}") from error

    def stop(self) -> None:
        """Answer nobody any more; returns at once."""
        self._stopping.set()

    def _first_configuration(self) -> Written | None:
        while not self._stopping.is_set():
            with contextlib.suppress(SinkUnavailable):
                written, _ = self._state.task_of(self.name)
                if written is not None:
                    return written
            self._stopping.wait(TURN_EVERY_S)
        return None

    def _leave(self) -> None:
        with contextlib.suppress(SinkUnavailable):
            self._state.leave(self.name)
        self._state.close()

    def _said(
        self, desk: AnsweringDesk, opened: Written, named: str, capacity: float, telemetry: TelemetryServer | None
    ) -> Beat:
        self._count += 1
        now, _ = self._state.task_of(self.name)  # cameras of a newer one are no affair of this node
        facts = self._facts
        return Beat(
            node=facts.name,
            count=self._count,
            owner=f"{facts.name}/inference",
            pid=os.getpid(),
            number=(now or opened).number,
            metrics=telemetry.address if telemetry else None,
            labels=facts.labels,
            cores=facts.cores,
            gpus=facts.gpus,
            inference=self._reading(desk, named, capacity),
        )

    def _reading(self, desk: AnsweringDesk, named: str, capacity: float) -> Mapping[str, Any]:
        books, now_s = desk.books(), self._clock.monotonic()
        span_s, spent_s = max(1e-3, now_s - self._beat_s), books.busy_s - self._busy_s
        self._beat_s, self._busy_s = now_s, books.busy_s
        return {
            "model": named,
            "pictures_per_s": capacity,
            "busy": round(min(1.0, spent_s / span_s / desk.lanes), 3),
            "pictures": books.pictures,
            "runs": books.runs,
            "shared_runs": books.shared_runs,
            "waiting": books.waiting,
            "questions": dict(books.outcomes),
        }


@contextlib.contextmanager
def _serving(config: Config, metrics: Metrics, node: InferenceNode) -> Any:
    """/metrics, /livez and /readyz, where the configuration asks for them."""
    if config.http is None:
        yield None
        return
    health = lambda: Health(node.is_ready, {"model": {"ok": node.is_ready}})  # noqa: E731
    server = TelemetryServer(config.http.host, config.http.port, metrics.registry, live=health, ready=health)
    try:
        yield server
    finally:
        server.close()


def _count(metrics: Metrics, pictures: int, seconds: float) -> None:
    metrics.batch_frames.observe(pictures)
    metrics.stage("infer", seconds)


def _rows(desk: AnsweringDesk) -> Iterable[Reading]:
    books: GathererBooks = desk.books()
    yield "streamer_inbox_waiting_frames", (), float(books.waiting)
    yield "streamer_model_slowness", (), desk.slowness
    for outcome, n in books.outcomes.items():
        yield "streamer_questions_total", (outcome,), n
