"""Redis as large installations run it: a cluster, sentinels, TLS. The same calls, the same sentences."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from streamer import broker
from streamer.client import asubscribe, subscribe
from streamer.clock import SystemClock
from streamer.errors import ConfigError, SinkUnavailable
from streamer.sinks.delivery import Delivery
from streamer.sinks.live_feed import LiveFeed
from streamer.sinks.outbox import Outbox
from streamer.sinks.redis_alerts import RedisAlerts
from tests.alert_lives import change, result
from tests.redis_server import free_port
from tests.redis_shapes import RedisCluster, Sentinel, eventually, tls_server
from tests.unit.test_sinks_json_lines import rows


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    with RedisCluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture
def cluster(running: RedisCluster) -> RedisCluster:
    for member in running.members:
        if member.pid is None:
            member.start()
        with redis.Redis(port=member.port) as client:
            eventually(lambda client=client: client.cluster("info")["cluster_state"] == "ok", "the cluster is well")  # type: ignore[misc]
            client.flushall()
    return running


def told(client: redis.Redis) -> list[str]:
    entries = client.xrange("{streamer}:alerts")
    return [f"{fields[b'id'].decode()}:{fields[b'seq'].decode()}" for _, fields in entries]


def test_alerts_and_live_feeds_go_to_a_cluster_and_feeds_are_spread_over_it(
    cluster: RedisCluster, tmp_path: Path
) -> None:
    running = Delivery(
        Outbox(tmp_path / "o.db", SystemClock()), [RedisAlerts(cluster.url)], LiveFeed(cluster.url), SystemClock()
    ).start()
    cameras = [f"camera-{n}" for n in range(24)]
    for camera in cameras:
        running.publish(result((change(f"{camera}-a", 1, camera=camera),), camera=camera))
    running.update_cameras({camera: {"link": "online"} for camera in cameras})
    client = broker.connect(cluster.url)
    eventually(lambda: len(told(client)) == 24, "alerts arrived")
    eventually(lambda: client.hlen("{streamer}:cameras") == 24, "cameras were shown")

    def feed() -> int:
        return sum(client.xlen(f"streamer:detections:{{{camera}}}") for camera in cameras)

    eventually(lambda: feed() == 24, "frames arrived")
    holders = []
    for member in cluster.members:
        with redis.Redis(port=member.port, decode_responses=True) as one:
            holders.append(len(list(one.scan_iter("streamer:detections:*"))))
    assert sum(holders) == 24
    assert min(holders) >= 2  # every member holds some of the feeds
    running.close()
    client.close()


def test_subscribers_read_from_a_cluster(cluster: RedisCluster) -> None:
    alerts = RedisAlerts(cluster.url)
    alerts.deliver("L", 0, rows(1, 3))
    group = subscribe(cluster.url, group="pager", consumer="one", start="all", patience_s=30.0)
    assert [next(group).change.seq for _ in range(3)] == [1, 2, 3]
    group.acknowledge()
    assert group.lag().waiting == 0
    group.close()

    async def read() -> list[int]:
        async with asubscribe(cluster.url, None, start="all", patience_s=30.0) as subscription:
            return [(await anext(subscription)).change.seq for _ in range(3)]

    assert asyncio.run(read()) == [1, 2, 3]


def test_a_cluster_that_is_away_is_waited_for_and_named(cluster: RedisCluster) -> None:
    url = f"redis+cluster://joe:s3cret@127.0.0.1:{free_port()}"
    away = RedisAlerts(url)
    with pytest.raises(SinkUnavailable, match="cannot be reached") as refused:
        away.remembers("L")
    assert "s3cret" not in str(refused.value)

    async def read() -> None:
        async with asubscribe(url, None, patience_s=0.01) as subscription:
            await anext(subscription)

    with pytest.raises(SinkUnavailable, match="cannot be reached"):
        asyncio.run(read())


def test_a_member_that_dies_and_comes_back_loses_no_alert(cluster: RedisCluster) -> None:
    alerts = RedisAlerts(cluster.url)
    alerts.deliver("L", 0, rows(1, 3))
    with redis.Redis(port=cluster.members[0].port) as asked:
        slot = asked.cluster("keyslot", "{streamer}:alerts")
    holder = cluster.members[int(slot) * 3 // 16384]
    holder.kill()
    with pytest.raises(SinkUnavailable):
        alerts.deliver("L", 3, rows(4, 5))
    holder.start()

    def taken() -> bool:
        try:
            return alerts.deliver("L", 3, rows(4, 5)) == 2
        except SinkUnavailable:
            return False

    eventually(taken, "the member took alerts again")
    client = broker.connect(cluster.url)
    assert told(client) == ["a:1", "a:2", "a:3", "a:4", "a:5"]
    client.close()


def test_one_server_of_a_cluster_asked_as_if_it_were_alone_says_what_to_write_instead(cluster: RedisCluster) -> None:
    alone = [f"redis://127.0.0.1:{member.port}/0" for member in cluster.members]
    refusals = []
    for url in alone:
        try:
            RedisAlerts(url).deliver("L", 0, rows(1, 1))
        except SinkUnavailable as error:
            refusals.append(str(error))
    assert refusals
    assert all("begin the address with redis+cluster://" in said for said in refusals)


def test_sentinels_lead_to_the_primary_and_to_the_next_one_when_it_dies(tmp_path: Path) -> None:
    with Sentinel(tmp_path) as sentinel:
        alerts = RedisAlerts(sentinel.url)
        alerts.deliver("L", 0, rows(1, 3))
        with redis.Redis(port=sentinel.replica.port) as replica:
            eventually(lambda: replica.xlen("streamer:alerts") == 3, "the replica had everything")
            sentinel.primary.kill()

            def taken() -> bool:
                try:
                    return alerts.deliver("L", 3, rows(4, 5)) == 2
                except SinkUnavailable:
                    return False

            eventually(taken, "the replica was made primary and took alerts")
            assert replica.xlen("streamer:alerts") == 5


def test_tls_with_an_authority_of_ones_own(tmp_path: Path) -> None:
    with tls_server(tmp_path) as server:
        assert RedisAlerts(f"{server.url}?ca={server.ca}").deliver("L", 0, rows(1, 3)) == 3
        with pytest.raises(SinkUnavailable, match="certificate verify failed"):
            RedisAlerts(server.url).deliver("L", 0, rows(1, 3))


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("redis+sentinel://127.0.0.1:1", "the name of the sentinels' service is missing"),
        ("redis+cluster://127.0.0.1:1/3", "a cluster has database 0 only"),
        ("redis+proxy://127.0.0.1:1", "is not known"),
        ("redis+cluster://127.0.0.1:1?colour=red", "it does not know .colour."),
    ],
)
def test_addresses_that_are_none_are_refused(url: str, says: str) -> None:
    with pytest.raises((ConfigError, SinkUnavailable), match=says):
        RedisAlerts(url).remembers("L")


def test_the_layout_of_one_server_is_as_it_was() -> None:
    keys = broker.keys_for("redis://127.0.0.1:6379/0")
    assert (keys.alerts, keys.detections("gate"), keys.leases) == (
        "streamer:alerts",
        "streamer:detections:gate",
        "streamer:leases",
    )
    spread = broker.keys_for("redis+cluster://127.0.0.1:6379")
    assert (spread.alerts, spread.detections("gate"), spread.fence("gate"), spread.leases) == (
        "{streamer}:alerts",
        "streamer:detections:{gate}",
        "streamer:fence:{gate}",
        "{streamer}:leases",
    )
    assert json.dumps(spread.outbox("L")) == '"{streamer}:outbox:L"'
