"""Whatever happens in whatever order, every frame is accounted for and no camera's frames change places."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.inbox import BatchPolicy, FrameInbox, InboxClosed
from streamer.ledger import Drop, FrameLedger
from tests.fakes import FakeClock, a_frame

CAMERAS = ("a", "b", "c")
STEPS_OF_CHANGE = ("add", "remove", "soon", "offer", "take", "wait", "offer", "offer", "take")
steps = st.lists(
    st.one_of(
        st.tuples(st.just("offer"), st.sampled_from(CAMERAS)),
        st.tuples(st.just("take"), st.none()),
        st.tuples(st.just("wait"), st.sampled_from([0.01, 0.2, 0.6])),
    ),
    max_size=120,
)


@settings(deadline=None, max_examples=150)
@given(steps, st.integers(1, 4), st.integers(1, 5), st.booleans())
def test_every_frame_is_accounted_for_and_order_is_kept(plan, max_batch, depth, drain):
    clock, ledgers = FakeClock(), {camera: FrameLedger(camera) for camera in CAMERAS}
    policy = BatchPolicy(max_batch=max_batch, max_wait_s=0.0, max_age_s=0.5, depth=depth)
    inbox = FrameInbox(ledgers, policy, clock)
    offered = dict.fromkeys(CAMERAS, 0)
    seen: dict[str, list[int]] = {camera: [] for camera in CAMERAS}

    def take() -> None:
        batch = inbox.take()
        cameras = [frame.camera for frame in batch.frames]
        assert len(cameras) == len(set(cameras)) <= max_batch
        assert [f.received_s for f in batch.frames] == sorted(f.received_s for f in batch.frames)
        for frame in batch.frames:
            assert clock.at_s - frame.received_s <= policy.max_age_s
            seen[frame.camera].append(frame.index)
            ledgers[frame.camera].analysed()

    for step, what in plan:
        if step == "offer":
            ledgers[what].received()
            inbox.offer(a_frame(what, offered[what], received_s=clock.at_s))
            offered[what] += 1
        elif step == "wait":
            clock.tick(what)
        elif inbox.waiting():
            # What waits may all be stale by now: then take() would wait for more, so leave one fresh frame.
            ledgers["a"].received()
            inbox.offer(a_frame("a", offered["a"], received_s=clock.at_s))
            offered["a"] += 1
            take()
        assert all(ledgers[c].counts().waiting >= 0 for c in CAMERAS)
        assert sum(ledgers[c].counts().waiting for c in CAMERAS) == inbox.waiting()

    inbox.close(drain=drain)
    try:
        while True:
            take()
    except InboxClosed:
        pass
    for camera in CAMERAS:
        counts = ledgers[camera].counts()
        assert counts.received == offered[camera] == counts.analysed + sum(counts.dropped.values())
        assert seen[camera] == sorted(set(seen[camera]))


@settings(deadline=None, max_examples=200)
@given(
    st.lists(st.tuples(st.sampled_from(STEPS_OF_CHANGE), st.sampled_from(CAMERAS)), max_size=120),
    st.integers(1, 4),
    st.sets(st.sampled_from(CAMERAS)),
)
def test_cameras_come_and_go_accounted_for_and_the_end_of_each_is_behind_its_last_frame(plan, max_batch, single):
    clock = FakeClock()
    inbox = FrameInbox({}, BatchPolicy(max_batch=max_batch, max_wait_s=0.0, max_age_s=0.5, depth=3), clock)
    there: dict[str, FrameLedger] = {}
    everybody: list[FrameLedger] = []
    going: set[str] = set()
    done: list[str] = []
    n = 0

    def take() -> None:
        batch = inbox.take()
        for frame in batch.frames:
            assert frame.session not in done  # its end has not been handed out yet
            everybody[int(frame.session)].analysed()
        inbox.done(batch, 0.001)
        for act in batch.then:
            act()

    def gone(camera: str, ledger: FrameLedger) -> None:
        assert ledger.counts().waiting == 0
        done.append(str(everybody.index(ledger)))
        going.discard(camera)
        del there[camera]

    for step, camera in plan:
        if step == "add" and camera not in there:
            there[camera] = FrameLedger(camera)
            everybody.append(there[camera])
            inbox.add(there[camera], one_by_one=camera in single, weight=2.0)
        elif step == "remove" and camera in there and camera not in going:
            going.add(camera)
            inbox.remove(camera, lambda camera=camera: gone(camera, there[camera]))
        elif step == "soon":
            inbox.soon(lambda: None)
        elif step == "offer" and camera in there:
            ledger = there[camera]
            ledger.received()
            n += 1
            session = str(everybody.index(ledger))
            taken = inbox.offer(a_frame(camera, n, received_s=clock.at_s, session=session))
            assert taken == (camera not in going)
            if sum(each.counts().waiting for each in everybody) > inbox.waiting():
                # The inbox has forgotten this camera already: the service settles what comes so late.
                assert not taken
                ledger.settle(Drop.SHUTDOWN)
        elif step == "wait":
            clock.tick(0.2)
        elif step == "take":
            inbox.soon(lambda: None)  # there is something to take
            take()
        assert sum(ledger.counts().waiting for ledger in everybody) == inbox.waiting()
    inbox.close(drain=True)
    try:
        while True:
            take()
    except InboxClosed:
        pass
    assert not going
    assert all(ledger.counts().waiting == 0 for ledger in everybody)
