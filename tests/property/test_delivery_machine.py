"""From the outbox to the body of a subscriber's loop, all of it real, in any order of crashes: promise 1, end to end.

A state machine drives a real outbox file, a real courier's turns, a real Redis and the real reader of a consumer group.
What can break in between breaks: the service is killed, an answer of Redis is lost, Redis goes away, comes back having
forgotten its latest calls or everything, the subscriber is killed before the body, in it, or between body and
acknowledgement, and its acknowledgement's answer is lost. Redis that forgets is exact: keys are dumped before each
call and restored, groups and all, as a server is that came back from an older snapshot.

    every (id, seq) comes to the body; in one life of the subscriber once; again in another life only where the last
    life ended before its acknowledgement, or Redis forgot that there was one; in order within an alert; a dead letter
    only after N deliveries failed.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
import redis
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from streamer.client.protocol import GroupReader, Steps, Wanted
from streamer.clock import SystemClock
from streamer.errors import SinkUnavailable
from streamer.sinks.courier import Courier
from streamer.sinks.outbox import Outbox, StoredChange
from streamer.sinks.receivers import Memory
from streamer.sinks.redis_alerts import RedisAlerts
from streamer.types import AlertChange
from streamer.wire import Keys
from tests.alert_lives import change, next_change
from tests.redis_server import RedisServer

ALERTS = ("a", "b", "c")
MOST_ATTEMPTS = 3
Snapshot = dict[bytes, bytes]


class BreakableAlerts(RedisAlerts):
    """The publisher, on whose way to Redis and back things are lost on order."""

    away = lose_next_answer = False

    def remembers(self, line: str) -> Memory:
        if self.away:
            raise SinkUnavailable("away")
        return super().remembers(line)

    def deliver(self, line: str, after_row: int, rows: Sequence[StoredChange]) -> int:
        if self.away:
            raise SinkUnavailable("away")
        taken = super().deliver(line, after_row, rows)
        if self.lose_next_answer:
            self.lose_next_answer = False
            raise SinkUnavailable("the answer was lost")
        return taken


class Killed(Exception):
    """The subscriber's process ended here."""


class Chain(RuleBasedStateMachine):
    """`sent`: what was raised. `lives`: what each life of the subscriber's body was given, in order."""

    url: ClassVar[str]

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.redis = redis.Redis.from_url(self.url)
        self.redis.flushall()
        self.snapshots: list[Snapshot] = [{}]
        self.sent: list[str] = []
        self.open: dict[str, AlertChange] = {}
        self.born = 0
        self.lives: list[list[str]] = []
        self.failed: Counter[str] = Counter()
        self.may_repeat: set[str] = set()
        self.receiver = BreakableAlerts(self.url)
        self._start_service()
        self._start_subscriber()

    # --- the service --------------------------------------------------------------------------------------------------

    def _start_service(self) -> None:
        self.outbox = Outbox(Path(self.folder.name) / "outbox.db", SystemClock())
        self.courier = Courier(self.receiver, self.outbox, SystemClock(), on_failure=lambda: None, batch=3)

    @rule(name=st.sampled_from(ALERTS), close=st.booleans(), twice=st.booleans())
    def something_happens(self, name: str, close: bool, twice: bool) -> None:
        last = self.open.pop(name, None)
        if last is None:
            self.born += 1
            new = change(f"{name}{self.born}")
        else:
            new = next_change(last, "closed" if close else "updated")
        if new.type != "closed":
            self.open[name] = new
        for _ in range(2 if twice else 1):
            self.outbox.append([new])
        self.sent.append(f"{new.id}:{new.seq}")

    @rule()
    def the_courier_takes_a_turn(self) -> None:
        self._keep_snapshot()
        try:
            self.courier._deliver_some()
        except SinkUnavailable as error:
            self.courier._note(error)

    @rule()
    def the_next_answer_is_lost(self) -> None:
        self.receiver.lose_next_answer = True

    @rule(away=st.booleans())
    def redis_goes_away_or_returns(self, away: bool) -> None:
        self.receiver.away = away

    @rule()
    def the_service_is_killed_and_started_again(self) -> None:
        self.outbox.close()
        self._start_service()

    # --- Redis --------------------------------------------------------------------------------------------------------

    def _keep_snapshot(self) -> None:
        # cast: redis-py types answers of both its clients at once
        keys: Any = self.redis.keys("*")
        dumped: Any = [self.redis.dump(key) for key in keys]
        self.snapshots.append(dict(zip(keys, dumped, strict=True)))

    @rule(back=st.integers(0, 5))
    def redis_comes_back_having_forgotten(self, back: int) -> None:
        self._fall_back(self.snapshots[max(0, len(self.snapshots) - 1 - back)])

    @rule()
    def redis_comes_back_empty(self) -> None:
        self._fall_back({})

    def _fall_back(self, snapshot: Snapshot) -> None:
        self.redis.flushall()
        for key, content in snapshot.items():
            self.redis.restore(key, 0, content, replace=True)
        self.may_repeat |= {name for life in self.lives for name in life}
        self.reader.disconnected()

    # --- the subscriber -----------------------------------------------------------------------------------------------

    def _start_subscriber(self) -> None:
        self.reader = GroupReader(
            *(Keys(), "pager", "one", "all", Wanted()), prefetch=4, block_s=0.001, claim_idle_s=60.0,
            max_attempts=MOST_ATTEMPTS,
        )  # fmt: skip
        self.lives.append([])

    def _drive(self, steps: Steps[Any], *, lose_answer_of: str = "") -> Any:
        try:
            call = next(steps)
            while True:
                answer = getattr(self.redis, call.method)(*call.args, **call.kwargs)
                if call.method == lose_answer_of:
                    raise redis.ConnectionError("the answer was lost")
                call = steps.send(answer) if not isinstance(answer, Exception) else steps.throw(answer)
        except StopIteration as done:
            return done.value

    def _next(self) -> Any:
        """As the subscription drives it: errors of calls are thrown into the protocol."""
        steps = self.reader.next()
        try:
            call = next(steps)
            while True:
                try:
                    answer = getattr(self.redis, call.method)(*call.args, **call.kwargs)
                except redis.RedisError as error:
                    call = steps.throw(error)
                else:
                    call = steps.send(answer)
        except StopIteration as done:
            return done.value

    @rule(many=st.integers(1, 4))
    def the_subscriber_works(self, many: int) -> None:
        for _ in range(many):
            if (received := self._next()) is None:
                return
            self._body(received.change)
            self._drive(self.reader.acknowledge(received))

    def _body(self, change: AlertChange) -> None:
        name, life = f"{change.id}:{change.seq}", self.lives[-1]
        assert name not in life, f"{name} came twice in one life"
        earlier = [name in before for before in self.lives[:-1]]
        assert not any(earlier) or name in self.may_repeat, f"{name} came again, and nobody was killed in between"
        of_alert = [int(each.rpartition(":")[2]) for each in life if each.rpartition(":")[0] == change.id]
        assert not of_alert or max(of_alert) < change.seq, f"{name} came after seq {max(of_alert)}"
        life.append(name)

    @precondition(lambda self: len(self.lives) < 12)
    @rule(when=st.sampled_from(["before the body", "in the body", "before the acknowledgement", "in it"]))
    def the_subscriber_is_killed(self, when: str) -> None:
        received = self._next()
        if received is not None:
            name = f"{received.change.id}:{received.change.seq}"
            if when == "before the body":
                self.failed[name] += 1
            elif when == "in the body":
                self.failed[name] += 1
                self.may_repeat.add(name)
                self._body(received.change)
            else:
                self.failed[name] += 1
                self._body(received.change)
                if when == "in it":
                    self._drive(self.reader.acknowledge(received))
                else:
                    self.may_repeat.add(name)
        self._start_subscriber()

    @rule()
    def an_acknowledgement_is_done_and_its_answer_lost(self) -> None:
        received = self._next()
        if received is not None:
            self._body(received.change)
            try:
                self._drive(self.reader.acknowledge(received), lose_answer_of="xack")
            except redis.ConnectionError:
                self.reader.disconnected()

    # --- what must hold -----------------------------------------------------------------------------------------------

    def _dead(self) -> list[str]:
        entries: Any = self.redis.xrange(Keys().dead_letters("pager"))
        return [f"{fields[b'id'].decode()}:{fields[b'seq'].decode()}" for _, fields in entries]

    def teardown(self) -> None:
        if not hasattr(self, "outbox"):
            return
        try:
            self.receiver.away = self.receiver.lose_next_answer = False
            self.courier._agreed = False  # what the idle probe does
            for _ in range(4 * len(self.sent) + 4):
                self.the_courier_takes_a_turn()
            while (received := self._next()) is not None:
                self._body(received.change)
                self._drive(self.reader.acknowledge(received))
            entries: Any = self.redis.xrange(Keys().alerts)
            stream = [f"{fields[b'id'].decode()}:{fields[b'seq'].decode()}" for _, fields in entries]
            assert stream == self.sent
            seen, dead = {name for life in self.lives for name in life}, self._dead()
            assert seen | set(dead) == set(self.sent)
            for name in dead:
                assert self.failed[name] >= MOST_ATTEMPTS, f"{name} was given up after {self.failed[name]} failures"
        finally:
            self.outbox.close()
            self.receiver.close()
            self.redis.close()
            self.folder.cleanup()


def _run(folder: Path, examples: int, steps: int) -> None:
    with RedisServer(folder) as server:
        Chain.url = server.url
        run_state_machine_as_test(
            Chain, settings=settings(max_examples=examples, stateful_step_count=steps, deadline=None)
        )


def test_every_change_reaches_the_body_once_in_order_whatever_is_killed(tmp_path: Path) -> None:
    _run(tmp_path, 25, 25)


@pytest.mark.chaos
@pytest.mark.timeout(3600)
def test_every_change_reaches_the_body_once_in_order_for_much_longer(tmp_path: Path) -> None:
    _run(tmp_path, int(os.environ.get("STREAMER_DELIVERY_EXAMPLES", "3000")), 60)
