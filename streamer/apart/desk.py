"""The inference side: takes questions from any thread, and answers them with one model that many nodes share."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterable
from math import isinf

import numpy as np
from numpy.typing import NDArray

from streamer.apart.answer import Answer, Late, Refused
from streamer.apart.door import DoorGone
from streamer.apart.gatherer import Gatherer, GathererBooks, GathererClosed, GatherPolicy, Run
from streamer.apart.question import Question
from streamer.clock import Clock
from streamer.errors import InferenceError
from streamer.scheduling.costs import CostModel
from streamer.stages import Detector, nothing
from streamer.types import Detections, Frame
from streamer.workers import Deadline, Worker

_log = logging.getLogger("streamer.apart")

_BEHIND_S = 1.0
"""So long after an answer was worth anything nobody waits for it any more, whatever the model still does."""
_ENDS_WITHIN_S = 5.0


class AnsweringDesk:
    """The model of one inference node, while it is started.

    lanes: calls of the detector that get on beside each other. on_failure: called once where the model failed while
    running: nobody is answered any more, and who waits is told that nobody is here. on_run(pictures, seconds): after
    every run.
    """

    def __init__(
        self,
        detector: Detector,
        model_hash: str,
        policy: GatherPolicy,
        clock: Clock,
        *,
        costs: CostModel | None = None,
        lanes: int = 1,
        on_failure: Callable[[], None] = nothing,
        on_run: Callable[[int, float], None] = lambda _, __: None,
    ) -> None:
        self._detector, self.model_hash, self.lanes = detector, model_hash, lanes
        self._gatherer = Gatherer(policy, costs or CostModel(), clock, lanes=lanes)
        self._on_failure, self._on_run = on_failure, on_run
        self._refused = 0
        self._workers = [Worker(f"answer:{lane}", self._run, self._failed) for lane in range(lanes)]

    def start(self) -> None:
        """Begin to answer; once."""
        for worker in self._workers:
            worker.start()

    def answer(self, question: Question) -> Answer:
        """From any thread; takes as long as the answer is worth anything, at most. Raises DoorGone."""
        problem = question.problem(self.model_hash, self._detector.input_fit)
        if problem is not None:
            self._refused += 1
            return Refused(problem)
        asked = self._gatherer.put(question)
        left_s = None if isinf(question.left_s) else max(0.0, question.left_s) + _BEHIND_S
        answer = asked.wait(left_s)
        if answer is None and self._gatherer.closed:
            raise DoorGone("the model here has failed, or was closed")
        return answer or Late()

    def books(self) -> GathererBooks:
        """What has been counted so far."""
        books = self._gatherer.books()
        books.outcomes["refused"] = self._refused
        return books

    @property
    def slowness(self) -> float:
        """How much longer the model takes now than when it was measured."""
        return self._gatherer.slowness

    @property
    def errors(self) -> Iterable[BaseException]:
        """Why lanes have died."""
        return [worker.error for worker in self._workers if worker.error]

    def close(self) -> None:
        """Answer nobody any more."""
        self._gatherer.close()
        deadline = Deadline(_ENDS_WITHIN_S)
        for worker in self._workers:
            if not worker.join(deadline):
                _log.warning("%s did not end in time and was left behind", worker.name)

    def _run(self) -> None:
        with contextlib.suppress(GathererClosed):
            while True:
                run = self._gatherer.take()
                began_s = time.perf_counter()
                detections: list[Detections] = self._detector.detect(_frames(run))
                took_s = time.perf_counter() - began_s
                self._gatherer.done(run, detections, took_s)
                self._on_run(len(run.pictures), took_s)

    def _failed(self) -> None:
        self._gatherer.close()
        self._on_failure()


class _NotHere:
    """The full-size picture of a frame that was sent: it stays where the camera is."""

    def rgb(self) -> NDArray[np.uint8]:
        raise InferenceError("the full-size picture stays at the node that reads the camera, for its own use")


def _frames(run: Run) -> list[Frame]:
    """As a detector takes them; what it does not look at is left out."""
    frames = []
    for index, (asked, nth) in enumerate(run.pictures):
        question = asked.question
        image, source_wh = asked.images[nth], question.sizes[nth].source_wh
        frames.append(Frame(question.asked_by, "apart", index, image, source_wh, 0.0, 0.0, 0.0, _NotHere()))
    return frames
