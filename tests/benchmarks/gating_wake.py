"""How soon a sleeping camera is awake: from the packet that shows motion to the first frame on the way to the model.

    python -m tests.benchmarks.gating_wake [--cameras 20] [--seconds 62]

People who come into an empty room (the project's one-by-one footage) are spliced into 720p25 H.264 of that same room,
still, under sensor noise, with a key frame every two seconds: they come in at any place of a group. Which picture is
the first with somebody in it is known from the footage before noise and coding: the first that differs from the empty
room by more than CHANGED_GREY_LEVELS in more than CHANGED_PART of its area. Packets come from memory when they are due,
and what is late is late: times count from when a packet was due.

Measured on a machine that has nothing else to do, and again with a busy process per core beside it.

    p99_ms                 from the first packet with somebody in it, so what the gate needs to notice counts as well
    p99_from_decision_ms   from the packet upon which the gate woke
    p99_shown_ms           from the first packet with somebody in it until a frame is offered that shows as much or more
    p99_caught_up_ms       until the capture waits for its next packet again: all that led up to the wake is decoded

An analysed frame is 200 ms from the next (five a second), and what led up to a wake is offered at four times that rate:
the last two are bounded by that, not by decoding.
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, dropwhile, islice, pairwise
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.capture import CameraOptions
from streamer.cores import usable_cores
from streamer.sleep_book import SleepBook, WakeCause
from streamer.types import Frame
from tests.benchmarks.cameras_at_once import Camera, CamerasAtOnce, FromMemory, played_from_memory
from tests.benchmarks.footage import SHARED
from tests.benchmarks.quiet_footage import FPS, GOP, SIZE_WH, Yuv, encode_noisy, groups, one_after_the_other
from tests.benchmarks.report import report

ROOM = SHARED / "data/videos/intel_one-by-one-person-detection.mp4"
ENTERED_S = (5.9, 22.5, 42.5, 50.0, 74.2, 91.8, 123.2)
"""Just before each of these somebody comes into the room, and for a second nobody is in it."""
EACH_SPLICED = 3
CHANGED_GREY_LEVELS, CHANGED_PART = 12, 0.001
CELLS_WH = (192, 108)
LONGEST_UNTIL_CHANGED_S = 1.5
EVENT_GROUPS, QUIET_GROUPS = 2, 12
EVENT_S = EVENT_GROUPS * GOP / FPS
FIRST_QUIET_GROUPS, LEAST_QUIET_GROUPS, MOST_QUIET_GROUPS = 6, 5, 7
"""Between two events, of two seconds each: a camera sleeps five quiet seconds after the last motion, at a key frame."""


@dataclass(frozen=True)
class Event:
    """Packets of whole groups, and which of them is the first with somebody in it."""

    packets: list[av.Packet]
    first: int


@dataclass(frozen=True)
class Trace:
    """What one camera sends, and when somebody is first in the picture: seconds since its first packet."""

    packets: list[av.Packet]
    came_s: list[float]


@dataclass(frozen=True)
class Wake:
    """Seconds from the first packet with somebody in it; decided_s from the packet upon which the gate woke."""

    offered_s: float
    decided_s: float
    shown_s: float
    caught_up_s: float
    cause: WakeCause


def main() -> int:
    """Draw, play to idle and to busy cores, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cameras", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=62.0, help="of each camera's life, on idle and on busy cores")
    parser.add_argument("--keep", action=argparse.BooleanOptionalAction, default=True, help="store the result in docs/")
    args = parser.parse_args()
    if not ROOM.is_file():
        raise SystemExit(f"{ROOM} is missing: this benchmark needs the project's test footage beside the checkout")
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory(prefix="streamer-wake-") as scratch:
        clip = Path(scratch) / "room.mp4"
        quiet, events = _drawn(clip, rng)
        traces = {f"c{n}": _spliced(quiet, events, args.seconds, rng) for n in range(args.cameras)}
        idle = _told("idle", _live(clip, traces, args.seconds))
        with _busy_cores():
            busy = _told("busy", _live(clip, traces, args.seconds))
    report("gating_wake", {"cameras": args.cameras, **idle, **busy}, keep=args.keep)
    return 0


# --- what the cameras send -----------------------------------------------------------------------------------------


def _drawn(path: Path, rng: np.random.Generator) -> tuple[list[list[av.Packet]], list[Event]]:
    """One recording, for one decoder to know: quiet groups of the empty room, then event after event."""
    entrances = _entrances()
    room = entrances[0].empty
    pictures, firsts = [room] * (QUIET_GROUPS * GOP), []
    for entrance in entrances * EACH_SPLICED:
        first = int(rng.integers(1, GOP))
        entering = (entrance.over(room, n) for n in range(EVENT_GROUPS * GOP - first))
        pictures += [*[room] * first, *entering]
        firsts.append(first)
    found = groups(encode_noisy(pictures, path))
    quiet, rest = found[:QUIET_GROUPS], iter(found[QUIET_GROUPS:])
    return quiet, [Event(list(chain.from_iterable(islice(rest, EVENT_GROUPS))), first) for first in firsts]


@dataclass(frozen=True)
class Entrance:
    """The room, empty, and FPS pictures a second from the first one on in which somebody is."""

    empty: Yuv
    pictures: list[Yuv]

    def over(self, room: Yuv, n: int) -> Yuv:
        """Picture n, on the room as it was another time: chairs are moved between two visits."""
        seen = room.astype(np.int16) + self.pictures[n] - self.empty.astype(np.int16)
        return np.clip(seen, 0, 255).astype(np.uint8)


def _entrances() -> list[Entrance]:
    """One for each of ENTERED_S, long enough for an event."""
    shown: dict[float, list[tuple[float, Yuv]]] = {entered_s: [] for entered_s in ENTERED_S}
    with av.open(str(ROOM)) as container:
        for frame in container.decode(video=0):
            for entered_s, pictures in shown.items():
                if 0 <= frame.time - entered_s <= EVENT_S + LONGEST_UNTIL_CHANGED_S:
                    pictures.append((frame.time, frame.to_ndarray(format="yuv420p")))
    return [_from_first_change(_at_full_rate(pictures)) for pictures in shown.values()]


def _from_first_change(pictures: Iterator[Yuv]) -> Entrance:
    empty = next(pictures)
    entering = dropwhile(lambda picture: _changed_part(empty, picture) <= CHANGED_PART, pictures)
    return Entrance(empty, list(islice(entering, EVENT_GROUPS * GOP)))


def _at_full_rate(pictures: list[tuple[float, Yuv]]) -> Iterator[Yuv]:
    """720p, and ten pictures a second made twenty-five: what moved is put where it was in between, by optical flow.

    Shown again and again until the next, they would move in every second or third packet only, as no camera's do.
    """
    flows = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    at_s = pictures[0][0]
    for (then_s, then), (next_s, following) in pairwise(pictures):
        then_luma, next_luma = then[: len(then) * 2 // 3], following[: len(following) * 2 // 3]
        ahead, back = flows.calc(then_luma, next_luma, None), flows.calc(next_luma, then_luma, None)
        while at_s < next_s - 1e-6:
            part = (at_s - then_s) / (next_s - then_s)
            # Where a pixel of the picture in between came from and where it goes to, as if neighbours moved alike.
            came, goes = _moved(then, part * back), _moved(following, (1 - part) * ahead)
            yield _as_720p(cv2.addWeighted(came, 1 - part, goes, part, 0))
            at_s += 1 / FPS


def _moved(picture: Yuv, by_px: NDArray[np.float32]) -> Yuv:
    """Each pixel from where by_px, float32 (H, W, 2), points to."""
    height, width = by_px.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    x, y = x + by_px[..., 0], y + by_px[..., 1]
    luma = cv2.remap(picture[:height], x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    chroma = [
        cv2.remap(plane, x[::2, ::2] / 2, y[::2, ::2] / 2, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        for plane in picture[height:].reshape(2, height // 2, width // 2)
    ]
    return np.concatenate([luma, *(plane.reshape(-1, width) for plane in chroma)])


def _as_720p(picture: Yuv) -> Yuv:
    return av.VideoFrame.from_ndarray(picture, format="yuv420p").reformat(*SIZE_WH).to_ndarray()


def _changed_part(empty: Yuv, picture: Yuv) -> float:
    small = [cv2.resize(each[: SIZE_WH[1]], CELLS_WH, interpolation=cv2.INTER_AREA) for each in (empty, picture)]
    return float((cv2.absdiff(*small) > CHANGED_GREY_LEVELS).mean())


def _spliced(quiet: list[list[av.Packet]], events: list[Event], seconds: float, rng: np.random.Generator) -> Trace:
    """Quiet groups and events at random, as long as needed."""
    spliced: list[list[av.Packet]] = []
    came_s, packets = [], 0

    def add(group: list[av.Packet]) -> None:
        nonlocal packets
        spliced.append(group)
        packets += len(group)

    pause = FIRST_QUIET_GROUPS
    while packets < (seconds + 10) * FPS:
        for n in rng.integers(0, len(quiet), pause):
            add(quiet[n])
        event = events[rng.integers(0, len(events))]
        came_s.append((packets + event.first) / FPS)
        add(event.packets)
        pause = int(rng.integers(LEAST_QUIET_GROUPS, MOST_QUIET_GROUPS + 1))
    return Trace(list(one_after_the_other(spliced)), came_s)


# --- what becomes of it --------------------------------------------------------------------------------------------


class Patient(FromMemory):
    """Notes when it began to wait for a packet: then everything that had come was taken care of."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.waits_s: list[float] = []

    def wait(self, for_s: float) -> None:
        self.waits_s.append(time.monotonic())
        super().wait(for_s)


class Diary(SleepBook):
    """Notes when the camera fell asleep and when it woke, why, and after how many packets."""

    def __init__(self, camera: str, packets: Callable[[], int]) -> None:
        super().__init__(camera)
        self._packets = packets
        self.turns: list[tuple[float, WakeCause | None, int]] = []  # no cause: fell asleep

    def fell_asleep(self, now_s: float) -> None:
        super().fell_asleep(now_s)
        if not self.turns or self.turns[-1][1] is not None:
            self.turns.append((now_s, None, self._packets()))

    def woke(self, now_s: float, cause: WakeCause | None = None) -> None:
        super().woke(now_s, cause)
        if cause is not None:
            self.turns.append((now_s, cause, self._packets()))


@dataclass(frozen=True)
class Life:
    """All that is known of one camera afterwards."""

    trace: Trace
    connection: Patient
    diary: Diary
    offered: list[tuple[float, float]]
    """When a frame was offered, and its media time."""

    def wakes(self) -> Iterator[Wake | None]:
        """One of each event that found the camera asleep; None where it did not wake for it."""
        for came_s in self.trace.came_s:
            due_s = self.connection.began_s + came_s
            before = [turn for turn in self.diary.turns if turn[0] < due_s]
            if not before or before[-1][1] is not None or due_s + EVENT_S > self.connection.waits_s[-1]:
                continue
            after = [turn for turn in self.diary.turns if due_s <= turn[0] <= due_s + EVENT_S]
            yield self._wake(due_s, came_s, after[0]) if after else None

    def _wake(self, due_s: float, came_s: float, turn: tuple[float, WakeCause | None, int]) -> Wake:
        woke_s, cause, packets = turn
        assert cause is not None
        offered = [(at_s, media_s) for at_s, media_s in self.offered if at_s >= woke_s]
        return Wake(
            offered_s=offered[0][0] - due_s,
            decided_s=offered[0][0] - (self.connection.began_s + (packets - 1) / FPS),
            shown_s=next(at_s for at_s, media_s in offered if media_s > came_s - 0.5 / FPS) - due_s,
            caught_up_s=next(at_s for at_s in self.connection.waits_s if at_s >= woke_s) - due_s,
            cause=cause,
        )

    @property
    def false_wakes(self) -> int:
        """Wakes while nobody was there, nor had been just before."""
        there = [self.connection.began_s + came_s for came_s in self.trace.came_s]
        woke = [at_s for at_s, cause, _ in self.diary.turns if cause is not None]
        return sum(not any(0 <= at_s - since_s <= EVENT_S + 2.0 for since_s in there) for at_s in woke)


def _live(clip: Path, traces: Mapping[str, Trace], seconds: float) -> list[Life]:
    """Let all cameras run at once for so long."""
    with played_from_memory(lambda name: traces[name].packets, Patient) as connections, CamerasAtOnce() as together:
        cameras, lives = [], []
        for name in traces:
            offered: list[tuple[float, float]] = []
            diary = Diary(name, lambda name=name: connections[name].fetched)

            def note(frame: Frame, offered: list[tuple[float, float]] = offered) -> None:
                offered.append((time.monotonic(), frame.media_s))

            options = CameraOptions(camera=name, url=str(clip), pace="live", decode="motion")
            cameras.append(Camera(options, note, diary))
            lives.append((name, diary, offered))
        together.add(cameras, within_s=2 * GOP / FPS)
        time.sleep(seconds)
        return [Life(traces[name], connections[name], diary, list(offered)) for name, diary, offered in lives]


def _told(label: str, lives: list[Life]) -> dict[str, object]:
    """Figures in milliseconds."""
    found = [wake for life in lives for wake in life.wakes()]
    woke = [wake for wake in found if wake is not None]
    causes = Counter(wake.cause.value for wake in woke)
    ends = "" if label == "idle" else f"_{label}"
    told: dict[str, object] = {
        f"wakes{ends}": len(woke),
        f"not_woken{ends}": len(found) - len(woke),
        f"false_wakes{ends}": sum(life.false_wakes for life in lives),
        f"causes{ends}": dict(causes),
    }
    for name, seconds in {
        "": [wake.offered_s for wake in woke],
        "_from_decision": [wake.decided_s for wake in woke],
        "_shown": [wake.shown_s for wake in woke],
        "_caught_up": [wake.caught_up_s for wake in woke],
    }.items():
        for percent in (50, 99):
            told[f"p{percent}{name}_ms{ends}"] = round(float(np.percentile(seconds, percent)) * 1e3, 1)
    print(f"{label} cores: {told}", flush=True)
    return told


@contextlib.contextmanager
def _busy_cores() -> Iterator[None]:
    command = [sys.executable, "-c", "while True: pass"]
    processes = [subprocess.Popen(command) for _ in range(usable_cores())]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


if __name__ == "__main__":
    sys.exit(main())
