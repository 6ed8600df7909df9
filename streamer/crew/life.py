"""One life of a member of the crew, as the house leads it: what it says is heeded, what it must know is told."""

from __future__ import annotations

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
from streamer.types import Frame

LISTENS_S = 0.1
TELLS_EVERY_S = 0.05
BEGINS_WITHIN_S = 60.0
SILENT_S = 10.0
"""A member says something every second; one that does not for so long is halted or hangs, and is replaced."""
DEAF_S = 3.0
"""At the end nobody waits for one that has said nothing for so long."""
CLOSES_WITHIN_S = 2.0
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
        self.heard_s = clock.monotonic()
        self._lines = Lines()
        self._questions = Questions(self.link.post)
        # Filled by whichever thread lets go of a frame, in the midst of anything: no lock may be taken there.
        self._released: deque[int] = deque()
        self._told: dict[str, tuple[bool, bool, float]] = {}
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
        end = self._running.end()
        self.link.close()
        return end.how, culprit(end.report, self._threads)

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
        for camera, source in self._sources.items():
            presence, bell = source.around.presence, source.around.bell
            now = (
                presence is not None and presence.anybody,
                presence is not None and presence.alerted,
                bell.until_s if bell is not None else 0.0,
            )
            before = self._told.get(camera, (False, False, 0.0))
            if now == before or source.over:
                continue
            self._told[camera] = now
            if now[:2] != before[:2]:
                self.link.post(("presence", camera, *now[:2]))
            if now[2] != before[2]:
                self.link.post(("bell", camera, now[2]))

    def _heed(self, letter: Mapping[str, Any]) -> None:
        if "thread" in letter:
            self._threads[letter["thread"]] = letter["of"]
            return
        if "frame" in letter:
            source = self._sources[letter["of"]]
            frame = self._frame(source, letter["frame"])
            source.books.write(letter["news"][letter["of"]], frames_here=1)
            source.arrived(frame)
            return
        for camera, news in letter.get("news", {}).items():
            self._sources[camera].books.write(news)
        for camera, told in letter.get("footage", {}).items():
            self._footage[camera].told(told)
        if "over" in letter:
            self._sources[letter["over"]].end(letter["why"])
        if "picture" in letter:
            at = letter.get("at")
            self._questions.answer(letter["picture"], None if at is None else self._picture(*at))
        if "clip" in letter:
            self._footage[letter["of"]].made(letter["clip"], letter["is"])
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
    return [source for source in sources.values() if not source.over]
