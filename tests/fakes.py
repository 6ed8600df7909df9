"""Small stand-ins written by hand: a clock that tests own, frames, a world of one square, and what looks at it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence

import numpy as np
from numpy.typing import NDArray

from streamer.fit import InputFit
from streamer.ledger import FrameLedger
from streamer.stages import nothing
from streamer.types import AlertChange, Detections, Frame, FrameResult

LABELS = ("person", "car")


class FakeClock:
    """Both clocks stand still until told."""

    def __init__(self, at_s: float = 1000.0) -> None:
        self.at_s = at_s

    def monotonic(self) -> float:
        return self.at_s

    def now(self) -> float:
        return 1_700_000_000.0 + self.at_s

    def tick(self, seconds: float) -> None:
        self.at_s += seconds


class StillPicture:
    """A full-size picture that is an array already."""

    def __init__(self, image: NDArray[np.uint8]) -> None:
        self._image = image

    def rgb(self) -> NDArray[np.uint8]:
        return self._image


def a_frame(
    camera: str = "gate",
    index: int = 0,
    *,
    media_s: float | None = None,
    received_s: float = 0.0,
    session: str = "s1",
    image: NDArray[np.uint8] | None = None,
) -> Frame:
    """A frame of a 10 fps camera."""
    image = np.zeros((48, 64, 3), np.uint8) if image is None else image
    at = index / 10 if media_s is None else media_s
    size = (image.shape[1], image.shape[0])
    return Frame(camera, session, index, image, size, at, 1_700_000_000.0 + at, received_s, StillPicture(image))


def square_at(index: int, fps: float = 10.0) -> tuple[float, float]:
    """Left edge and top of the square: walks in for 2 s, stands until 10 s, walks out."""
    t = index / fps
    return 4 + 12 * min(t, 2) + 12 * max(0.0, t - 10), 20.0


class SquareWorld:
    """A FrameSource of one white square on black that walks in, stands, and walks out."""

    SIZE = 8

    def __init__(
        self,
        camera: str,
        ledger: FrameLedger,
        *,
        seconds: float = 14,
        demand_paced: bool = True,
        fail_at: int | None = None,
    ):
        self._camera, self._ledger = camera, ledger
        self._n, self._demand_paced, self._fail_at = int(seconds * 10), demand_paced, fail_at
        self._stop = threading.Event()
        self.closed_on: str | None = None

    @property
    def camera(self) -> str:
        return self._camera

    @property
    def demand_paced(self) -> bool:
        return self._demand_paced

    def frames(self) -> Generator[Frame, None, None]:
        try:
            for i in range(self._n):
                if self._stop.is_set():
                    return
                if i == self._fail_at:
                    raise RuntimeError("the decoder fell over")
                image = np.zeros((48, 64, 3), np.uint8)
                x, y = square_at(i)
                image[int(y) : int(y) + self.SIZE, int(x) : int(x) + self.SIZE] = 255
                self._ledger.received()
                yield a_frame(self._camera, i, session="world", image=image)
        finally:
            self.closed_on = threading.current_thread().name

    def close(self) -> None:
        self._stop.set()


class SquareDetector:
    """Finds the white square; fails at a given call when asked to."""

    labels = LABELS
    input_fit = InputFit((64, 48))

    def __init__(self, fail_at: int | None = None) -> None:
        self._calls, self._fail_at = 0, fail_at

    def detect(self, frames: Sequence[Frame], before_run: Callable[[], None] = nothing) -> list[Detections]:
        before_run()
        self._calls += 1
        if self._calls == self._fail_at:
            raise RuntimeError("boom")
        return [self._one(frame) for frame in frames]

    def _one(self, frame: Frame) -> Detections:
        ys, xs = np.nonzero(frame.image[..., 0])
        if not len(xs):
            return Detections.none(LABELS)
        box = np.array([[xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]], np.float32)
        return Detections(box, np.array([0.9], np.float32), np.zeros(1, np.int64), LABELS)


class MemorySink:
    """Keeps everything; fails when asked to."""

    def __init__(self, fail: bool = False) -> None:
        self.results: list[FrameResult] = []
        self.changes: list[AlertChange] = []
        self.closed = False
        self._fail = fail

    def publish(self, result: FrameResult) -> None:
        if self._fail:
            raise OSError("the sink is gone")
        self.results.append(result)
        self.changes += result.changes

    def announce(self, changes: Sequence[AlertChange]) -> None:
        self.changes += changes

    def close(self) -> None:
        self.closed = True
