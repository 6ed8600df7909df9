"""Evidence on its whole way: packets and alerts in, through witness, outbox and courier, to Redis and a subscriber."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from jsonschema import Draft202012Validator

from streamer.client import subscribe
from streamer.clock import SystemClock
from streamer.footage.camera_footage import CameraFootage, ClipLimits
from streamer.footage.keeper import FootageKeeper, Keep
from streamer.footage.witness import Witness
from streamer.footage.writer import FootageWriter
from streamer.sinks.delivery import Delivery
from streamer.sinks.outbox import Outbox
from streamer.sinks.redis_alerts import RedisAlerts
from streamer.wire import decode_alert, json_schema
from tests.alert_lives import next_change, result
from tests.clips import write_clip
from tests.footage import alert, pictures, show
from tests.redis_server import RedisServer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path / "redis") as running:
        yield running


def entries(server: RedisServer) -> list[dict[str, str]]:
    client = redis.Redis.from_url(server.url, decode_responses=True)
    return [fields for _, fields in client.xrange("streamer:alerts")]


def eventually(condition: Callable[[], bool], within_s: float = 15.0) -> None:
    """Poll what threads will bring about; fails when they do not."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def witnessed(server: RedisServer, folder: Path) -> tuple[CameraFootage, Witness]:
    outbox = Outbox(folder / "outbox.db", SystemClock())
    delivery = Delivery(outbox, [RedisAlerts(server.url)], None, SystemClock()).start()
    camera = CameraFootage("gate", folder, clips=ClipLimits(1.0, 1.0, 60.0))
    writer = FootageWriter([camera], lambda: None, every_s=0.01)
    keep = Keep(1000.0, 10**9)
    keeper = FootageKeeper(folder, clips=keep, recordings=keep, clock=SystemClock())
    writer.start()
    keeper.start()
    return camera, Witness(delivery, {"gate": camera}, writer, keeper)


def test_evidence_follows_the_end_once_whatever_becomes_of_redis_and_the_service(
    server: RedisServer, tmp_path: Path
) -> None:
    video = write_clip(tmp_path / "v.mp4", frames=200, gop=20, size_wh=(64, 48))
    folder = tmp_path / "data"
    folder.mkdir()
    camera, witness = witnessed(server, folder)
    opened, at_5 = alert("a", 3.0), threading.Event()

    def at(stream_s: float) -> None:
        if stream_s >= 4.0 and not at_5.is_set():
            at_5.set()
            witness.publish(result((opened,)))
            server.stop()  # and so it stays, while the alert ends and its clip is completed
            witness.announce([next_change(opened, "closed")])

    show(camera, video, at=at)
    eventually(lambda: [*folder.rglob("clips/*/a.mp4")] != [])
    witness.close()
    server.start()
    camera, witness = witnessed(server, folder)  # the service again, with the same outbox
    eventually(lambda: len(entries(server)) == 3)
    server.restart_empty()
    eventually(lambda: len(entries(server)) == 3)
    witness.close()

    told = entries(server)
    assert [(each["type"], each["seq"], each["schema"]) for each in told] == [
        ("opened", "1", "streamer.alert/1"),
        ("closed", "2", "streamer.alert/1"),
        ("evidence", "3", "streamer.evidence/1"),
    ]
    for each in told:
        name = "evidence" if each["type"] == "evidence" else "alert"
        Draft202012Validator(json_schema(name)).validate(json.loads(each["data"]))
    assert redis.Redis.from_url(server.url).hgetall("streamer:alerts:open") == {}
    clip = decode_alert(told[2]["data"]).clip
    assert clip is not None
    content = (folder / clip.path).read_bytes()
    assert (clip.sha256, clip.bytes) == (hashlib.sha256(content).hexdigest(), len(content))
    assert len(pictures(folder / clip.path)) >= 40

    received = []
    with subscribe(server.url, group="pager", start="all") as subscription:
        for each in subscription:
            received.append(each)
            if len(received) == 3:
                break
    assert [(each.change.type, each.change.seq, each.gap) for each in received] == [
        ("opened", 1, None),
        ("closed", 2, None),
        ("evidence", 3, None),
    ]
    assert received[2].change.clip == clip
