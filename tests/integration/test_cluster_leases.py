"""Leases and fences against a real Redis: one server, and a cluster where the feeds lie in other slots."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from streamer import broker
from streamer.clock import SystemClock
from streamer.cluster.held import HeldLeases
from streamer.cluster.leases import LeaseStore, Refusal, Taken
from streamer.errors import SinkUnavailable
from streamer.sinks.delivery import Delivery
from streamer.sinks.json_lines import JsonLines
from streamer.sinks.live_feed import LiveFeed
from streamer.sinks.outbox import Outbox
from streamer.sinks.redis_alerts import RedisAlerts
from tests.alert_lives import change, result
from tests.redis_server import RedisServer
from tests.redis_shapes import RedisCluster, eventually


class NodeOfTest:
    """One node's half of delivery: leases, outbox, couriers, feed, and a file as second receiver."""

    def __init__(self, url: str, folder: Path, name: str, *, ttl_s: float = 60.0) -> None:
        self.store = LeaseStore(url, name, ttl_s=ttl_s)
        self.lost: list[str] = []
        self.held = HeldLeases(self.store, SystemClock(), lambda cameras: self.lost.extend(sorted(cameras)))
        self.outbox = Outbox(folder / f"{name}.db", SystemClock(), epoch_of=self.held.epoch_of, referee="redis")
        self.file = folder / f"{name}.jsonl"
        self.feed = LiveFeed(url, epoch_of=self.held.epoch_of)
        self.delivery = Delivery(
            self.outbox, [RedisAlerts(url), JsonLines(self.file)], self.feed, SystemClock()
        ).start()

    def taken(self, camera: str, **how: bool) -> Taken:
        answer = self.held.take([camera], **how)[camera]
        assert isinstance(answer, Taken)
        return answer

    def settled(self) -> None:
        """Wait until Redis has taken everything, in one way or another."""
        eventually(lambda: self.outbox.depth("redis") == 0, "the outbox was empty")

    def close(self) -> None:
        self.delivery.close()
        self.held.close()


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    with RedisCluster(tmp_path_factory.mktemp("wide")) as running:
        yield running


@pytest.fixture(params=["one server", "a cluster"])
def url(request: pytest.FixtureRequest, server: RedisServer, wide: RedisCluster) -> str:
    if request.param == "one server":
        return server.url
    for member in wide.members:
        with redis.Redis(port=member.port) as client:
            client.flushall()
    return wide.url


def told(url: str) -> list[str]:
    with contextlib.closing(broker.connect(url)) as client:
        entries = client.xrange(broker.keys_for(url).alerts)
        return [f"{fields[b'id'].decode()}:{fields[b'seq'].decode()}" for _, fields in entries]


def test_a_lease_is_had_by_one_and_its_epoch_rises(url: str) -> None:
    one, other = LeaseStore(url, "one"), LeaseStore(url, "other")
    [first] = one.take(["gate"]).values()
    assert isinstance(first, Taken)
    assert not first.resumed
    refused = other.take(["gate", "yard"])
    assert isinstance(refused["gate"], Refusal)
    assert refused["gate"].owner == "one"
    assert 0 < refused["gate"].for_s <= 4.0
    assert isinstance(refused["yard"], Taken)
    [again] = one.take(["gate"]).values()
    assert again == Taken(first.epoch, True, "")
    [forced] = other.take(["gate"], by_force=True).values()
    assert isinstance(forced, Taken)
    assert forced.epoch > first.epoch
    assert forced.before == "one"
    assert one.renew({"gate": first.epoch}) == {"gate"}
    assert other.renew({"gate": forced.epoch}) == frozenset()
    assert other.write({"gate": forced.epoch}, {"gate": "{}"}, give_back=True) == frozenset()
    [back] = one.take(["gate"]).values()
    assert isinstance(back, Taken)
    assert back.epoch > forced.epoch
    assert one.all()["gate"].owner == "one"


def test_what_ran_out_is_free_and_what_was_forgotten_rises_still(server: RedisServer) -> None:
    short, other = LeaseStore(server.url, "short", ttl_s=0.05), LeaseStore(server.url, "other")
    [held] = short.take(["gate"]).values()
    assert isinstance(held, Taken)
    eventually(lambda: isinstance(other.take(["gate"])["gate"], Taken), "the lease ran out")
    [_, taken] = [held, other.all()["gate"]]
    server.restart_empty()
    assert other.renew({"gate": taken.epoch}) == frozenset()  # only this server can have given so high an epoch
    assert short.renew({"gate": held.epoch}) == {"gate"}
    server.restart_empty()
    [anew] = short.take(["gate"]).values()
    assert isinstance(anew, Taken)
    assert anew.epoch > taken.epoch  # rises, though there is nothing to rise from


def test_who_was_cut_off_cannot_speak_for_a_camera_that_moved(
    url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "streamer")
    old, new = NodeOfTest(url, tmp_path, "old"), NodeOfTest(url, tmp_path, "new")
    old.taken("gate")
    old.taken("yard")
    old.delivery.publish(result((change("a", 1), change("b", 1, camera="yard"))))
    old.settled()
    eventually(lambda: len(old.file.read_text().splitlines()) == 2, "the file had what Redis had")
    feeds, stream = broker.connect(url), broker.keys_for(url).detections("gate")
    eventually(lambda: feeds.xlen(stream) == 1, "the old node's frame was shown")
    new.taken("gate", by_force=True)  # placement is sure that the old one is dead; it is not, only slow
    new.delivery.publish(result((change("a", 2, "updated"),)))
    new.settled()
    old.delivery.publish(result((change("a", 2, "updated"), change("c", 1))))
    old.delivery.publish(result((change("b", 2, "updated", camera="yard"), change("a", 3, "closed"))))
    old.settled()
    assert told(url) == ["a:1", "b:1", "a:2", "b:2"]
    stats = old.delivery.stats()
    eventually(lambda: old.delivery.stats().receivers[0].fenced == 3, "three changes were fenced")
    assert stats.receivers[0].rejected == 0
    assert [(row.name, why) for row, why in old.outbox.rejected("redis")] == [
        (name, "its camera had moved to another node, which speaks for it now") for name in ("a:2", "c:1", "a:3")
    ]
    eventually(lambda: len(old.file.read_text().splitlines()) == 3, "the file had what Redis had, and no more")
    assert "alert changes of camera 'gate' are told to nobody" in caplog.text
    new.delivery.publish(result(index=7))
    eventually(lambda: feeds.xlen(stream) == 3, "the new node's frames were shown")  # one of old, two of new
    old.delivery.publish(result(index=8))
    eventually(lambda: old.feed.stats().fenced >= 1, "the old node's frame was fenced")
    assert feeds.xlen(stream) == 3
    assert "frames of camera 'gate' are not shown" in caplog.text
    old.held.renew()
    assert old.lost == ["gate"]
    assert old.held.cameras == {"yard"}
    assert old.held.stats().lost == 1
    old.close()
    new.close()
    feeds.close()


def test_before_the_new_owner_has_said_anything_the_old_one_is_not_heard_any_more(url: str, tmp_path: Path) -> None:
    old, new = NodeOfTest(url, tmp_path, "old"), NodeOfTest(url, tmp_path, "new")
    old.taken("gate")
    new.taken("gate", by_force=True)
    old.delivery.publish(result((change("a", 1),)))
    old.settled()
    eventually(lambda: old.feed.stats().fenced == 1, "its frame was fenced")
    assert told(url) == []
    old.close()
    new.close()


def test_a_camera_that_comes_back_goes_on_from_what_was_told(url: str, tmp_path: Path) -> None:
    old, new = NodeOfTest(url, tmp_path, "old"), NodeOfTest(url, tmp_path, "new")
    old.taken("gate")
    old.delivery.announce([change("a", 1)])
    old.settled()
    new.taken("gate", by_force=True)
    old.delivery.announce([change("a", 2, "updated"), change("a", 3, "updated"), change("a", 4, "updated")])
    old.settled()  # all three are fenced
    new.delivery.announce([change("a", 2, "updated")])
    new.settled()
    assert new.held.leave({"gate": "{}"}) == frozenset()
    assert old.taken("gate").before == ""
    old.delivery.announce([change("a", 3, "closed")])  # the seq that it had used for something else
    old.settled()
    assert told(url) == ["a:1", "a:2", "a:3"]
    old.close()
    new.close()


def test_a_node_that_was_away_and_lost_nothing_tells_everything(server: RedisServer, tmp_path: Path) -> None:
    node = NodeOfTest(server.url, tmp_path, "node", ttl_s=0.2)
    node.taken("gate")
    server.stop()
    node.held.renew()
    assert node.held.stats().trouble
    node.delivery.announce([change("a", 1), change("a", 2, "closed")])
    server.start()
    node.settled()  # long after the lease ran out: nobody else has taken it
    assert told(server.url) == ["a:1", "a:2"]
    assert node.lost == []
    node.close()


def test_the_clip_of_an_alert_that_was_told_to_its_end_is_welcome_from_where_it_is(url: str, tmp_path: Path) -> None:
    old, new = NodeOfTest(url, tmp_path, "old"), NodeOfTest(url, tmp_path, "new")
    old.taken("gate")
    old.delivery.announce([change("a", 1), change("a", 2, "closed"), change("b", 1)])
    old.settled()
    new.taken("gate", by_force=True)
    old.delivery.announce([change("a", 3, "evidence"), change("b", 2, "evidence")])
    old.settled()
    assert told(url) == ["a:1", "a:2", "b:1", "a:3"]  # b is still open, and the new owner's
    old.close()
    new.close()


def test_what_was_fenced_is_said_though_the_answer_was_lost(server: RedisServer, tmp_path: Path) -> None:
    other = LeaseStore(server.url, "other")
    first, again = (
        Outbox(tmp_path / "o.db", SystemClock(), epoch_of=lambda _: 5, referee="redis"),
        RedisAlerts(server.url),
    )
    first.register("redis")
    other.take(["gate"])
    first.append([change("a", 1), change("b", 1, camera="free")])
    line = first.line("redis")
    again.deliver(line, 0, first.pending("redis", 10))  # the process dies here: nobody heard the answer
    assert told(server.url) == ["b:1"]
    delivery = Delivery(first, [RedisAlerts(server.url)], None, SystemClock()).start()
    eventually(lambda: delivery.stats().receivers[0].fenced == 1, "it was told again")
    assert [row.name for row, _ in first.rejected("redis")] == ["a:1"]
    delivery.close()


def test_a_service_on_its_own_has_no_lease_and_leaves_no_trace_of_any(server: RedisServer, tmp_path: Path) -> None:
    alone = Delivery(
        Outbox(tmp_path / "o.db", SystemClock()), [RedisAlerts(server.url)], LiveFeed(server.url), SystemClock()
    ).start()
    alone.publish(result((change("a", 1),)))
    eventually(lambda: told(server.url) == ["a:1"], "it was told")
    with redis.Redis.from_url(server.url, decode_responses=True) as client:
        eventually(lambda: client.exists("streamer:detections:gate") == 1, "its frame was shown")
        assert not [key for key in client.scan_iter() if "lease" in key or "fence" in key]
    alone.close()


def test_an_outbox_of_the_layout_before_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    box = Outbox(path, SystemClock())
    box.register("redis")
    box.append([change("a", 1)])
    box.close()
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("ALTER TABLE changes DROP COLUMN epoch")
        db.execute("PRAGMA user_version = 1")
        db.commit()
    box = Outbox(path, SystemClock(), epoch_of=lambda _: 7)
    box.append([change("a", 2)])
    assert [(row.name, row.epoch) for row in box.pending("redis", 10)] == [("a:1", 0), ("a:2", 7)]
    box.close()


def test_a_server_that_is_away_is_said_in_a_sentence() -> None:
    with pytest.raises(SinkUnavailable, match="cannot be reached"):
        LeaseStore("redis://127.0.0.1:1/0", "one").take(["gate"])
