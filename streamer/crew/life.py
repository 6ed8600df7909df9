"""One life of a member of the crew, as the house leads it: what it says is heeded, what it must know is told."""

from __future__ import annotations

import itertools
import math
import threading
import weakref
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.clock import Clock
from streamer.crew.crash_report import culprit
from streamer.crew.letters import Lines
from streamer.crew.link import Link
from streamer.crew.memory import picture_at
from streamer.crew.process import MemberProcess
from streamer.crew.remote import Questions, RemotePicture, RemoteSource
from streamer.crew.remote_footage import RemoteFootage
from streamer.crew.video import shown
from streamer.presence import NO_NEWS, PresenceNews
from streamer.types import Frame

LISTENS_S = 0.1
TELLS_EVERY_S = 0.05
BEGINS_WITHIN_S = 60.0
SILENT_S = 10.0
"""A member says something every second; one that does not for so long is halted or hangs, and is replaced."""
DEAF_S = 3.0
"""At the end nobody waits for one that has said nothing for so long."""
CLOSES_WITHIN_S = 3.0
"""A read of RTSP may take two of them before it is seen that no more should be read (capture/connection.py)."""
ENDS_WITHIN_S = 3.0


class Life:
    """listen() and end() on the station's thread, the link from any.

    sources, footage: of its cameras; closing: the whole house ends.
    """

    def __init__(
        self,
        running: MemberProcess,
        sources: Mapping[str, RemoteSource],
        footage: Mapping[str, RemoteFootage],
        closing: threading.Event,
        clock: Clock,
    ) -> None:
        self._running, self._sources, self._footage = running, sources, footage
        self._closing, self._clock = closing, clock
        self.link = Link(running.connection)
        self.finished = threading.Event()  # its footage is complete, or will never be
        self._leaving: dict[int, threading.Event] = {}
        self._numbers = itertools.count()
        self._over = False
        self.heard_s = clock.monotonic()
        self._lines = Lines()
        self._questions = Questions(self.link.post)
        # Filled by whichever thread lets go of a frame, in the midst of anything: no lock may be taken there.
        self._released: deque[int] = deque()
        self._shown: list[tuple[str, int]] = []  # blocks of video that were read, and of which camera
        self._told: dict[str, tuple[PresenceNews, float, int, float]] = {}
        self._threads: dict[int, str] = {}  # of cameras

    @property
    def pid(self) -> int:
        """Its process."""
        return self._running.process.pid

    @property
    def is_deaf(self) -> bool:
        """Whether it has been silent for so long that at the end nobody should wait for it."""
        return self._clock.monotonic() - self.heard_s > DEAF_S

    def end(self) -> tuple[str, str | None]:
        """Kill what is left of it; returns how it ended, and of which camera, where one crashed it."""
        self._questions.end()
        self.finished.set()
        self._over = True
        for left in list(self._leaving.values()):
            left.set()
        for source in tuple(self._sources.values()):
            if source.around.video is not None:
                source.around.video.end()
        end = self._running.end()
        self.link.close()
        return end.how, culprit(end.report, self._threads)

    def ask_to_leave(self, camera: str, within_s: float) -> threading.Event:
        """From any thread: the member is to forget a camera, and completes its footage; set when that is done."""
        number, left = next(self._numbers), threading.Event()
        self._leaving[number] = left
        self.link.post(("leave", camera, number, within_s))
        if self._over:
            left.set()
        return left

    def forget(self, camera: str) -> None:
        """What its member was told of it: another camera of this name knows nothing of that."""
        self._told.pop(camera, None)

    def listen(self) -> str | None:
        """Until the member is gone (None), or something is wrong with it (what)."""
        told_s, closed_s, limit_s = float("-inf"), None, BEGINS_WITHIN_S
        while True:
            content = self.link.receive(LISTENS_S)
            now_s = self._clock.monotonic()
            if content is None:
                return None
            if content:
                self.heard_s, limit_s = now_s, SILENT_S
                try:
                    for letter in self._lines.take(content):
                        self._heed(letter)
                except (ValueError, TypeError, KeyError) as error:
                    return f"said what cannot be understood ({type(error).__name__}: {error}) and was ended"
            elif now_s - self.heard_s > limit_s:
                return f"said nothing for {limit_s:.0f} s and was ended"
            if self.link.overfull:
                return "does not read what it is told and was ended"
            if now_s - told_s >= TELLS_EVERY_S:
                told_s = now_s
                self._tell()
                for source in wanted(self._sources):
                    if source.closing_since_s is not None and now_s - source.closing_since_s > CLOSES_WITHIN_S:
                        source.end()
            if self._closing.is_set():
                closed_s = closed_s or now_s
                if now_s - closed_s > ENDS_WITHIN_S or self.is_deaf:
                    return "did not end in time and was ended"

    def _tell(self) -> None:
        if self._released:
            self.link.post(("release", [self._released.popleft() for _ in range(len(self._released))]))
        if self._shown:
            self.link.post(("shown", self._shown))
            self._shown = []
        for camera, source in tuple(self._sources.items()):
            presence, bell, video = source.around.presence, source.around.bell, source.around.video
            now = (
                presence.news if presence is not None else NO_NEWS,
                bell.until_s if bell is not None else 0.0,
                video.turn if video is not None else 0,
                math.inf if source.around.ration is None else source.around.ration.most_fps,
            )
            before = self._told.get(camera, (NO_NEWS, 0.0, 0, math.inf))
            if now == before or source.over:
                continue
            self._told[camera] = now
            if now[0] != before[0]:
                self.link.post(("presence", camera, *now[0]))
            if now[1] != before[1]:
                self.link.post(("bell", camera, now[1]))
            if now[2] != before[2]:
                self.link.post(("watch", camera, now[2]))
            if now[3] != before[3]:
                self.link.post(("ration", camera, now[3]))

    def _heed(self, letter: Mapping[str, Any]) -> None:
        if "thread" in letter:
            self._threads[letter["thread"]] = letter["of"]
            return
        if "left" in letter:
            if (left := self._leaving.pop(letter["left"], None)) is not None:
                left.set()
            return
        if "frame" in letter:
            source = self._sources.get(letter["of"])
            if source is None:  # it was given up while its member was stuck
                self._released.append(int(letter["frame"][0]))
                return
            frame = self._frame(source, letter["frame"])
            source.books.write(letter["news"][letter["of"]], frames_here=1)
            source.arrived(frame)
            return
        if "video" in letter:
            source = self._sources.get(letter["of"])
            video = None if source is None else source.around.video
            if video is None and "fragment" in letter:
                self._shown.append((letter["of"], int(letter["fragment"][0])))
            block = None if video is None else shown(video, letter, self._running.memory)
            if block is not None:
                self._shown.append((letter["of"], block))
            return
        for camera, news in letter.get("news", {}).items():
            if (source := self._sources.get(camera)) is not None:
                source.books.write(news)
        for camera, told in letter.get("footage", {}).items():
            if (footage := self._footage.get(camera)) is not None:
                footage.told(told)
        if "over" in letter and (source := self._sources.get(letter["over"])) is not None:
            source.end(letter["why"])
        if "picture" in letter:
            at = letter.get("at")
            self._questions.answer(letter["picture"], None if at is None else self._picture(*at))
        if "clip" in letter and (footage := self._footage.get(letter["of"])) is not None:
            footage.made(letter["clip"], letter["is"])
        if "finished" in letter:
            self.finished.set()

    def _frame(self, source: RemoteSource, about: Sequence[Any]) -> Frame:
        block, height, width, session, index, (source_w, source_h), media_s, captured_at, received_s, late = about
        image = self._picture(block, height, width)
        return Frame(
            camera=source.camera,
            session=session,
            index=index,
            image=image,
            source_wh=(source_w, source_h),
            media_s=media_s,
            captured_at=captured_at,
            received_s=received_s,
            picture=RemotePicture(self._questions, block, image, (source_w, source_h)),
            late=late,
        )

    def _picture(self, block: int, height: int, width: int) -> NDArray[np.uint8]:
        """A view of the member's memory, which gets it back when the last view of it is gone."""
        image = picture_at(self._running.memory, block, height, width)
        weakref.finalize(image, self._released.append, block).atexit = False
        return image


def wanted(sources: Mapping[str, RemoteSource]) -> list[RemoteSource]:
    """Those that somebody still iterates."""
    return [source for source in tuple(sources.values()) if not source.over]
