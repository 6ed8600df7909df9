"""The live feed: what was seen in every analysed frame, to a trimmed Redis stream per camera, and how the cameras are.

A feed, not a record. Frames wait in a bounded queue for the next round trip, which takes all of them at once. Where the
queue is full the oldest is let go; while the broker is away every frame is let go at once; both are counted. Nothing
is tried twice, so nothing arrives twice. The state of cameras is the newest or nothing: it is written again as soon as
the broker is back.

Over a cluster of Redis one round trip is one pipeline to each server. Where cameras have leases (fencing.py), frames go
through a script that lets in nobody whose epoch is older than the newest that the feed of their camera has seen.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import redis
from redis.exceptions import NoScriptError

from streamer import broker
from streamer.clock import Clock, SystemClock
from streamer.errors import SinkUnavailable
from streamer.sinks.backoff import Backoff
from streamer.sinks.feed_script import FEED, FEED_SHA
from streamer.sinks.fencing import EpochOf
from streamer.types import Detections, FrameResult, Tracks
from streamer.wire import Keys, camera_body, dumps, frame_fields, watched_body
from streamer.workers import Deadline, Worker

_log = logging.getLogger("streamer.delivery")

FRAMES_KEPT = 1000  # per camera in Redis: minutes, for those who look back a little
_WAITING = 512
LINGER_S = 0.03  # a frame waits so long for company: a round trip costs more than what it carries
_AT_ONCE = 256

CameraStates = Mapping[str, Mapping[str, object]]


@dataclass(frozen=True, slots=True, eq=False)
class SeenFrame:
    """A frame's result without its pictures: they must not live as long as the queue is."""

    camera: str
    session: str
    index: int
    media_s: float
    captured_at: float
    received_s: float
    source_wh: tuple[int, int]
    detections: Detections
    tracks: Tracks

    @classmethod
    def of(cls, result: FrameResult) -> SeenFrame:
        """What the feed needs of a result."""
        f = result.frame
        return cls(
            *(f.camera, f.session, f.index, f.media_s, f.captured_at, f.received_s, f.source_wh),
            result.detections,
            result.tracks,
        )


@dataclass(frozen=True, slots=True)
class FeedStats:
    """One reading of the feed's books."""

    delivered: int
    let_go: int
    waiting: int
    trouble: str | None
    fenced: int = 0


class LiveFeed:
    """Publishes frame results and camera states from a thread of its own.

    on_published(frame) is called on that thread for every frame that the broker has acknowledged. epoch_of: of a node
    of a cluster, see fencing.py; then other nodes' cameras are left alone in the hash of cameras.
    """

    def __init__(
        self,
        url: str,
        keys: Keys | None = None,
        *,
        kept: int = FRAMES_KEPT,
        waiting: int = _WAITING,
        on_published: Callable[[SeenFrame], None] | None = None,
        clock: Clock | None = None,
        epoch_of: EpochOf | None = None,
    ) -> None:
        self._url, self._keys, self._kept = url, keys or broker.keys_for(url), kept
        self._client = broker.connect(url)
        self._on_published, self._clock = on_published, clock or SystemClock()
        self._changed = threading.Condition()
        self._no_linger = threading.Event()
        self._frames: deque[SeenFrame] = deque()
        self._most_waiting = waiting
        self._cameras: CameraStates = {}
        self._shown: set[str] = set()
        self._cameras_new = self._away = self._stopping = False
        self._delivered = self._let_go = self._fenced = 0
        self._epoch_of, self._script_there = epoch_of, False
        self._fenced_cameras: set[str] = set()
        self._trouble: str | None = None
        self._backoff = Backoff()
        self.worker: Worker | None = None

    def start(self, on_failure: Callable[[], None]) -> None:
        """Begin; once."""
        self.worker = Worker("deliver:feed", self._run, on_failure)
        self.worker.start()

    def offer(self, result: FrameResult) -> None:
        """Hand a frame's result over; returns at once."""
        with self._changed:
            if self._away or self._stopping:
                self._let_go += 1
                return
            if len(self._frames) >= self._most_waiting:
                self._frames.popleft()
                self._let_go += 1
            self._frames.append(SeenFrame.of(result))
            self._changed.notify()

    def update_cameras(self, states: CameraStates) -> None:
        """How all cameras are now; those that are no longer named are taken out. Returns at once."""
        with self._changed:
            self._cameras, self._cameras_new = states, True
            self._changed.notify()

    def stats(self) -> FeedStats:
        """A reading."""
        with self._changed:
            return FeedStats(self._delivered, self._let_go, len(self._frames), self._trouble, self._fenced)

    def stop(self) -> None:
        """Send what waits while the broker is there, then end."""
        self._no_linger.set()
        with self._changed:
            self._stopping = True
            self._changed.notify()

    def join(self, deadline: Deadline) -> bool:
        """Wait for the end; false where the broker holds the thread longer."""
        return self.worker is None or self.worker.join(deadline)

    # --- on the feed's thread -----------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while True:
                if self._away and not self._return():
                    return
                frames, cameras = self._take()
                if not frames and cameras is None:
                    return
                try:
                    self._send(frames, cameras)
                except SinkUnavailable as error:
                    self._lose(len(frames), error)
        finally:
            self._client.close()

    def _take(self) -> tuple[list[SeenFrame], CameraStates | None]:
        with self._changed:
            self._changed.wait_for(lambda: self._frames or self._cameras_new or self._stopping)
        self._no_linger.wait(LINGER_S)
        with self._changed:
            frames = [self._frames.popleft() for _ in range(min(_AT_ONCE, len(self._frames)))]
            cameras = self._cameras if self._cameras_new else None
            self._cameras_new = False
            return frames, cameras

    def _send(self, frames: list[SeenFrame], cameras: CameraStates | None) -> None:
        pipe = self._client.pipeline(transaction=False)
        calls = self._queue(pipe, frames)
        if cameras is not None:
            if self._epoch_of is None and (gone := self._shown - cameras.keys()):
                pipe.hdel(self._keys.cameras, *gone)
            if cameras:
                at = self._clock.now()
                pipe.hset(
                    self._keys.cameras,
                    mapping={name: dumps(camera_body(name, at, state)) for name, state in cameras.items()},
                )
        try:
            answers = pipe.execute(raise_on_error=False)
        except (redis.RedisError, OSError) as error:
            raise broker.translate(error, self._url) from error
        refused = [answer for answer in answers if isinstance(answer, Exception)]
        if len(refused) == len(answers) and refused:  # out of memory, read-only …: not this frame's fault
            raise broker.translate(refused[0], self._url) from refused[0]
        accepted = [
            frame
            for sent, answer in zip(calls, answers, strict=False)
            for frame in sent
            if not isinstance(answer, Exception) and answer != -1
        ]
        fenced = self._note_fenced(calls, answers)
        with self._changed:
            self._delivered += len(accepted)
            self._fenced += fenced
            self._let_go += len(frames) - len(accepted) - fenced
            self._trouble = None
        self._backoff.reset()
        if cameras is not None:
            self._shown = set(cameras)
        if self._on_published:
            for frame in accepted:
                self._on_published(frame)

    def _queue(self, pipe: Any, frames: list[SeenFrame]) -> list[list[SeenFrame]]:
        """Put frames into the pipe; which go with each of its commands."""
        if self._epoch_of is None:
            for frame in frames:
                pipe.xadd(self._keys.detections(frame.camera), _fields(frame), maxlen=self._kept, approximate=True)
            return [[frame] for frame in frames]
        if frames and not self._script_there:
            try:
                self._client.script_load(FEED)
            except (redis.RedisError, OSError) as error:
                raise broker.translate(error, self._url) from error
            self._script_there = True
        by_camera: dict[str, list[SeenFrame]] = {}
        for frame in frames:
            by_camera.setdefault(frame.camera, []).append(frame)
        for camera, seen in by_camera.items():
            fields = [part for frame in seen for pair in _fields(frame).items() for part in pair]
            keys = self._keys.detections(camera), self._keys.fence(camera)
            pipe.execute_command("EVALSHA", FEED_SHA, 2, *keys, self._epoch_of(camera), self._kept, *fields)
        return list(by_camera.values())

    def _note_fenced(self, calls: list[list[SeenFrame]], answers: list[Any]) -> int:
        """How many frames a newer epoch kept out; said once for each camera, until it is let in again."""
        if self._epoch_of is None:
            return 0
        fenced = 0
        for sent, answer in zip(calls, answers, strict=False):
            camera = sent[0].camera
            if isinstance(answer, NoScriptError):  # the server was restarted: what went to it is let go
                self._script_there = False
            elif answer != -1:
                self._fenced_cameras.discard(camera)
            else:
                fenced += len(sent)
                if camera not in self._fenced_cameras:
                    self._fenced_cameras.add(camera)
                    _log.warning(
                        "frames of camera %r are not shown: it moved to another node, which speaks for it now",
                        camera,
                        extra={"camera": camera, "event": "fenced"},
                    )
        return fenced

    def _lose(self, n: int, error: SinkUnavailable) -> None:
        if self._trouble != str(error):
            _log.warning("live results are let go: %s", error)
        with self._changed:
            self._let_go += n + len(self._frames)
            self._frames.clear()
            self._away, self._trouble = True, str(error)
        self._script_there = False

    def _return(self) -> bool:
        """Wait until the broker answers and takes writes again; false where it is time to end first."""
        while True:
            with self._changed:
                if self._changed.wait_for(lambda: self._stopping, self._backoff.next()):
                    return False
                cameras = self._cameras
            try:
                self._client.ping()
                if cameras:
                    self._send([], cameras)
            except (redis.RedisError, OSError) as error:
                trouble = str(broker.translate(error, self._url))
            except SinkUnavailable as error:
                trouble = str(error)
            else:
                break
            with self._changed:
                self._trouble = trouble
        with self._changed:
            self._away = False
        return True


def _fields(frame: SeenFrame) -> dict[Any, Any]:
    return dict(frame_fields(watched_body(frame)))
