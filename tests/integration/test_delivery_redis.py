"""Delivery to a real Redis: through restarts, losses, refusals and lost answers, each change once and in order."""

from __future__ import annotations

import dataclasses
import json
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from jsonschema import Draft202012Validator

from streamer.client import subscribe
from streamer.clock import SystemClock
from streamer.errors import SinkRejected, SinkUnavailable
from streamer.sinks.delivery import Delivery
from streamer.sinks.json_lines import JsonLines
from streamer.sinks.live_feed import LiveFeed, SeenFrame
from streamer.sinks.outbox import Outbox, StoredChange
from streamer.sinks.receivers import ReceiverForgot
from streamer.sinks.redis_alerts import RedisAlerts
from streamer.types import Handling
from streamer.wire import decode_alert, json_schema
from tests.alert_lives import change, result
from tests.redis_server import RedisServer, free_port
from tests.unit.test_sinks_json_lines import rows


def client(server: RedisServer) -> redis.Redis:
    return redis.Redis.from_url(server.url, decode_responses=True)


def told(server: RedisServer) -> list[str]:
    return [f"{fields['id']}:{fields['seq']}" for _, fields in client(server).xrange("streamer:alerts")]


def eventually(condition: Callable[[], bool], within_s: float = 15.0) -> None:
    """Poll what another process and its threads will bring about; fails when it does not."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path / "outbox.db", SystemClock())


@pytest.fixture
def delivery(server: RedisServer, outbox: Outbox, tmp_path: Path) -> Iterator[Delivery]:
    receivers = [RedisAlerts(server.url), JsonLines(tmp_path / "alerts.jsonl")]
    running = Delivery(outbox, receivers, LiveFeed(server.url), SystemClock()).start()
    yield running
    running.close()


def test_a_change_arrives_with_all_fields_and_the_open_alerts_are_kept(server: RedisServer, delivery: Delivery) -> None:
    delivery.publish(result((change("a", 1), change("b", 1))))
    delivery.announce([change("a", 2, "closed")])
    eventually(lambda: told(server) == ["a:1", "b:1", "a:2"])
    _, fields = client(server).xrange("streamer:alerts")[0]
    assert list(fields) == ["schema", "id", "type", "seq", "camera", "kind", "severity", "data"]
    Draft202012Validator(json_schema("alert")).validate(json.loads(fields["data"]))
    assert decode_alert(fields["data"]).reason["text"] == "person in yard"
    still_open = client(server).hgetall("streamer:alerts:open")
    assert list(still_open) == ["b"]
    assert decode_alert(still_open["b"]).seq == 1


def test_alerts_wait_while_redis_is_away_and_come_in_order_with_their_times(
    server: RedisServer, delivery: Delivery
) -> None:
    delivery.announce([change("a", 1)])
    eventually(lambda: told(server) == ["a:1"])
    server.stop()
    begun = time.monotonic()
    for n in range(2, 40):
        delivery.announce([change("a", n, "updated")])
    assert time.monotonic() - begun < 5  # a dead broker holds nobody up
    server.start()
    eventually(lambda: told(server) == [f"a:{n}" for n in range(1, 40)])
    [_, (_, fields), *_] = client(server).xrange("streamer:alerts")
    assert decode_alert(fields["data"]).at == change("a", 2).at


def test_a_redis_that_comes_back_empty_is_told_again_without_a_new_alert(
    server: RedisServer, delivery: Delivery, tmp_path: Path
) -> None:
    delivery.announce([change("a", 1), change("b", 1), change("b", 2, "closed")])
    eventually(lambda: len(told(server)) == 3)
    server.restart_empty()
    eventually(lambda: told(server) == ["a:1", "b:1", "b:2"])
    assert client(server).hkeys("streamer:alerts:open") == ["a"]
    assert len((tmp_path / "alerts.jsonl").read_text().splitlines()) == 3  # the file had forgotten nothing


def test_a_redis_that_lost_its_last_second_is_told_that_second_again(server: RedisServer, delivery: Delivery) -> None:
    for n in range(1, 30):
        delivery.announce([change("a", n, "updated")])
    eventually(lambda: len(told(server)) == 29)
    server.kill()
    server.lose_tail(5_000)
    server.start()
    eventually(lambda: told(server) == [f"a:{n}" for n in range(1, 30)])
    assert delivery.stats().receivers[0].told_again > 0  # something was really lost


def test_a_retry_after_a_lost_answer_adds_nothing(server: RedisServer) -> None:
    alerts = RedisAlerts(server.url)
    assert alerts.deliver("L", 0, rows(1, 3)) == 3
    client(server).delete("streamer:alerts:recent")  # the mark alone must do, however many alerts there were since
    assert alerts.deliver("L", 0, rows(1, 5)) == 5  # the first answer never came: the same rows, and more
    assert told(server) == [f"a:{n}" for n in range(1, 6)]
    assert alerts.remembers("L").name == "a:5"


def test_a_server_that_remembers_less_than_it_confirmed_takes_nothing_until_it_was_asked(server: RedisServer) -> None:
    alerts = RedisAlerts(server.url)
    alerts.deliver("L", 0, rows(1, 3))
    client(server).hset("streamer:outbox:L", "row", 2)
    with pytest.raises(ReceiverForgot, match="remembers row 2 of the outbox and had confirmed 3"):
        alerts.deliver("L", 3, rows(4, 5))
    assert told(server) == ["a:1", "a:2", "a:3"]


def test_another_outbox_with_the_same_changes_doubles_nothing(server: RedisServer) -> None:
    # the outbox file was lost, and the same recording is run again
    RedisAlerts(server.url).deliver("first", 0, rows(1, 3))
    second = RedisAlerts(server.url)
    second.deliver("second", 0, rows(1, 5))
    assert told(server) == [f"a:{n}" for n in range(1, 6)]
    assert second.repeated == 3


def test_the_memory_of_ids_is_bounded_and_the_stream_is_trimmed(server: RedisServer) -> None:
    alerts = RedisAlerts(server.url, kept=100, remember=50)
    many = [StoredChange(n, f"id{n}", 1, "opened", "c", "k", "info", 0.0, "{}") for n in range(1, 1001)]
    for begin in range(0, 1000, 20):
        alerts.deliver("L", begin, many[begin : begin + 20])
    remembered = sum(client(server).hlen(f"streamer:alerts:recent{part}") for part in ("", ":before"))
    assert 50 <= remembered <= 140
    assert client(server).xlen("streamer:alerts") < 300  # MAXLEN ~ trims whole nodes


REFUSALS = {
    "out of memory": lambda c: c.config_set("maxmemory", "1"),
    "read-only replica": lambda c: c.replicaof("127.0.0.1", "1"),
    "something else under one of our keys": lambda c: c.set("streamer:alerts:open", "in the way"),
    "wants a password": lambda c: c.config_set("requirepass", "hush"),
}


@pytest.mark.parametrize("says", REFUSALS)
def test_refusals_are_said_in_a_sentence_and_leave_nothing_half_done(tmp_path: Path, says: str) -> None:
    with RedisServer(tmp_path) as own:
        control = client(own)
        control.ping()
        REFUSALS[says](control)
        with pytest.raises(SinkUnavailable, match=says) as refused:
            RedisAlerts(own.url).deliver("L", 0, rows(1, 3))
        assert "hush" not in str(refused.value)
        assert control.xlen("streamer:alerts") == 0
        assert not control.exists("streamer:outbox:L")


def test_a_wrong_password_is_named_and_not_shown(tmp_path: Path) -> None:
    with RedisServer(tmp_path, password="right") as own:
        url = own.url.replace("right", "wr0ng-s3cret")
        with pytest.raises(SinkUnavailable, match="refuses the user name or password") as refused:
            RedisAlerts(url).remembers("L")
        assert "s3cret" not in str(refused.value)


def test_a_monstrous_message_is_rejected_and_its_neighbours_are_not(server: RedisServer) -> None:
    alerts = RedisAlerts(server.url)
    [first, second, third] = rows(1, 3)
    monster = dataclasses.replace(second, body="x" * (9 << 20))
    assert alerts.deliver("L", 0, [first, monster, third]) == 1
    with pytest.raises(SinkRejected, match="longer than"):
        alerts.deliver("L", 1, [monster, third])
    assert alerts.deliver("L", 1, [third]) == 1
    assert told(server) == ["a:1", "a:3"]


def test_a_server_that_hangs_does_not_hold_up_the_cameras_or_the_end(server: RedisServer, outbox: Outbox) -> None:
    running = Delivery(outbox, [RedisAlerts(server.url)], LiveFeed(server.url), SystemClock()).start()
    running.publish(result((change("a", 1),)))
    eventually(lambda: told(server) == ["a:1"])
    server.freeze()
    try:
        begun = time.monotonic()
        for n in range(2, 30):
            running.publish(result((change("a", n, "updated"),), index=n))
        assert time.monotonic() - begun < 3
        begun = time.monotonic()
        running.close()
        assert time.monotonic() - begun < 3
    finally:
        server.thaw()


def test_what_was_left_over_goes_out_at_the_next_start(server: RedisServer, tmp_path: Path) -> None:
    path = tmp_path / "again.db"
    server.stop()
    first = Delivery(Outbox(path, SystemClock()), [RedisAlerts(server.url)], None, SystemClock()).start()
    first.announce([change("a", 1), change("a", 2, "updated")])
    first.close()
    server.start()
    box = Outbox(path, SystemClock())
    assert [(c.id, c.seq) for c in box.open_alerts()] == [("a", 2)]
    second = Delivery(box, [RedisAlerts(server.url)], None, SystemClock()).start()
    second.announce([change("a", 3, "closed")])
    eventually(lambda: told(server) == ["a:1", "a:2", "a:3"])
    second.close()


def test_frames_go_live_while_redis_is_there_and_are_let_go_while_it_is_not(server: RedisServer) -> None:
    acknowledged: list[SeenFrame] = []
    feed = LiveFeed(server.url, on_published=acknowledged.append)
    feed.start(lambda: None)
    for index in range(5):
        feed.offer(result(index=index))
    eventually(lambda: feed.stats().delivered == 5)
    entries = client(server).xrange("streamer:detections:gate")
    bodies = [json.loads(fields["data"]) for _, fields in entries]
    for body in bodies:
        Draft202012Validator(json_schema("frame")).validate(body)
    assert [body["index"] for body in bodies] == [0, 1, 2, 3, 4] == [frame.index for frame in acknowledged]
    server.stop()
    feed.offer(result(index=5))
    eventually(lambda: feed.stats().trouble is not None)
    for index in range(6, 700):
        feed.offer(result(index=index))
    assert feed.stats().let_go == 695
    server.start()

    def live_again() -> bool:
        feed.offer(result(index=1000))
        return feed.stats().delivered > 5

    eventually(live_again)
    assert feed.stats().trouble is None
    feed.stop()


def test_cameras_are_shown_and_taken_out_and_shown_again_after_an_empty_restart(
    server: RedisServer, delivery: Delivery
) -> None:
    delivery.update_cameras({"gate": {"link": "online"}, "yard": {"link": "offline", "trouble": "no answer"}})
    eventually(lambda: client(server).hlen("streamer:cameras") == 2)
    body = json.loads(client(server).hget("streamer:cameras", "yard") or "")
    Draft202012Validator(json_schema("camera")).validate(body)
    delivery.update_cameras({"gate": {"link": "online"}})
    eventually(lambda: client(server).hkeys("streamer:cameras") == ["gate"])
    server.restart_empty()

    def shown_again() -> bool:  # the service says how its cameras are every second
        delivery.update_cameras({"gate": {"link": "online"}})
        return client(server).hkeys("streamer:cameras") == ["gate"]

    eventually(shown_again)
    assert "yard" not in client(server).hgetall("streamer:cameras")


def test_a_queue_that_is_full_lets_the_oldest_go() -> None:
    feed = LiveFeed(f"redis://127.0.0.1:{free_port()}/0", waiting=10)  # never started: nothing is taken out
    for index in range(25):
        feed.offer(result(index=index))
    stats = feed.stats()
    assert (stats.waiting, stats.let_go) == (10, 15)


def test_no_password_reaches_a_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    url = f"redis://joe:s3cret@127.0.0.1:{free_port()}/0"
    running = Delivery(Outbox(tmp_path / "o.db", SystemClock()), [RedisAlerts(url)], LiveFeed(url), SystemClock())
    running.start()
    running.publish(result((change("a", 1),)))
    eventually(lambda: running.stats().receivers[0].failed > 0)
    eventually(lambda: (stats := running.stats().feed) is not None and stats.trouble is not None)
    assert running.stats().receivers[0].depth == 1
    running.close()
    assert "s3cret" not in caplog.text
    assert "cannot be reached" in caplog.text


def test_what_a_person_did_stands_in_the_stream_and_changes_no_alert(server: RedisServer, delivery: Delivery) -> None:
    delivery.announce([change("a", 1)])
    about = {"alert": "a", "camera": "gate", "kind": "intrusion", "severity": "warning", "by": "anna", "at": 5.0}
    delivery.handled(Handling(id="h", type="acknowledged", **about))
    delivery.announce([change("b", 1), change("b", 2, "closed")])
    eventually(lambda: told(server) == ["a:1", "h:1", "b:1", "b:2"])
    [_, (_, fields), *_] = client(server).xrange("streamer:alerts")
    assert (fields["schema"], fields["type"], fields["camera"]) == ("streamer.handling/1", "acknowledged", "gate")
    Draft202012Validator(json_schema("handling")).validate(json.loads(fields["data"]))
    assert client(server).hkeys("streamer:alerts:open") == ["a"]
    group = subscribe(server.url, group="pager", consumer="one", start="all")
    assert [next(group).change.id for _ in range(3)] == ["a", "b", "b"]
    group.close()
    assert client(server).exists("streamer:alerts:dead:pager") == 0
