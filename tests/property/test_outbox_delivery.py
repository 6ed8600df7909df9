"""Any order of appending, delivering, lost answers, crashes, and a Redis that forgets: each change once, in order.

A state machine drives the real outbox file and the real courier's decisions against a model of the Lua script's
promises (a mark per line, a bounded memory of ids, all or nothing). The model Redis can lose its latest calls; what a
subscriber with a memory has seen is kept apart from it, as in life.
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from streamer.clock import SystemClock
from streamer.errors import SinkUnavailable
from streamer.sinks.courier import Courier
from streamer.sinks.outbox import Outbox, StoredChange
from streamer.sinks.receivers import Memory, ReceiverForgot
from streamer.types import AlertChange
from tests.alert_lives import CLIP, change, next_change

ALERTS = ("a", "b", "c")


@dataclass
class ModelRedis:
    """What the server holds; snapshots of it are what a crash falls back to."""

    stream: list[str] = field(default_factory=list)
    lines: dict[str, Memory] = field(default_factory=dict)
    recent: dict[str, int] = field(default_factory=dict)


class ModelReceiver:
    """The script's promises, and faults on order."""

    name = "redis"
    longest_wait_s = 0.0

    def __init__(self) -> None:
        self.redis = ModelRedis()
        self.history = [copy.deepcopy(self.redis)]
        self.away = False
        self.lose_next_answer = False

    def remembers(self, line: str) -> Memory:
        if self.away:
            raise SinkUnavailable("away")
        return self.redis.lines.get(line, Memory(0))

    def deliver(self, line: str, after_row: int, rows: Sequence[StoredChange]) -> int:
        memory = self.remembers(line)
        if memory.row < after_row:
            raise ReceiverForgot("forgot")
        for row in rows:
            if row.row > memory.row:
                if row.seq > self.redis.recent.get(row.id, 0):
                    self.redis.stream.append(row.name)
                    self.redis.recent[row.id] = row.seq
                memory = Memory(row.row, row.name)
        self.redis.lines[line] = memory
        self.history.append(copy.deepcopy(self.redis))
        if self.lose_next_answer:
            self.lose_next_answer = False
            raise SinkUnavailable("the answer was lost")
        return len(rows)

    def fall_back(self, calls: int) -> None:
        """Come back without the latest calls; 0 calls lost is an ordinary restart."""
        del self.history[max(1, len(self.history) - calls) :]
        self.redis = copy.deepcopy(self.history[-1])

    def close(self) -> None:
        """Nothing to let go of."""


class Delivery(RuleBasedStateMachine):
    """appends, deliveries and faults in any order; `sent` is the truth, `seen` what a subscriber handled."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "outbox.db"
        self.receiver = ModelReceiver()
        self.sent: list[str] = []
        self.seen: list[str] = []
        self.open: dict[str, AlertChange] = {}
        self.ended: list[AlertChange] = []
        self.born = 0
        self._start()

    def _start(self) -> None:
        self.outbox = Outbox(self.path, SystemClock())
        self.courier = Courier(self.receiver, self.outbox, SystemClock(), on_failure=lambda: None, batch=3)

    @rule(name=st.sampled_from(ALERTS), close=st.booleans(), twice=st.booleans())
    def something_happens(self, name: str, close: bool, twice: bool) -> None:
        last = self.open.get(name)
        if last is None:
            self.born += 1
            new = change(f"{name}{self.born}", 1)
        else:
            new = next_change(last, "closed" if close else "updated")
        self.open[name] = new
        if new.type == "closed":
            del self.open[name]
            self.ended.append(new)
        self._append(new, twice)

    @precondition(lambda self: self.ended)
    @rule(which=st.integers(0, 10), twice=st.booleans())
    def a_clip_is_complete(self, which: int, twice: bool) -> None:
        closed = self.ended.pop(which % len(self.ended))
        self._append(replace(closed, seq=closed.seq + 1, type="evidence", clip=CLIP), twice)

    def _append(self, new: AlertChange, twice: bool) -> None:
        self.outbox.append([new])
        if twice:  # a part of the same recording is run again
            assert self.outbox.append([new]) == 0
        self.sent.append(f"{new.id}:{new.seq}")

    @rule()
    def the_courier_takes_a_turn(self) -> None:
        try:
            self.courier._deliver_some()
        except SinkUnavailable as error:
            self.courier._note(error)

    @rule()
    def the_subscriber_reads(self) -> None:
        self.seen += [name for name in self.receiver.redis.stream if name not in set(self.seen)]

    @rule()
    def the_next_answer_is_lost(self) -> None:
        self.receiver.lose_next_answer = True

    @rule(calls=st.integers(0, 4))
    def redis_comes_back_having_forgotten(self, calls: int) -> None:
        self.receiver.fall_back(calls)

    @rule()
    def redis_comes_back_empty(self) -> None:
        self.receiver.fall_back(10**6)

    @precondition(lambda self: not self.receiver.away)
    @rule()
    def redis_goes_away(self) -> None:
        self.receiver.away = True

    @precondition(lambda self: self.receiver.away)
    @rule()
    def redis_returns(self) -> None:
        self.receiver.away = False

    @rule()
    def the_service_is_killed_and_started_again(self) -> None:
        self.outbox.close()
        self._start()

    @invariant()
    def what_is_open_is_known_to_the_next_start(self) -> None:
        known = {(c.id, c.seq) for c in self.outbox.open_alerts()}
        assert known == {(c.id, c.seq) for c in self.open.values()}

    @invariant()
    def the_stream_never_doubles_and_keeps_the_order(self) -> None:
        stream = self.receiver.redis.stream
        assert len(stream) == len(set(stream))
        assert stream == [name for name in self.sent if name in set(stream)]

    def teardown(self) -> None:
        if not hasattr(self, "outbox"):
            return
        self.receiver.away = self.receiver.lose_next_answer = False
        self.courier._agreed = False  # what the idle probe does
        for _ in range(4 * len(self.sent) + 4):
            self.the_courier_takes_a_turn()
        self.the_subscriber_reads()
        stream = self.receiver.redis.stream
        assert stream == self.sent  # nothing lost, nothing doubled, in order
        assert sorted(self.seen) == sorted(self.sent)
        for alert in {name.rpartition(":")[0] for name in self.seen}:
            seqs = [int(name.rpartition(":")[2]) for name in self.seen if name.rpartition(":")[0] == alert]
            assert seqs == list(range(1, len(seqs) + 1))
        self.outbox.close()
        self.folder.cleanup()


TestDelivery = Delivery.TestCase
TestDelivery.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
