"""A camera that changes its owner in full view: every frame is analysed once, by one of both, whatever happens when."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.cluster.handover import Handover, LastSeen, decode_handover, encode_handover
from streamer.cluster.warm_source import UNDATED_WARM_AFTER_S, WarmSource
from streamer.errors import SourceUnavailable
from streamer.ledger import FrameLedger
from streamer.types import Frame
from tests.crew import eventually
from tests.fakes import FakeClock, a_frame

EPOCH = 1_700_000_000.0
FPS = 25.0
WAITS_S = 30.0


class Told:
    """A FrameSource that yields what it is given, when it is given, and notices who iterates it."""

    demand_paced = False
    camera = "gate"

    def __init__(self, ledger: FrameLedger) -> None:
        self._ledger = ledger
        self._given: queue.SimpleQueue[Frame | Exception | None] = queue.SimpleQueue()
        self.threads: list[str] = []
        self.is_closed = threading.Event()

    def give(self, *frames: Frame) -> None:
        for frame in frames:
            self._given.put(frame)

    def fail(self, error: Exception) -> None:
        self._given.put(error)

    def frames(self) -> Generator[Frame, None, None]:
        try:
            while (item := self._given.get(timeout=WAITS_S)) is not None:
                if isinstance(item, Exception):
                    raise item
                self._ledger.received()
                self.threads.append(threading.current_thread().name)
                yield item
        finally:
            self.is_closed.set()

    def close(self) -> None:
        self._given.put(None)


class Warm:
    """A warm source and its camera; `clock` is of this node."""

    def __init__(self, *, skew_s: float | None = None, **limits: float) -> None:
        self.clock = FakeClock(0.0)
        self.ledger = FrameLedger("gate")
        self.camera = Told(self.ledger)
        self.source = WarmSource(self.camera, self.ledger, lambda: skew_s, self.clock, **limits)
        self.source.begin()

    def reads(self, *frames: Frame) -> None:
        """They have come, and were held or let go."""
        so_far = self.ledger.counts().received
        self.camera.give(*frames)
        eventually(lambda: self.ledger.counts().received == so_far + len(frames))

    def rest(self) -> list[int]:
        """The camera ends; the numbers of all that frames() brings."""
        self.camera.close()
        return [frame.index for frame in self._analysed()]

    def _analysed(self) -> Iterator[Frame]:
        for frame in self.source.frames():
            self.ledger.analysed()
            yield frame

    def is_balanced(self) -> bool:
        counts = self.ledger.counts()
        return counts.waiting == 0


def numbered(n: int, *, fps: float = FPS, off_s: float = 0.0) -> Frame:
    return replace(
        a_frame(index=n, media_s=n / fps, received_s=n / fps),
        captured_at=EPOCH + n / fps + off_s,
        image=np.zeros((4, 4, 3), np.uint8),
    )


def seen(n: int, *, fps: float = FPS, skew_s: float | None = None) -> LastSeen:
    return LastSeen(EPOCH + n / fps + (skew_s or 0.0), skew_s)


def test_it_goes_on_behind_the_last_frame_that_its_owner_saw():
    warm = Warm()
    warm.reads(*map(numbered, range(40)))
    warm.source.adopt(seen(30))
    warm.camera.give(*map(numbered, range(40, 50)))
    assert warm.rest() == list(range(31, 50))
    assert warm.ledger.counts().skipped == {"warming": 31}
    assert warm.is_balanced()


def test_what_its_owner_saw_and_comes_here_later_is_not_seen_twice():
    warm = Warm()
    warm.reads(*map(numbered, range(10)))
    warm.source.adopt(seen(14))
    warm.camera.give(*map(numbered, range(10, 20)))
    assert warm.rest() == [15, 16, 17, 18, 19]
    assert warm.is_balanced()


def test_nobody_knows_what_a_dead_owner_saw_so_it_begins_with_the_next():
    warm = Warm()
    warm.reads(*map(numbered, range(10)))
    warm.source.adopt(None)
    warm.camera.give(*map(numbered, range(10, 13)))
    assert warm.rest() == [10, 11, 12]
    assert warm.ledger.counts().skipped == {"warming": 10}


def test_nothing_is_offered_and_everything_accounted_for_where_it_never_comes():
    warm = Warm()
    warm.reads(*map(numbered, range(10)))
    warm.source.close()
    assert warm.source.join(WAITS_S)
    assert warm.ledger.counts().skipped == {"warming": 10}
    assert warm.is_balanced()
    assert warm.camera.is_closed.is_set()


def test_what_is_held_is_bounded_in_time_and_in_memory():
    warm = Warm(hold_s=1.0)
    warm.reads(*map(numbered, range(100)))
    warm.source.adopt(LastSeen(EPOCH))
    assert warm.rest() == list(range(74, 100))
    small = Warm(hold_bytes=10 * (4 * 4 * 3 + 64 * 48 * 3 // 2))
    small.reads(*map(numbered, range(100)))
    small.source.adopt(LastSeen(EPOCH))
    assert small.rest() == list(range(90, 100))
    assert small.is_balanced()


def test_it_is_warm_a_second_after_its_first_frame_and_later_where_the_camera_does_not_tell_its_time():
    warm = Warm(skew_s=0.0)
    assert not warm.source.is_warm
    warm.reads(numbered(0))
    eventually(lambda: warm.source._steady_s is not None)
    assert not warm.source.is_warm
    warm.clock.tick(1.0)
    assert warm.source.is_warm
    warm.source.close()
    silent = Warm()
    silent.reads(numbered(0))
    eventually(lambda: silent.source._steady_s is not None)
    silent.clock.tick(UNDATED_WARM_AFTER_S - 0.1)
    assert not silent.source.is_warm
    silent.clock.tick(0.2)
    assert silent.source.is_warm
    silent.source.close()


def test_it_is_not_warm_while_its_frames_are_dated_anew():
    """The camera's own time comes a while after its first frame, and what it says is approached step by step."""
    warm = Warm(skew_s=-0.17)
    steps = [0.17, 0.17, 0.17, 0.12, 0.07, 0.02, 0.0, 0.0, 0.0, 0.0]
    for n, off_s in enumerate(steps):
        warm.reads(numbered(n, fps=10.0, off_s=off_s))
        eventually(lambda n=n: len(warm.source._held) == n + 1)
        warm.clock.tick(0.1)
    assert not warm.source.is_warm
    warm.clock.tick(0.7)
    assert warm.source.is_warm
    warm.source.adopt(seen(3, fps=10.0, skew_s=0.0))  # which was dated 0.12 s too late here
    assert warm.rest() == list(range(4, 10))


def test_once_it_is_ours_the_camera_is_read_by_whoever_iterates():
    warm = Warm()
    warm.reads(*map(numbered, range(5)))
    warm.source.adopt(seen(2))
    with closing(warm.source.frames()) as frames:
        taken = [next(frames).index, next(frames).index]
        warm.camera.give(*map(numbered, range(5, 30)))
        taken += [next(frames).index for _ in range(25)]
    assert taken == list(range(3, 30))
    assert set(warm.camera.threads[:5]) == {"warm:gate"}
    assert warm.camera.threads[-1] == threading.current_thread().name
    assert warm.camera.is_closed.is_set()


def test_what_waited_is_as_old_as_its_turn_and_what_did_not_is_left_as_it_is():
    warm = Warm()
    warm.reads(*map(numbered, range(3)))
    warm.clock.tick(100.0)
    warm.source.adopt(seen(0))
    warm.camera.give(replace(numbered(3), received_s=99.99))
    warm.camera.close()
    frames = list(warm.source.frames())
    assert [(frame.index, frame.late) for frame in frames] == [(1, True), (2, True), (3, False)]
    assert [frame.received_s for frame in frames] == [100.0, 100.0, 99.99]


@pytest.mark.parametrize(("theirs", "mine"), [(7.0, 7.0), (7.0, None), (None, 7.0), (None, None), (-3.0, -3.0)])
def test_one_may_know_the_cameras_own_time_and_the_other_not(theirs: float | None, mine: float | None):
    warm = Warm(skew_s=mine)
    warm.reads(*(numbered(n, off_s=mine or 0.0) for n in range(20)))
    warm.source.adopt(seen(11, skew_s=theirs))
    assert warm.rest() == list(range(12, 20))


def test_a_frame_of_the_far_future_holds_nothing_up(caplog: pytest.LogCaptureFixture):
    warm = Warm()
    warm.reads(*map(numbered, range(10)))
    warm.clock.tick(0.4)
    warm.source.adopt(LastSeen(EPOCH + 3600))
    warm.camera.give(*map(numbered, range(10, 15)))
    assert warm.rest()[-1] == 14
    assert "clocks differ" in caplog.text


def test_a_camera_whose_clock_is_set_back_once_it_is_ours_is_seen_on():
    warm = Warm()
    warm.reads(*map(numbered, range(10)))
    warm.source.adopt(seen(5))
    warm.camera.give(*(numbered(n, off_s=-60.0) for n in range(10, 15)))
    assert warm.rest() == list(range(6, 15))


def test_a_camera_that_cannot_be_read_says_so_to_whoever_iterates():
    warm = Warm()
    warm.reads(numbered(0))
    warm.camera.fail(SourceUnavailable("camera 'gate': refused", permanent=True))
    eventually(lambda: warm.source.has_ended)
    warm.source.adopt(LastSeen(EPOCH - 1))
    frames = warm.source.frames()
    assert next(frames).index == 0
    with pytest.raises(SourceUnavailable, match="refused"):
        next(frames)


def test_who_leaves_in_the_midst_of_what_was_held_leaves_nothing_unaccounted():
    warm = Warm()
    warm.reads(*map(numbered, range(10)))
    warm.source.adopt(seen(4))
    with closing(warm.source.frames()) as frames:
        assert next(frames).index == 5
        warm.ledger.analysed()
    assert warm.ledger.counts().dropped == {"shutdown": 4}
    assert warm.is_balanced()


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 25), st.integers(0, 25), st.sampled_from([10.0, 25.0, 30.0]), st.randoms(use_true_random=False))
def test_whenever_it_changes_hands_every_frame_is_analysed_once_by_one_of_both(last, here, fps, rng):
    """The two connections differ about every frame by less than a third of their distance, or 12 ms."""
    warm = Warm()
    warm.clock.tick(max(last, here) / fps)
    off_s = min(0.012, 0.3 / fps)

    def frame(n: int) -> Frame:
        return numbered(n, fps=fps, off_s=rng.uniform(-off_s, off_s) / 2)

    newest = max(last, here)
    warm.source._hold_s = 1e9
    warm.reads(*(frame(n) for n in range(here)))
    warm.source.adopt(LastSeen(EPOCH + last / fps + rng.uniform(-off_s, off_s) / 2))
    warm.camera.give(*(frame(n) for n in range(here, newest + 10)))
    assert warm.rest() == list(range(last + 1, newest + 10))
    assert warm.is_balanced()


def test_the_last_frame_travels_with_the_handover():
    left = Handover("gate", 1.0, "it moved", seen=LastSeen(EPOCH + 0.123456, -0.25))
    assert decode_handover(encode_handover(left)) == left
    silent = Handover("gate", 1.0, "it moved", seen=LastSeen(EPOCH))
    assert decode_handover(encode_handover(silent)) == silent
    assert decode_handover(encode_handover(Handover("gate", 1.0, "checkpoint"))).seen is None
