"""Doors to inference nodes in this process, and detectors whose truth is in the pictures themselves."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import numpy as np

from streamer.apart.answer import Answer
from streamer.apart.desk import AnsweringDesk
from streamer.apart.door import DoorGone, DoorSilent
from streamer.apart.gatherer import GatherPolicy
from streamer.apart.question import Question
from streamer.clock import SystemClock
from streamer.fit import InputFit
from streamer.scheduling.costs import CostModel
from streamer.stages import Detector, nothing
from streamer.types import Detections, Frame, PictureFeatures
from tests.fakes import LABELS, a_frame

MODEL_HASH = "ab" * 32
FIT = InputFit((64, 48))


def marked(value: int, camera: str = "gate", index: int = 0, *, received_s: float = 0.0) -> Frame:
    """A frame whose pixels all have one value: whoever answers it must say that value."""
    return a_frame(camera, index, received_s=received_s, image=np.full((48, 64, 3), value, np.uint8))


def value_of(found: Detections) -> int:
    """Which pixels were answered: what ValueDetector said."""
    return round(float(found.boxes_xyxy[0, 2]))


class ValueDetector:
    """Finds one box as wide as the pixels' value, and as many more as its tens digit says; keeps what it was shown."""

    labels = LABELS
    input_fit = FIT

    def __init__(self, features: bool = False) -> None:
        self.runs: list[tuple[str, ...]] = []
        self._features = features

    def detect(self, frames: Sequence[Frame], before_run: Callable[[], None] = nothing) -> list[Detections]:
        before_run()
        self.runs.append(tuple(frame.camera for frame in frames))
        return [self._one(frame) for frame in frames]

    def _one(self, frame: Frame) -> Detections:
        value = int(frame.image[0, 0, 0])
        n = 1 + value // 10 % 10
        boxes = np.tile(np.array([[0, 0, value, 1]], np.float32), (n, 1))
        features = None
        if self._features:
            embedding = np.full(3, value, np.float32)
            features = PictureFeatures(embedding, np.full((2, 3, 4), value, np.float32), FIT.of(frame.source_wh))
        scores, classes = np.linspace(0.9, 0.5, n).astype(np.float32), np.zeros(n, np.int64)
        return Detections(boxes, scores, classes, LABELS, features)


class HeldDetector(ValueDetector):
    """Waits in every call until it is let go of: what comes meanwhile has to wait for it."""

    def __init__(self) -> None:
        super().__init__()
        self.entered, self.go_on = threading.Semaphore(0), threading.Semaphore(0)

    def detect(self, frames: Sequence[Frame], before_run: Callable[[], None] = nothing) -> list[Detections]:
        self.entered.release()
        assert self.go_on.acquire(timeout=30)
        return super().detect(frames, before_run)


class HereDoor:
    """A Door to a desk in this process. After die() nobody is behind it, not even for who waits; hangs: no answer."""

    def __init__(self, name: str, desk: AnsweringDesk) -> None:
        self.name, self.desk = name, desk
        self.asked: list[Question] = []
        self.hangs = False
        self._dead = threading.Event()

    def die(self) -> None:
        self._dead.set()
        self.desk.close()

    def ask(self, question: Question, within_s: float) -> Answer:
        self.asked.append(question)
        if self._dead.is_set():
            raise DoorGone("it is dead")
        if self.hangs:
            raise DoorSilent("it hangs")
        return self.desk.answer(question)


def a_desk(
    detector: Detector | None = None,
    *,
    model_hash: str = MODEL_HASH,
    policy: GatherPolicy | None = None,
    seconds: dict[int, float] | None = None,
    lanes: int = 1,
) -> AnsweringDesk:
    """A desk that has been started."""
    desk = AnsweringDesk(
        detector or ValueDetector(),
        model_hash,
        policy or GatherPolicy(max_wait_s=0.0),
        SystemClock(),
        costs=CostModel(seconds or {1: 0.0001, 8: 0.0002}),
        lanes=lanes,
    )
    desk.start()
    return desk
