"""One member of the crew, in its own process: reads its cameras, hands over their frames, tells what is new.

A thread per camera, as in the house; `news` tells ten times a second what changed in the books; the main thread reads
the house's letters, and ends with them: a member never outlives its house.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import mmap
import socket
import threading
from dataclasses import dataclass
from typing import Any

from streamer.bell import WakeBell
from streamer.clock import Clock
from streamer.crew.arena import Arena
from streamer.crew.letters import line, read_packed
from streamer.crew.memory import picture_at
from streamer.crew.news import NewsOf, heard_by
from streamer.crew.orders import Equipment, Orders
from streamer.crew.video import SentVideo
from streamer.errors import SourceError
from streamer.ledger import CameraStatus, Drop, FrameLedger
from streamer.presence import Presence
from streamer.ration import Ration
from streamer.stages import FrameSource
from streamer.surroundings import Surroundings
from streamer.types import Clip, Frame, Picture
from streamer.workers import Deadline, Worker

NEWS_EVERY_S = 0.1
ALIVE_EVERY_S = 1.0
FOOTAGE_EVERY_S = 1.0
ENDS_WITHIN_S = 1.0

_log = logging.getLogger("streamer.crew")


@dataclass(frozen=True, slots=True)
class _Camera:
    source: FrameSource
    around: Surroundings
    news: NewsOf
    video: SentVideo
    worker: Worker


class Member:
    """Runs until the house says so or is gone; use once.

    The one lock, `_sending`, is held from the reading of a camera's books until they are sent: what is told arrives in
    the order in which it was counted.
    """

    def __init__(
        self, connection: socket.socket, memory: mmap.mmap, orders: Orders, equipment: Equipment, clock: Clock
    ) -> None:
        self._connection, self._memory, self._equipment, self._clock = connection, memory, equipment, clock
        self._arena = Arena(orders.memory_bytes)
        self._pictures: dict[int, Picture] = {}  # by the block of their frame
        self._sending = threading.Lock()
        self._ending = threading.Event()
        self._sent_s = clock.monotonic()
        self._looked_s = float("-inf")
        self._told_footage: dict[str, object] = {}
        self._cameras = {name: self._open(name) for name in orders.cameras}
        self._news = Worker("news", self._tell_news, lambda: None)

    def run(self) -> None:
        """Until told to stop; what was written to disk is complete then."""
        self._news.start()
        for camera in self._cameras.values():
            camera.worker.start()
        with contextlib.suppress(EOFError, OSError):
            while True:
                kind, *words = read_packed(self._connection)
                if kind == "stop":
                    break
                self._obey(kind, words)
        self._end()

    def _open(self, name: str) -> _Camera:
        waited_s: list[float] = []
        now_s = self._clock.monotonic()
        video = SentVideo(name, self._arena, self._memory, self._send)
        around = Surroundings(
            FrameLedger(name),
            CameraStatus(name, now_s),
            heard_by(waited_s, name),
            WakeBell(self._clock.monotonic),
            Presence(),
            self._equipment.tap(name, video),
            ration=Ration(),
        )
        worker = Worker(f"capture:{name}", lambda: self._capture(name, camera), lambda: None)
        camera = _Camera(self._equipment.source(name, around), around, NewsOf(around, waited_s, now_s), video, worker)
        return camera

    # --- what the house says --------------------------------------------------------------------------------------

    def _obey(self, kind: str, words: list[Any]) -> None:
        match kind:
            case "release":
                for block in words[0]:
                    self._pictures.pop(block, None)
                    self._arena.give_back(block)
            case "shown":
                for name, block in words[0]:
                    if name in self._cameras:
                        self._cameras[name].video.release(block)
                    else:
                        self._arena.give_back(block)
            case "picture":
                self._send(self._picture(*words))
            case "presence" | "bell" | "watch" | "ration" | "close":
                if (known := self._cameras.get(words[0])) is not None:  # it may just have left
                    self._tell_camera(kind, known, words[1:])
            case "take":
                self._take(*words)
            case "leave":
                self._let_go(*words)
            case "clip":
                camera, opened = words
                self._begin_clip(camera, opened)
            case "clip_end":
                camera, alert_id, at = words
                if (footage := self._equipment.footage(camera)) is not None:
                    footage.end(alert_id, at)
            case "finish":
                threading.Thread(target=self._finish, args=words, name="finish", daemon=True).start()

    def _tell_camera(self, kind: str, camera: _Camera, words: list[Any]) -> None:
        around = camera.around
        match kind:
            case "presence":
                if around.presence is not None:
                    anybody, alerted, moving, vacant_frames = words
                    around.presence.hears((anybody, alerted, moving, vacant_frames))
            case "bell":
                left_s = words[0] - self._clock.monotonic()
                if left_s > 0 and around.bell is not None:
                    around.bell.ring(left_s)
            case "watch":
                camera.video.watch(words[0])
            case "ration":
                if around.ration is not None:
                    around.ration.most_fps = float(words[0])
            case "close":
                camera.source.close()

    def _take(self, name: str, orders: Any) -> None:
        self._equipment.take(name, orders)
        camera = self._open(name)
        with self._sending:
            self._cameras = {**self._cameras, name: camera}
        camera.worker.start()

    def _let_go(self, name: str, number: int, within_s: float) -> None:
        """From now on nothing is told of the camera but its clips: another of its name may come at once."""
        with self._sending:
            camera = self._cameras.get(name)
            self._cameras = {each: other for each, other in self._cameras.items() if each != name}
            self._told_footage.pop(name, None)
        complete = self._equipment.let_go(name)

        def leave() -> None:
            deadline = Deadline(within_s)
            if camera is not None:
                camera.source.close()
                camera.worker.join(deadline)
            complete(deadline.remaining())
            self._send({"left": number})

        threading.Thread(target=leave, name=f"leave:{name}", daemon=True).start()

    def _picture(self, question: int, block: int) -> dict[str, object]:
        picture = self._pictures.get(block)
        rgb = None if picture is None else picture.rgb()
        offset = None if rgb is None else self._arena.take(rgb.nbytes)
        if rgb is None or offset is None:
            return {"picture": question}
        height, width = rgb.shape[:2]
        picture_at(self._memory, offset, height, width)[...] = rgb
        return {"picture": question, "at": [offset, height, width]}

    def _begin_clip(self, camera: str, opened: Any) -> None:
        def done(clip: Clip | None) -> None:
            self._send({"clip": opened.id, "of": camera, "is": clip and dataclasses.asdict(clip)})

        footage = self._equipment.footage(camera)
        if footage is None:
            done(None)
        else:
            footage.begin(opened, done)

    def _finish(self, within_s: float) -> None:
        self._equipment.finish(within_s)
        with self._sending:
            self._put(line({"finished": True, **self._everything_new(every=True)}))

    def _end(self) -> None:
        self._ending.set()
        for camera in self._cameras.values():
            camera.source.close()
        deadline = Deadline(ENDS_WITHIN_S)
        for camera in self._cameras.values():
            camera.worker.join(deadline)
        self._equipment.finish(ENDS_WITHIN_S)

    # --- what it says to the house --------------------------------------------------------------------------------

    def _capture(self, name: str, camera: _Camera) -> None:
        why = None
        self._send({"thread": threading.get_ident(), "of": name})
        try:
            with contextlib.closing(camera.source.frames()) as frames:  # type: ignore[type-var]
                for frame in frames:
                    if self._cameras.get(name) is not camera:  # it left, and this thread was stuck meanwhile
                        return
                    self._hand_over(name, camera, frame)
        except SourceError as error:
            why = str(error)
        except Exception as error:  # noqa: BLE001 - one camera never harms another
            _log.exception("camera %r: its capture failed and will not come back before a restart", name)
            why = f"camera '{name}': internal error in capture: {type(error).__name__}: {error}"
        with self._sending:
            if self._cameras.get(name) is camera:
                news = camera.news.since(self._clock.monotonic(), all_signs=True)
                self._put(line({"over": name, "why": why, "news": {name: news}}))

    def _hand_over(self, name: str, camera: _Camera, frame: Frame) -> None:
        height, width = frame.image.shape[:2]
        block = self._arena.take(frame.image.nbytes)
        if block is None:
            camera.around.ledger.dropped(Drop.FULL)
            return
        picture_at(self._memory, block, height, width)[...] = frame.image
        self._pictures[block] = frame.picture
        about = [
            block, height, width, frame.session, frame.index, frame.source_wh,
            frame.media_s, frame.captured_at, frame.received_s, frame.late,
        ]  # fmt: skip
        with self._sending:
            news = camera.news.since(self._clock.monotonic())
            self._put(line({"frame": about, "of": name, "news": {name: news}}))

    def _tell_news(self) -> None:
        while not self._ending.wait(NEWS_EVERY_S):
            with self._sending:
                news = self._everything_new()
                if news["news"] or news["footage"] or self._clock.monotonic() - self._sent_s > ALIVE_EVERY_S:
                    self._put(line(news))

    def _everything_new(self, *, every: bool = False) -> dict[str, object]:
        now_s = self._clock.monotonic()
        news = {name: new for name, camera in self._cameras.items() if (new := camera.news.since(now_s))}
        footage = {}
        if every or now_s - self._looked_s >= FOOTAGE_EVERY_S:
            self._looked_s, footage = now_s, self._footage_news()
        return {"news": news, "footage": footage}

    def _footage_news(self) -> dict[str, object]:
        """Of cameras whose footage counted something since it was last told."""
        news: dict[str, object] = {}
        for name in self._cameras:
            if (footage := self._equipment.footage(name)) is None:
                continue
            told = {"ring_bytes": footage.ring_bytes, "rows": list(footage.rows())}
            if told != self._told_footage.get(name):
                news[name] = self._told_footage[name] = told
        return news

    def _send(self, letter: dict[str, object]) -> None:
        with self._sending:
            self._put(line(letter))

    def _put(self, content: bytes) -> None:
        """With the lock. Waits while the house does not read: it reads always, unless it is halted as a whole."""
        self._sent_s = self._clock.monotonic()
        with contextlib.suppress(OSError):  # the house is gone, which the main thread sees as well
            self._connection.sendall(content)
