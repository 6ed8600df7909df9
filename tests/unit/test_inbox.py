"""The inbox: what waits, what goes together, what is let go."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from streamer.inbox import BatchPolicy, FrameInbox, InboxClosed
from streamer.ledger import FrameLedger
from streamer.scheduling.costs import CostModel
from tests.fakes import FakeClock, a_frame


def an_inbox(
    *cameras: str, demand: frozenset[str] = frozenset(), **policy: float
) -> tuple[FrameInbox, FakeClock, dict]:
    ledgers = {camera: FrameLedger(camera) for camera in cameras}
    clock = FakeClock()
    settings = {"max_wait_s": 0.0, **policy}
    return FrameInbox(ledgers, BatchPolicy(**settings), clock, demand_paced=demand), clock, ledgers


def offer(inbox: FrameInbox, clock: FakeClock, ledgers: dict, camera: str, index: int) -> bool:
    ledgers[camera].received()
    return inbox.offer(a_frame(camera, index, received_s=clock.at_s))


def test_one_frame_of_each_camera_goes_into_a_batch_oldest_first():
    inbox, clock, ledgers = an_inbox("a", "b")
    for camera, index in (("b", 0), ("b", 1), ("a", 0)):
        offer(inbox, clock, ledgers, camera, index)
        clock.tick(0.01)
    assert [(f.camera, f.index) for f in inbox.take().frames] == [("b", 0), ("a", 0)]
    assert [(f.camera, f.index) for f in inbox.take().frames] == [("b", 1)]


def test_a_full_queue_lets_its_oldest_go_and_counts_it():
    inbox, clock, ledgers = an_inbox("a", depth=2)
    for index in range(5):
        offer(inbox, clock, ledgers, "a", index)
    assert [f.index for f in (*inbox.take().frames, *inbox.take().frames)] == [3, 4]
    assert ledgers["a"].counts().dropped == {"full": 3}


def test_a_frame_older_than_the_promise_is_let_go():
    inbox, clock, ledgers = an_inbox("a", max_age_s=0.5)
    offer(inbox, clock, ledgers, "a", 0)
    clock.tick(0.6)
    offer(inbox, clock, ledgers, "a", 1)
    assert [f.index for f in inbox.take().frames] == [1]
    assert ledgers["a"].counts().dropped == {"stale": 1}


def test_a_recording_is_never_stale_and_waits_for_room():
    inbox, clock, ledgers = an_inbox("file", demand=frozenset({"file"}), depth=1)
    offer(inbox, clock, ledgers, "file", 0)
    clock.tick(3600)
    placed = threading.Event()

    def one_more() -> None:
        offer(inbox, clock, ledgers, "file", 1)
        placed.set()

    producer = threading.Thread(target=one_more)
    producer.start()
    assert [f.index for f in inbox.take().frames] == [0]
    assert placed.wait(5)
    assert [f.index for f in inbox.take().frames] == [1]
    producer.join(5)
    assert ledgers["file"].counts().dropped == {}


def test_live_frames_go_before_recordings():
    inbox, clock, ledgers = an_inbox("file", "live", demand=frozenset({"file"}), max_batch=1)
    offer(inbox, clock, ledgers, "file", 0)
    clock.tick(0.1)
    offer(inbox, clock, ledgers, "live", 0)
    assert inbox.take().frames[0].camera == "live"


def test_the_end_of_a_camera_is_handed_out_behind_its_last_frame():
    inbox, clock, ledgers = an_inbox("a", max_batch=1)
    offer(inbox, clock, ledgers, "a", 0)
    offer(inbox, clock, ledgers, "a", 1)
    inbox.end("a")
    first, second = inbox.take(), inbox.take()
    assert (first.ended, second.ended) == ((), ("a",))
    inbox.close(drain=True)
    with pytest.raises(InboxClosed):
        inbox.take()


@pytest.mark.parametrize("drain", [True, False])
def test_closing_hands_out_or_counts_what_waits(drain: bool):
    inbox, clock, ledgers = an_inbox("a")
    offer(inbox, clock, ledgers, "a", 0)
    inbox.close(drain=drain)
    assert offer(inbox, clock, ledgers, "a", 1) is False
    if drain:
        assert [f.index for f in inbox.take().frames] == [0]
        ledgers["a"].analysed()
    with pytest.raises(InboxClosed):
        inbox.take()
    assert ledgers["a"].counts().dropped == {"shutdown": 1 if drain else 2}
    assert ledgers["a"].counts().waiting == 0


def test_a_consumer_that_waits_is_woken_by_the_close():
    inbox, _, _ = an_inbox("a")
    ended = threading.Event()

    def consume() -> None:
        with pytest.raises(InboxClosed):
            inbox.take()
        ended.set()

    consumer = threading.Thread(target=consume)
    consumer.start()
    inbox.close(drain=False)
    assert ended.wait(5)
    consumer.join(5)


@pytest.mark.parametrize(
    ("waiting", "cameras", "oldest_age_s", "pause_s"),
    [(1, 1, 0.0, 0.0), (4, 9, 0.0, 0.0), (2, 9, 0.004, 0.006), (2, 9, 0.02, 0.0)],
)
def test_a_batch_waits_for_company_only_as_long_as_its_oldest_may(waiting, cameras, oldest_age_s, pause_s):
    policy = BatchPolicy(max_batch=4, max_wait_s=0.01)
    assert policy.wait_for(waiting, cameras, oldest_age_s) == pytest.approx(pause_s)


def a_costly_inbox(*cameras: str, seconds: float, **more: object) -> tuple[FrameInbox, FakeClock, dict]:
    ledgers = {camera: FrameLedger(camera) for camera in cameras}
    clock = FakeClock()
    return FrameInbox(ledgers, BatchPolicy(), clock, costs=CostModel({1: seconds}), **more), clock, ledgers


def test_what_need_not_be_waited_for_is_had_at_once_and_nothing_else():
    inbox, clock, ledgers = an_inbox("gate", "yard", max_batch=2, max_wait_s=0.010)
    assert inbox.take_ready() is None
    offer(inbox, clock, ledgers, "gate", 0)
    assert inbox.take_ready() is None  # company may still come
    clock.tick(0.02)
    batch = inbox.take_ready()
    assert batch is not None
    assert [frame.index for frame in batch.frames] == [0]
    inbox.close(drain=True)
    with pytest.raises(InboxClosed):
        inbox.take_ready()


def test_batches_are_numbered_as_they_are_taken_and_each_lane_gets_its_part():
    inbox, clock, ledgers = a_costly_inbox("a", "b", "c", seconds=0.01, lanes=2)
    for camera in ("a", "b", "c"):
        offer(inbox, clock, ledgers, camera, 0)
    batches = [inbox.take(), inbox.take()]
    assert [batch.number for batch in batches] == [0, 1]
    assert [frame.camera for batch in batches for frame in batch.frames] == ["a", "b", "c"]


def test_what_cannot_be_in_time_is_let_go_before_it_costs_anything():
    inbox, clock, ledgers = a_costly_inbox("a", "b", seconds=0.1)
    for index in range(4):
        for camera in ("a", "b"):
            offer(inbox, clock, ledgers, camera, index)
    taken = []
    while inbox.waiting():
        taken += [(frame.camera, frame.index) for frame in inbox.take().frames]
        clock.tick(0.1)
    assert len(taken) == 4  # half a second at 0.1 s each, and a fifth of it kept in hand
    assert {camera for camera, _ in taken} == {"a", "b"}
    assert max(index for _, index in taken) == 3  # of what cannot all be had, the newest
    assert ledgers["a"].counts().dropped["overload"] + ledgers["b"].counts().dropped["overload"] == 4


def test_a_model_slower_than_the_promise_is_still_asked():
    inbox, clock, ledgers = a_costly_inbox("a", seconds=3.0)
    offer(inbox, clock, ledgers, "a", 0)
    assert len(inbox.take().frames) == 1


def test_a_camera_whose_frames_build_on_each_other_has_one_out_at_a_time():
    inbox, clock, ledgers = a_costly_inbox("a", "b", seconds=0.01, lanes=2, one_by_one=frozenset({"a"}))
    for index in (0, 1):
        offer(inbox, clock, ledgers, "a", index)
    first = inbox.take()
    assert [(f.camera, f.index) for f in first.frames] == [("a", 0)]
    offer(inbox, clock, ledgers, "b", 0)
    assert [(f.camera, f.index) for f in inbox.take().frames] == [("b", 0)]
    later = []
    lane = threading.Thread(target=lambda: later.append(inbox.take()))
    lane.start()
    inbox.done(first, 0.01)
    lane.join(5)
    assert [(f.camera, f.index) for f in later[0].frames] == [("a", 1)]


def test_what_led_up_to_a_wake_may_be_later_than_live_frames_and_lets_them_go_first():
    inbox, clock, ledgers = a_costly_inbox("woken", "live", seconds=0.001)
    ledgers["woken"].received()
    inbox.offer(replace(a_frame("woken", 0, received_s=clock.at_s), late=True))
    clock.tick(0.4)
    offer(inbox, clock, ledgers, "live", 0)
    clock.tick(0.4)  # a live frame of the woken camera's age would be stale by now
    assert inbox.take().frames[0].camera == "live"
    assert ledgers["woken"].counts().dropped == {}
