"""The ordinary house as a node of a cluster runs it: its alerts carry epochs, what it had open is not its to close."""

from __future__ import annotations

from pathlib import Path

from redis import Redis

from streamer.assembly.house import open_house
from streamer.clock import SystemClock
from streamer.cluster.leases import LeaseStore, Taken
from streamer.sinks.outbox import Outbox
from tests.alert_lives import change
from tests.integration.test_control_house import Idle, a_config
from tests.redis_server import RedisServer
from tests.redis_shapes import eventually


def test_a_house_with_epochs_closes_nothing_at_its_start_and_speaks_for_what_it_holds(
    server: RedisServer, tmp_path: Path
) -> None:
    config = a_config(tmp_path, server.url)
    before = Outbox(config.data_dir / "outbox.db", SystemClock())
    before.append([change("left-open", 1)])
    before.close()
    store = LeaseStore(server.url, "node")
    epochs = {camera: taken.epoch for camera, taken in store.take(["gate"]).items() if isinstance(taken, Taken)}
    with open_house(
        config,
        SystemClock(),
        "test",
        make_source=lambda name, _, __, around, ___: Idle(name, around.ledger),
        epoch_of=lambda camera: epochs.get(camera, -1),
    ) as house:
        LeaseStore(server.url, "other").take(["yard"])
        house.delivery.announce([change("mine", 1), change("never-held", 1, camera="yard")])
        eventually(lambda: house.delivery.outbox.depth("redis") == 0, "all was taken")
        eventually(lambda: house.delivery.stats().receivers[0].fenced >= 1, "the other's camera is fenced")
        assert [c.id for c in house.delivery.outbox.open_alerts()][:1] == ["left-open"]
        rows = {(name, labels): value for name, labels, value in house.metrics.readings()}
        assert rows["streamer_undelivered_total", ("redis", "fenced")] >= 1
    with Redis.from_url(server.url, decode_responses=True) as client:
        told = [fields["id"] for _, fields in client.xrange("streamer:alerts")]
    assert "mine" in told
    assert "never-held" not in told
    store.close()
