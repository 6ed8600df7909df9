"""Frames on their way through a running house, stamped where they pass its doors.

    due ─capture─▶ offered to the inbox ─wait─▶ model begins ─infer─▶ model ends ─analyse─▶ judged ─publish─▶ Redis

The stages of a frame follow one another without a gap, so that they add up to the whole.
"""

from __future__ import annotations

import contextlib
import threading
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from streamer.assembly.house import House
from streamer.bench.durations import DurationBook
from streamer.camera_unit import CameraUnit
from streamer.stages import FrameSource, nothing
from streamer.types import Detections, Frame

STAGES = ("capture", "wait", "infer", "analyse", "publish")
WHOLE = "whole"

_BEGIN_WITHIN_S = 2.0
_GOLDEN = 0.6180339887498949

_Key = tuple[str, str, int]


@dataclass(slots=True)
class _Times:
    """Of one frame, monotonic seconds; what has not happened yet stands at the moment before it."""

    due_s: float
    offered_s: float
    began_s: float | None = None
    found_s: float | None = None
    judged_s: float = 0.0


class FramesOnTheWay:
    """Writes durations per stage into a book. published: whether a broker acknowledges frames; else judged is the end.

    Its methods are called on the house's own threads.
    """

    def __init__(self, now_s: Callable[[], float], *, published: bool) -> None:
        self.durations = DurationBook()
        self.batches: Counter[int] = Counter()  # frames in a model call → how many calls
        self._now_s, self._published = now_s, published
        self._times: dict[_Key, _Times] = {}
        self._judged: dict[str, deque[_Times]] = defaultdict(deque)
        self._ended: Counter[str] = Counter()
        self._counting = threading.Lock()

    def watch(self, house: House, *, from_due: bool) -> None:
        """From now on, for as long as the house stands; before it runs.

        With from_due a frame's age counts from the moment at which its file has it due, also where the machine decodes
        it late: a real camera would have sent it then. Not for gated cameras: what led up to a wake was due before it.
        """
        detect = house.detector.detect

        def timed(frames: Sequence[Frame], before_run: Callable[[], None] = nothing) -> list[Detections]:
            began_s = self._now_s()
            found = detect(frames, before_run)
            self._inferred(frames, began_s, self._now_s())
            return found

        _stand_in(house.detector, "detect", timed)
        for n, unit in enumerate(house.service.cameras):
            # Cameras are never in step: files that are started at once would be.
            begin_after_s = _BEGIN_WITHIN_S * (n * _GOLDEN % 1.0)
            _FileAsCamera(unit.source, begin_after_s, from_due=from_due, offered=self._offered)
            self._watch_camera(unit)

    def ended(self, camera: str) -> int:
        """Frames of a camera that reached the end of the way so far, ever."""
        with self._counting:
            return self._ended[camera]

    def _offered(self, frame: Frame) -> None:
        """A frame leaves its camera for the inbox."""
        self._times[_key(frame)] = _Times(frame.received_s, self._now_s())

    def acknowledged(self, camera: str, seconds: float) -> None:
        """The broker has a frame's result, so long after the frame was due (open_house's on_published)."""
        now_s = self._now_s()
        waiting = self._judged[camera]
        while len(waiting) > 1 and waiting[1].due_s <= now_s - seconds:
            waiting.popleft()  # the feed let it go
        if waiting:
            self._arrived(camera, waiting.popleft(), now_s)

    def _watch_camera(self, unit: CameraUnit) -> None:
        judge = unit.pipeline.judge

        def stamped(followed: Any) -> Any:
            result = judge(followed)
            self._was_judged(followed.frame)
            return result

        _stand_in(unit.pipeline, "judge", stamped)

    def _inferred(self, frames: Sequence[Frame], began_s: float, found_s: float) -> None:
        self.batches[len(frames)] += 1
        for frame in frames:
            if (times := self._times.get(_key(frame))) is not None:
                times.began_s, times.found_s = began_s, found_s

    def _was_judged(self, frame: Frame) -> None:
        times = self._times.pop(_key(frame), None)
        if times is None:
            return
        times.judged_s = self._now_s()
        if self._published:
            self._judged[frame.camera].append(times)
        else:
            self._arrived(frame.camera, times, times.judged_s)

    def _arrived(self, camera: str, times: _Times, at_s: float) -> None:
        with self._counting:
            self._ended[camera] += 1
        add = self.durations.add
        add(WHOLE, at_s - times.due_s)
        add("capture", times.offered_s - times.due_s)
        if times.began_s is not None and times.found_s is not None:
            add("wait", times.began_s - times.offered_s)
            add("infer", times.found_s - times.began_s)
            add("analyse", times.judged_s - times.found_s)
        if self._published:
            add("publish", at_s - times.judged_s)


class _FileAsCamera:
    """Stands in for the frames() and close() of a camera that plays a file."""

    def __init__(
        self, source: FrameSource, begin_after_s: float, *, from_due: bool, offered: Callable[[Frame], None]
    ) -> None:
        self._frames_of, self._close = source.frames, source.close
        self._begin_after_s, self._from_due, self._offered = begin_after_s, from_due, offered
        self._stop = threading.Event()
        _stand_in(source, "frames", self.frames)
        _stand_in(source, "close", self.close)

    def frames(self) -> Iterator[Frame]:
        """Its frames, until close()."""
        if self._stop.wait(self._begin_after_s):
            return
        session, zero_s = None, 0.0
        with contextlib.closing(self._frames_of()) as frames:  # type: ignore[type-var]
            for frame in frames:
                if self._from_due:
                    if frame.session != session:
                        session, zero_s = frame.session, frame.received_s - frame.media_s
                    frame = replace(frame, received_s=zero_s + frame.media_s)
                self._offered(frame)
                yield frame

    def close(self) -> None:
        """Ask frames() to end."""
        self._stop.set()
        self._close()


def _stand_in(owner: object, method: str, replacement: Callable[..., Any]) -> None:
    """On this one object; its class and all others stay as they are."""
    setattr(owner, method, replacement)


def _key(frame: Frame) -> _Key:
    return frame.camera, frame.session, frame.index
