"""Cameras move between two nodes on a real Redis: in order, and after a crash; what subscribers see is one story."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from streamer import broker
from streamer.alerts.book import CameraAlertBook, Moment
from streamer.alerts.policy import AlertPolicy
from streamer.assembly.moving import MovingCamera
from streamer.client import subscribe
from streamer.clock import SystemClock
from streamer.cluster.estate import Estate, what_is_open
from streamer.cluster.handover import encode_handover
from streamer.pipeline import CameraPipeline
from streamer.sinks.outbox import Outbox
from streamer.types import AlertChange, Evidence
from streamer.wire import decode_alert
from tests.integration.test_cluster_leases import NodeOfTest
from tests.redis_server import RedisServer
from tests.redis_shapes import RedisCluster
from tests.unit.test_cluster_moving import NoTracks, crossing, line_rule

CAMERAS = ("gate", "yard", "lane")


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


class Watching:
    """One camera on one node, fed with evidence instead of frames."""

    def __init__(self, node: NodeOfTest, camera: str, session: str) -> None:
        self._node, self._camera, self._session = node, camera, session
        self.rule = line_rule()
        self.book, self._link = self._new_book("stays", "door"), self._new_book("camera.offline")
        pipeline = CameraPipeline(NoTracks(), [self.rule], self.book)  # type: ignore[arg-type]
        self.moving = MovingCamera(camera, pipeline, (self.book, self._link))

    def _new_book(self, *rules: str) -> CameraAlertBook:
        policy = AlertPolicy(update_every_s=0.0)
        return CameraAlertBook(self._camera, dict.fromkeys(rules, policy), model_hash="m", config_hash="c")

    def sees(self, media_s: float, *at_x: float) -> list[AlertChange]:
        evidence = [
            Evidence(
                subject=f"track:{n}",
                text="person in yard",
                track_ids=(n,),
                label="person",
                place="yard",
                box_xyxy=(x, 400.0, x + 100, 600.0),
            )
            for n, x in enumerate(at_x)
        ]
        now = Moment(self._session, 1_700_000_000.0 + media_s, media_s, (1000, 1000))
        changes = self.book.record_at("stays", "loitering", evidence, now)
        self._node.delivery.announce(changes)
        return changes

    def taken_out(self) -> None:
        """What the service does when a camera is removed."""
        self._node.delivery.announce([*self.book.end_session("removed"), *self._link.end_session("removed")])


def told(url: str) -> list[AlertChange]:
    with subscribe(url, group=None, start="all", patience_s=30.0) as subscription:
        found = []
        while (received := subscription.receive()) is not None:
            assert received.gap is None
            found.append(received.change)
        return found


def one_story_each(changes: list[AlertChange]) -> None:
    """Every alert begins once, its seqs rise by one, and nothing follows its end."""
    lives: dict[str, list[AlertChange]] = {}
    for change in changes:
        lives.setdefault(change.id, []).append(change)
    for life in lives.values():
        assert [change.seq for change in life] == list(range(1, len(life) + 1))
        assert [change.type == "closed" for change in life[:-1]] == [False] * (len(life) - 1)


def open_by_folding(changes: list[AlertChange]) -> set[tuple[str, int]]:
    """What is open, worked out from the stream alone."""
    last = {change.id: change for change in changes}
    return {(change.id, change.seq) for change in last.values() if change.is_open}


def test_a_drained_camera_goes_on_elsewhere_with_its_alerts_and_counts(url: str, tmp_path: Path) -> None:
    old, new = NodeOfTest(url, tmp_path, "old"), NodeOfTest(url, tmp_path, "new")
    old.taken("gate")
    watching = Watching(old, "gate", "a")
    [opened, other] = watching.sees(1.0, 100, 700)
    watching.rule.forward = 41
    watching.moving.will_leave()
    watching.taken_out()
    old.settled()
    assert old.outbox.waiting_of("gate") == []
    why = "the camera moved from old, which was drained, to new"
    left = watching.moving.left(1_700_000_002.0, why)
    assert old.held.leave({"gate": encode_handover(left)}) == frozenset()
    old.outbox.let_go_of("gate")
    assert old.outbox.open_alerts() == []

    assert new.taken("gate").before == ""
    estate = Estate(url, SystemClock())
    arriving = Watching(new, "gate", "b")
    assert arriving.moving.arrive(estate.of({"gate": why})["gate"]) == []
    assert arriving.rule.forward == 41
    for second in range(8):
        arriving.sees(float(second), 120 + second)
    new.settled()
    changes = told(url)
    one_story_each(changes)
    assert [(c.id, c.type) for c in changes if c.type == "closed"] == [(other.id, "closed")]
    assert {c.id for c in changes} == {opened.id, other.id}
    assert changes[-1].id == opened.id or changes[-1].id == other.id
    assert next(c for c in changes if c.seq == 2 and c.id == opened.id).reason["continued"] == why
    for each in (old, new):
        each.close()
    estate.close()


def test_after_a_crash_alerts_go_on_and_what_the_dead_node_says_later_is_refused(url: str, tmp_path: Path) -> None:
    old, new = NodeOfTest(url, tmp_path, "old"), NodeOfTest(url, tmp_path, "new")
    watched = {}
    for camera in CAMERAS:
        old.taken(camera)
        watched[camera] = Watching(old, camera, "a")
        watched[camera].sees(1.0, 100, 700)
    watched["gate"].rule.forward = 7
    old.held.checkpoint({"gate": encode_handover(watched["gate"].moving.checkpoint(1.0, "checkpoint"))})
    watched["gate"].sees(2.0, 140, 700)
    watched["yard"].sees(9.0)  # both are gone: closed
    old.delivery.announce([crossing(1, forward=9, backward=2)])
    old.settled()
    before = told(url)

    moves = {camera: f"the camera moved from old, which died, to new: {camera}" for camera in CAMERAS}
    assert all(taken.before == "old" for taken in new.held.take(CAMERAS, by_force=True).values())  # type: ignore[union-attr]
    estate = Estate(url, SystemClock())
    left = estate.of(moves)
    assert {(c.id, c.seq) for each in left.values() for c in each.open} == open_by_folding(before)
    assert left["gate"].counts == {"door": {"forward": 9, "backward": 2}}
    assert sorted(left["yard"].closed_at) == ["stays"]
    arrived = {camera: Watching(new, camera, "b") for camera in CAMERAS}
    for camera, each in arrived.items():
        new.delivery.announce(each.moving.arrive(left[camera]))
    watched["gate"].sees(3.0, 150, 700, 400)  # the old node was only cut off, and sees on
    watched["lane"].sees(30.0)
    for second in range(12):
        for each in arrived.values():
            each.sees(float(second), *((110, 690) if second < 8 else ()))
    old.settled()
    new.settled()
    changes = told(url)
    one_story_each(changes)
    assert open_by_folding([c for c in changes if c.rule != "door"]) == set()
    assert {c.id for c in before} <= {c.id for c in changes}
    lasting = {c.id for c in before if c.camera in ("gate", "lane") and c.rule == "stays"}
    assert {c.id for c in changes if c.camera in ("gate", "lane") and c.rule == "stays"} == lasting  # nothing is new
    with contextlib.closing(broker.connect(url)) as client:
        still_open = [decode_alert(body) for body in client.hvals(broker.keys_for(url).open_alerts)]
    assert {(c.id, c.seq) for c in still_open} == open_by_folding(changes)
    assert len(old.outbox.rejected("redis")) > 0
    for node in (old, new):
        node.close()
    estate.close()


def test_a_node_that_restarts_in_place_knows_best_what_is_open(server: RedisServer, tmp_path: Path) -> None:
    node = NodeOfTest(server.url, tmp_path, "node")
    node.taken("gate")
    watching = Watching(node, "gate", "a")
    [opened, gone] = watching.sees(1.0, 100, 700)
    node.settled()
    server.stop()
    watching.sees(9.0, 100)  # the other one's end is committed here, and Redis does not know
    node.delivery.close()  # as a kill would leave it
    server.start()

    held = Outbox(tmp_path / "node.db", SystemClock(), referee="redis")  # nothing has gone out yet
    waiting = held.waiting_of("gate")
    held.close()
    assert [(c.id, c.type) for c in waiting if c.type == "closed"] == [(gone.id, "closed")]
    again = NodeOfTest(server.url, tmp_path, "node")
    taken = again.taken("gate")
    assert taken.resumed
    estate = Estate(server.url, SystemClock())
    told_of = estate.of({"gate": "the node was restarted"})["gate"].open
    assert {c.id for c in what_is_open(told_of, waiting)} == {opened.id}
    assert {c.id for c in what_is_open(told_of, ())} <= {opened.id, gone.id}
    again.settled()
    assert [c.id for c in told(server.url) if c.type == "closed"] == [gone.id]
    again.close()
    estate.close()


def test_what_cannot_be_read_is_said_and_the_rest_is_pieced_together(
    server: RedisServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    node = NodeOfTest(server.url, tmp_path, "node")
    node.taken("gate")
    Watching(node, "gate", "a").sees(1.0, 100)
    node.settled()
    with redis.Redis.from_url(server.url) as client:
        client.hset("streamer:handovers", "gate", "0-0 {broken")
    estate = Estate(server.url, SystemClock())
    found = estate.of({"gate": "why"})["gate"]
    assert len(found.open) == 1
    assert "what the last owner of camera 'gate' left cannot be read" in caplog.text
    node.close()
    estate.close()
