"""A camera that a member of the crew reads, as the house sees it."""

from __future__ import annotations

import itertools
import queue
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.crew.news import BooksOf
from streamer.errors import SourceError
from streamer.surroundings import Surroundings
from streamer.types import Frame

if TYPE_CHECKING:
    from streamer.crew.station import Station

ANSWERS_WITHIN_S = 1.0


class RemoteSource:
    """stages.FrameSource: yields what the member sent. Its books go on while nobody iterates."""

    demand_paced = False

    def __init__(self, around: Surroundings, station: Station) -> None:
        self.around, self.books = around, BooksOf(around)
        self._station = station
        self._arrived: queue.SimpleQueue[Frame | _End] = queue.SimpleQueue()
        self.closing_since_s: float | None = None
        self.over = False
        self.given_up = False  # no member is to read it any more

    @property
    def camera(self) -> str:
        """The camera's id."""
        return self.around.ledger.camera

    def frames(self) -> Generator[Frame, None, None]:
        """Frames in order, over all lives of the member, until the recording ends or close() is called.

        Raises SourceError where the camera's capture failed in a way that waiting does not mend.
        """
        self._station.begin()
        try:
            while isinstance(item := self._arrived.get(), Frame):
                yield item
            if item.why is not None:
                raise SourceError(item.why)
        finally:
            self.books.seal()

    def close(self) -> None:
        """Ask frames() to end soon; from any thread, returns at once."""
        self._station.close_camera(self)

    @property
    def station(self) -> Station:
        """Whose member reads it now."""
        return self._station

    def read_by(self, station: Station) -> None:
        """From now on another member reads it."""
        self._station = station

    def arrived(self, frame: Frame) -> None:
        """On the station's thread."""
        self._arrived.put(frame)

    def end(self, why: str | None = None) -> None:
        """Nothing more comes; once more is harmless."""
        if not self.over:
            self.over = True
            self._arrived.put(_End(why))


@dataclass(frozen=True, slots=True)
class _End:
    why: str | None


@dataclass(slots=True, eq=False)
class _Question:
    answered: threading.Event = field(default_factory=threading.Event)
    rgb: NDArray[np.uint8] | None = None


class Questions:
    """Pictures that were asked for, of one life of a member; from any thread."""

    def __init__(self, post: Callable[[object], None]) -> None:
        self._post = post
        self._numbers = itertools.count()
        self._open: dict[int, _Question] = {}
        self._over = False
        self._answers = True

    def ask(self, block: int) -> NDArray[np.uint8] | None:
        """The full-size picture that belongs to a frame's block; None where it cannot be had in time.

        Whoever does not answer is not asked again before the answer has come: the model waits for some pictures, and
        must not wait for each of them.
        """
        if self._over or not self._answers:
            return None
        question, number = _Question(), next(self._numbers)
        self._open[number] = question
        self._post(("picture", number, block))
        if not question.answered.wait(ANSWERS_WITHIN_S):
            self._answers = False
        self._open.pop(number, None)
        return question.rgb

    def answer(self, number: int, rgb: NDArray[np.uint8] | None) -> None:
        """On the station's thread; an answer that comes too late is let go."""
        self._answers = True
        if (question := self._open.get(number)) is not None:
            question.rgb = rgb
            question.answered.set()

    def end(self) -> None:
        """The member is gone: nobody should wait."""
        self._over = True
        for question in list(self._open.values()):
            question.answered.set()


class RemotePicture:
    """types.Picture of a frame whose full-size picture stays with the member until it is asked for.

    Where the member is gone or does not answer in ANSWERS_WITHIN_S, the picture that the model saw, enlarged: a blurred
    picture of an alert is better than none.
    """

    def __init__(self, questions: Questions, block: int, image: NDArray[np.uint8], source_wh: tuple[int, int]) -> None:
        self._questions, self._block, self._image, self._source_wh = questions, block, image, source_wh

    def rgb(self) -> NDArray[np.uint8]:
        """uint8 (H, W, 3), RGB, source size."""
        rgb = self._questions.ask(self._block)
        if rgb is None:
            rgb = cv2.resize(self._image, self._source_wh, interpolation=cv2.INTER_LINEAR).astype(np.uint8, copy=False)
        return rgb
