"""A courier carries on through every kind of trouble, and never tells a thing twice that its receiver remembers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from streamer.clock import SystemClock
from streamer.errors import SinkRejected, SinkUnavailable
from streamer.sinks.courier import Courier
from streamer.sinks.outbox import Outbox, StoredChange
from streamer.sinks.receivers import Memory, ReceiverForgot
from streamer.workers import Deadline
from tests.alert_lives import change


class FakeReceiver:
    """A receiver in memory, with a memory of its own like Redis, and faults to order.

    faults: raised by the next calls of deliver(), one each; None lets a call pass. `poison` names are rejected.
    lost_answers: that many calls take effect and then fail.
    """

    def __init__(self, faults: Sequence[Exception | None] = (), poison: Sequence[str] = ()) -> None:
        self.lines: dict[str, Memory] = {}
        self.told: list[str] = []
        self.faults, self.poison, self.lost_answers = list(faults), set(poison), 0
        self.closed = False
        self._changed = threading.Condition()

    name = "fake"
    longest_wait_s = 0.01

    def remembers(self, line: str) -> Memory:
        return self.lines.get(line, Memory(0))

    def deliver(self, line: str, after_row: int, rows: Sequence[StoredChange]) -> int:
        if self.faults and (fault := self.faults.pop(0)):
            raise fault
        memory = self.remembers(line)
        if memory.row < after_row:
            raise ReceiverForgot("forgot")
        if any(row.name in self.poison for row in rows):
            raise SinkRejected("poison")
        with self._changed:
            self.told += [row.name for row in rows if row.row > memory.row]
            self.lines[line] = Memory(rows[-1].row, rows[-1].name)
            self._changed.notify_all()
        if self.lost_answers:
            self.lost_answers -= 1
            raise SinkUnavailable("the answer was lost")
        return len(rows)

    def close(self) -> None:
        self.closed = True

    def wait_for(self, condition: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, 10), f"told {self.told}"


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path / "outbox.db", SystemClock())


def serve(outbox: Outbox, receiver: FakeReceiver, *, probe_s: float = 0.02, batch: int = 3) -> Courier:
    courier = Courier(receiver, outbox, SystemClock(), on_failure=lambda: None, probe_s=probe_s, batch=batch)
    courier.start()
    return courier


def finish(courier: Courier) -> None:
    courier.stop()
    assert courier.join(Deadline(10))
    assert courier.worker.error is None


def test_it_carries_everything_in_order_and_ends_when_nothing_is_left(outbox: Outbox) -> None:
    receiver = FakeReceiver()
    courier = serve(outbox, receiver)
    outbox.append([change("a", n) for n in range(1, 11)])
    finish(courier)
    assert receiver.told == [f"a:{n}" for n in range(1, 11)]
    assert receiver.closed
    assert courier.stats().delivered == 10


def test_it_tries_again_until_the_receiver_is_back(outbox: Outbox) -> None:
    receiver = FakeReceiver([SinkUnavailable("away")] * 5)
    outbox.register("fake")
    outbox.append([change("a", 1)])
    courier = serve(outbox, receiver)
    receiver.wait_for(lambda: receiver.told == ["a:1"])
    finish(courier)
    assert courier.stats().failed == 5
    assert courier.stats().trouble is None


def test_a_lost_answer_doubles_nothing(outbox: Outbox) -> None:
    receiver = FakeReceiver()
    receiver.lost_answers = 3
    outbox.register("fake")
    outbox.append([change("a", n) for n in range(1, 8)])
    courier = serve(outbox, receiver)
    receiver.wait_for(lambda: len(receiver.told) >= 7)
    finish(courier)
    assert receiver.told == [f"a:{n}" for n in range(1, 8)]


def test_a_receiver_that_forgot_is_told_again_without_waiting_for_news(outbox: Outbox) -> None:
    receiver = FakeReceiver()
    outbox.register("fake")
    outbox.append([change("a", n) for n in range(1, 6)])
    courier = serve(outbox, receiver)
    receiver.wait_for(lambda: len(receiver.told) == 5)
    line = outbox.line("fake")
    receiver.lines[line] = Memory(3, "a:3")  # it came back with its last two lost
    receiver.wait_for(lambda: len(receiver.told) == 7)
    finish(courier)
    assert receiver.told[5:] == ["a:4", "a:5"]
    assert courier.stats().told_again == 2


def test_a_receiver_that_forgot_is_told_again_when_news_come_first(outbox: Outbox) -> None:
    receiver = FakeReceiver()
    outbox.register("fake")
    outbox.append([change("a", 1), change("a", 2)])
    courier = serve(outbox, receiver, probe_s=3600.0)
    receiver.wait_for(lambda: len(receiver.told) == 2)
    receiver.lines.clear()
    outbox.append([change("a", 3)])
    courier.wake()
    receiver.wait_for(lambda: len(receiver.told) == 5)
    finish(courier)
    assert receiver.told[2:] == ["a:1", "a:2", "a:3"]


def test_what_will_never_be_taken_is_set_aside_and_the_rest_goes_on(outbox: Outbox) -> None:
    receiver = FakeReceiver(poison=["a:2", "a:5"])
    outbox.register("fake")
    outbox.append([change("a", n) for n in range(1, 7)])
    courier = serve(outbox, receiver)
    receiver.wait_for(lambda: len(receiver.told) == 4)
    finish(courier)
    assert receiver.told == ["a:1", "a:3", "a:4", "a:6"]
    assert [row.name for row, _ in outbox.rejected("fake")] == ["a:2", "a:5"]
    assert courier.stats().rejected == 2


def test_an_outbox_older_than_what_was_delivered_from_it_begins_a_new_line(outbox: Outbox) -> None:
    # A backup of the outbox was restored: its row 2 will be another change than the one that the receiver has as row 2.
    receiver = FakeReceiver()
    outbox.register("fake")
    receiver.lines[outbox.line("fake")] = Memory(2, "z:9")
    outbox.append([change("a", 1), change("a", 2), change("a", 3)])
    courier = serve(outbox, receiver)
    receiver.wait_for(lambda: len(receiver.told) == 3)
    finish(courier)
    assert receiver.told == ["a:1", "a:2", "a:3"]


def test_it_ends_at_once_while_the_receiver_is_away_and_keeps_the_rest(outbox: Outbox) -> None:
    receiver = FakeReceiver([SinkUnavailable("away")] * 10_000)
    receiver.longest_wait_s = 3600.0
    outbox.register("fake")
    outbox.append([change("a", 1)])
    courier = serve(outbox, receiver)
    finish(courier)
    assert outbox.depth("fake") == 1


def test_a_bug_in_a_receiver_is_reported_and_not_swallowed(outbox: Outbox) -> None:
    dead = threading.Event()
    receiver = FakeReceiver([ZeroDivisionError("bug")])
    courier = Courier(receiver, outbox, SystemClock(), on_failure=dead.set)
    outbox.append([change("a", 1)])
    courier.start()
    assert dead.wait(10)
    assert isinstance(courier.worker.error, ZeroDivisionError)
