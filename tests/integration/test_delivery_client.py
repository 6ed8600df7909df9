"""The subscriber against a real Redis: acknowledge after the handler, take over, give up, notice what is missing."""

from __future__ import annotations

import argparse
import asyncio
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
import redis

from streamer.client import Received, Subscription, asubscribe, run, subscribe
from streamer.client.messages import Gap
from streamer.commands import tail
from streamer.errors import SinkUnavailable
from streamer.sinks.outbox import StoredChange
from streamer.sinks.redis_alerts import RedisAlerts
from streamer.types import AlertChange
from streamer.wire import encode_alert
from tests.alert_lives import change
from tests.redis_server import RedisServer, free_port


def client(server: RedisServer) -> redis.Redis:
    return redis.Redis.from_url(server.url, decode_responses=True)


class Publisher:
    """Publishes changes as the service does, on one line."""

    def __init__(self, server: RedisServer) -> None:
        self._alerts, self._row = RedisAlerts(server.url), 0

    def __call__(self, *changes: AlertChange) -> None:
        rows = []
        for number, one in enumerate(changes, self._row + 1):
            names = (one.id, one.seq, one.type, one.camera, one.kind, one.severity)
            rows.append(StoredChange(number, *names, 0.0, encode_alert(one)))
        self._alerts.deliver("L", self._row, rows)
        self._row += len(changes)


@pytest.fixture
def publish(server: RedisServer) -> Publisher:
    return Publisher(server)


def take(subscription: Subscription, count: int) -> list[Received]:
    """The next `count`; the last one stays unacknowledged until the next is asked for."""
    return [next(subscription) for _ in range(count)]


def names(received: list[Received]) -> list[str]:
    return [f"{one.change.id}:{one.change.seq}" for one in received]


def tail_command(*arguments: str) -> int:
    """`streamer tail …`, without the other commands."""
    parser = argparse.ArgumentParser()
    tail.add_parser(parser.add_subparsers())
    args = parser.parse_args(["tail", *arguments])
    return int(args.handler(args))


def pending(server: RedisServer, group: str = "g") -> int:
    return int(client(server).xpending("streamer:alerts", group)["pending"])


def test_asking_for_the_next_acknowledges_the_one_before(server: RedisServer, publish: Publisher) -> None:
    publish(*(change("a", n) for n in range(1, 4)))
    with subscribe(server.url, "g", start="all", prefetch=1) as subscription:
        assert names(take(subscription, 3)) == ["a:1", "a:2", "a:3"]
        assert pending(server) == 1
        subscription.acknowledge()
        assert pending(server) == 0


def test_what_a_handler_died_of_comes_again_first_and_in_order(server: RedisServer, publish: Publisher) -> None:
    publish(*(change("a", n) for n in range(1, 6)))

    def die_at_two() -> None:
        with subscribe(server.url, "g", "one", start="all") as subscription:
            for received in subscription:
                if received.change.seq == 2:
                    raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        die_at_two()
    with subscribe(server.url, "g", "one") as subscription:
        again = take(subscription, 4)
        assert names(again) == ["a:2", "a:3", "a:4", "a:5"]
        assert again[0].deliveries == 2


def test_every_group_sees_all_and_the_consumers_of_one_share(server: RedisServer, publish: Publisher) -> None:
    publish(*(change("a", n) for n in range(1, 5)))
    with (
        subscribe(server.url, "g", "one", start="all", prefetch=1) as one,
        subscribe(server.url, "g", "two", start="all", prefetch=1) as two,
        subscribe(server.url, "other", start="all") as other,
    ):
        shared = names([*take(one, 1), *take(two, 1), *take(one, 1), *take(two, 1)])
        assert sorted(shared) == ["a:1", "a:2", "a:3", "a:4"]
        assert names(take(other, 4)) == ["a:1", "a:2", "a:3", "a:4"]


def test_what_a_dead_consumer_held_is_taken_over(server: RedisServer, publish: Publisher) -> None:
    publish(change("a", 1), change("b", 1))
    with subscribe(server.url, "g", "dies", start="all") as dies:
        take(dies, 1)
    with subscribe(server.url, "g", "lives", claim_idle_s=0.05) as lives:
        received = take(lives, 2)
        assert names(received) == ["a:1", "b:1"]
        assert received[0].deliveries >= 2


def test_a_change_that_kills_every_consumer_becomes_a_dead_letter_and_its_neighbours_do_not(
    server: RedisServer, publish: Publisher
) -> None:
    publish(change("poison", 1), change("good", 1), change("good", 2))
    for _ in range(3):
        with subscribe(server.url, "g", "one", start="all", max_attempts=3) as subscription:
            assert names(take(subscription, 1)) == ["poison:1"]  # and dies
    with subscribe(server.url, "g", "one", max_attempts=3) as subscription:
        assert names(take(subscription, 2)) == ["good:1", "good:2"]
    [(_, letter)] = client(server).xrange("streamer:alerts:dead:g")
    assert (letter["id"], letter["why"]) == ("poison", "not acknowledged after 3 deliveries")


def test_an_entry_that_is_no_alert_becomes_a_dead_letter_at_once(server: RedisServer, publish: Publisher) -> None:
    client(server).xadd("streamer:alerts", {"data": '{"schema":"streamer.alert/9"}'})
    client(server).xadd("streamer:alerts", {"other": "thing"})
    publish(change("a", 1))
    with subscribe(server.url, "g", start="all") as subscription:
        assert names(take(subscription, 1)) == ["a:1"]
    letters = client(server).xrange("streamer:alerts:dead:g")
    assert ["understands" in fields["why"] or "no field" in fields["why"] for _, fields in letters] == [True, True]


def test_only_what_is_wanted_comes_and_the_rest_is_acknowledged(server: RedisServer, publish: Publisher) -> None:
    publish(change("a", 1, kind="loitering"), change("b", 1, camera="yard"), change("c", 1))
    with subscribe(server.url, "g", start="all", kinds=["intrusion"], cameras=["gate"]) as subscription:
        assert names(take(subscription, 1)) == ["c:1"]
        assert pending(server) == 1


def test_reading_begins_where_it_was_told_to(server: RedisServer, publish: Publisher) -> None:
    publish(change("a", 1))
    [(first_id, _)] = client(server).xrange("streamer:alerts")
    later = datetime.fromtimestamp((int(first_id.split("-")[0]) + 1) / 1000, UTC)
    assert subscribe(server.url, None).receive() is None  # 'new': nothing has come since
    with subscribe(server.url, "new") as subscription:
        assert subscription.receive() is None
        publish(change("a", 2))
        assert names(take(subscription, 1)) == ["a:2"]
    for group, start, expected in (
        ("all", "all", "a:1"),
        ("id", first_id, "a:2"),
        ("time", later, "a:2"),
        (None, "all", "a:1"),
        (None, later, "a:2"),
    ):
        with subscribe(server.url, group, start=start) as subscription:
            assert names(take(subscription, 1)) == [expected], (group, start)


def test_a_change_that_is_missing_and_a_stream_that_was_trimmed_are_noticed(
    server: RedisServer, publish: Publisher
) -> None:
    publish(change("a", 1), change("a", 2))
    with subscribe(server.url, "g", start="all") as subscription:
        take(subscription, 2)
        publish(change("a", 5))
        assert take(subscription, 1)[0].gap == Gap("seq", 3, 4)
    publish(*(change("b", n) for n in range(1, 9)))
    client(server).xtrim("streamer:alerts", maxlen=2, approximate=False)
    if client(server).info("server")["redis_version"] >= "7":
        with subscribe(server.url, "g") as subscription:
            assert take(subscription, 1)[0].gap == Gap("trimmed")


def test_how_far_behind_a_group_is(server: RedisServer, publish: Publisher) -> None:
    publish(*(change("a", n) for n in range(1, 11)))
    with subscribe(server.url, "g", start="all", prefetch=4) as subscription:
        take(subscription, 1)
        lag = subscription.lag()
        assert (lag.waiting, lag.pending) == (6, 4)
        for _ in range(9):
            next(subscription)
        subscription.acknowledge()
        assert (subscription.lag().waiting, subscription.lag().pending, subscription.lag().behind_s) == (0, 0, 0.0)


def test_it_lives_through_a_redis_that_restarts_and_one_that_comes_back_empty(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as own, subscribe(own.url, "g", start="all") as subscription:
        publish = Publisher(own)
        publish(change("a", 1), change("a", 2))
        assert names(take(subscription, 2)) == ["a:1", "a:2"]
        own.kill()
        own.start()
        publish(change("a", 3))
        assert names(take(subscription, 1)) == ["a:3"]
        own.restart_empty()
        Publisher(own)(*(change("a", n) for n in range(1, 5)))  # the outbox tells everything again
        assert names(take(subscription, 1)) == ["a:4"]  # what was handled is dropped


def test_a_group_that_somebody_destroyed_is_joined_anew(server: RedisServer, publish: Publisher) -> None:
    publish(change("a", 1))
    with subscribe(server.url, "g", start="all") as subscription:
        take(subscription, 1)
        client(server).xgroup_destroy("streamer:alerts", "g")
        publish(change("a", 2))
        assert names(take(subscription, 1)) == ["a:2"]


def test_patience_with_a_broker_that_is_not_there_ends() -> None:
    with (
        subscribe(f"redis://joe:s3cret@127.0.0.1:{free_port()}", "g", patience_s=0.2) as subscription,
        pytest.raises(SinkUnavailable, match="cannot be reached") as gone,
    ):
        next(subscription)
    assert "s3cret" not in str(gone.value)


def test_a_handler_that_fails_is_tried_again_in_place_then_given_up(server: RedisServer, publish: Publisher) -> None:
    publish(change("bad", 1), change("flaky", 1), change("good", 1))
    calls: list[str] = []
    subscription = subscribe(server.url, "g", start="all")

    def handler(one: AlertChange) -> None:
        calls.append(one.id)
        if one.id == "bad" or (calls.count("flaky") == 1 and one.id == "flaky"):
            raise OSError("the pager is down")
        if one.id == "good":
            subscription.close()

    run(subscription, handler, attempts=3, wait_s=0.001)
    assert calls == ["bad", "bad", "bad", "flaky", "flaky", "good"]
    [(_, letter)] = client(server).xrange("streamer:alerts:dead:g")
    assert letter["id"] == "bad"
    assert "the pager is down" in letter["why"]


def test_close_from_another_thread_ends_the_iteration(server: RedisServer) -> None:
    with subscribe(server.url, "g") as subscription:
        threading.Timer(0.1, subscription.close).start()
        assert list(subscription) == []


def test_the_asynchronous_subscriber_does_the_same(server: RedisServer, publish: Publisher) -> None:
    publish(*(change("a", n) for n in range(1, 4)))

    async def read() -> tuple[list[Received], int]:
        got = []
        async with asubscribe(server.url, "g", start="all") as subscription:
            async for received in subscription:
                got.append(received)
                if len(got) == 3:
                    await subscription.acknowledge()
                    subscription.close()
            return got, (await subscription.lag()).pending

    got, still_pending = asyncio.run(read())
    assert names(got) == ["a:1", "a:2", "a:3"]
    assert still_pending == 0


def test_the_asynchronous_subscriber_waits_for_a_broker_that_is_away(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as own:
        publish = Publisher(own)
        publish(change("a", 1))

        async def read() -> list[str]:
            async with asubscribe(own.url, "g", start="all") as subscription:
                first = await anext(subscription)
                own.kill()
                own.start()
                publish(change("a", 2))
                return names([first, await anext(subscription)])

        assert asyncio.run(read()) == ["a:1", "a:2"]


def test_tail_prints_lines_for_people_and_for_programs(
    server: RedisServer, publish: Publisher, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(change("a", 1), change("b", 1, camera="yard"))
    assert tail_command("--redis", server.url, "--from", "all", "--count", "2") == 0
    out = capsys.readouterr().out
    assert "opened  intrusion gate in yard: person in yard" in out
    assert tail_command("--redis", server.url, "--from", "1h", "--camera", "yard", "--count", "1", "--json") == 0
    assert '{"type":"alert","schema":"streamer.alert/1","id":"b"' in capsys.readouterr().out
    assert client(server).xinfo_groups("streamer:alerts") == []  # nobody noticed


def test_a_subscriber_reads_what_the_publisher_was_given(server: RedisServer, publish: Publisher) -> None:
    sent = [change("a", n, at=1_700_000_000.0 + n) for n in range(1, 4)]
    publish(*sent)
    with subscribe(server.url, None, start="all") as subscription:
        assert [encode_alert(one.change) for one in take(subscription, 3)] == [encode_alert(one) for one in sent]
