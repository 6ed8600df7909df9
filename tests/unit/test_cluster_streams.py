"""What cameras send is measured over a while, and believed where it makes a difference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from streamer.cluster.placement import place
from streamer.cluster.state import Beat
from streamer.fleet.streams import MEASURED_OVER_S, StreamMeter, believed
from streamer.fleet.wishes import PICTURE, UNMEASURED, demands_of, node_of
from streamer.ledger import CameraState, Link
from tests.unit.test_cluster_wishes import configured

ONLINE = CameraState(Link.ONLINE, 0.0, source_wh=(1280, 720))


def test_a_stream_is_known_after_a_while_of_one_connection() -> None:
    meter = StreamMeter()
    for second in range(int(MEASURED_OVER_S)):
        assert meter.look({"gate": (ONLINE, 12 * second)}, float(second)) == {}
    assert meter.look({"gate": (ONLINE, int(12 * MEASURED_OVER_S))}, MEASURED_OVER_S) == {"gate": (1280, 720, 12.0)}
    assert meter.look({"gate": (ONLINE, 0)}, MEASURED_OVER_S + 1) == {"gate": (1280, 720, 12.0)}
    assert meter.look({}, MEASURED_OVER_S + 2) == {}


def test_what_came_while_the_camera_was_away_is_not_measured() -> None:
    meter = StreamMeter()
    meter.look({"gate": (ONLINE, 0)}, 0.0)
    meter.look({"gate": (CameraState(Link.OFFLINE, 5.0), 60)}, 5.0)
    assert meter.look({"gate": (replace(ONLINE, since_s=15.0), 60)}, 21.0) == {}
    meter.look({"gate": (replace(ONLINE, since_s=30.0), 60)}, 31.0)  # connected anew between two looks
    assert meter.look({"gate": (replace(ONLINE, since_s=30.0), 360)}, 61.0) == {"gate": (1280, 720, 10.0)}


def test_only_what_is_of_another_order_is_believed_anew() -> None:
    known = {"gate": (1280, 720, 10.0), "gone": (640, 480, 5.0)}
    assert believed(known, {"gate": (1280, 720, 14.0)}) == known
    assert believed(known, {"gate": (1280, 720, 7.0)}) == known
    assert believed(known, {"gate": (1920, 1080, 10.0)})["gate"] == (1920, 1080, 10.0)
    assert believed(known, {"gate": (1280, 720, 0.0)})["gate"] == (1280, 720, 0.0)
    assert believed({"gate": (1280, 720, 0.0)}, {"gate": (1280, 720, 25.0)})["gate"] == (1280, 720, 25.0)
    assert believed({}, {"yard": (640, 480, 5.0)}) == {"yard": (640, 480, 5.0)}


def test_a_camera_that_sends_less_costs_less() -> None:
    small, _ = demands_of(configured(), UNMEASURED, {"gate": (640, 360, 10.0)})
    big, _ = demands_of(configured(), UNMEASURED)
    assert small.cost.cpu < big.cost.cpu / 2
    assert demands_of(configured(), UNMEASURED, {"gate": PICTURE})[0] == big


def test_four_big_cameras_are_not_left_on_one_node_and_four_small_ones_on_the_other() -> None:
    names = [f"c{n}" for n in range(8)]
    text = "redis: {url: 'redis://127.0.0.1/0'}\ncameras:\n" + "\n".join(
        f"  {name}: {{url: 'rtsp://10.0.0.1/{name}', decode: always}}" for name in names
    )
    nodes = [node_of(Beat(n, 1, n, 1, 1, cores=8.0), UNMEASURED, draining=False) for n in ("a", "b")]
    now = {name: "a" if n < 4 else "b" for n, name in enumerate(names)}
    assert place(demands_of(configured(text), UNMEASURED), nodes, now).moves == ()
    streams = {name: (1920, 1080, 25.0) if n < 4 else (640, 360, 10.0) for n, name in enumerate(names)}
    moved = place(demands_of(configured(text), UNMEASURED, streams), nodes, now)
    cost = {each.camera: each.cost.cpu for each in demands_of(configured(text), UNMEASURED, streams)}

    def lean(at: Mapping[str, str]) -> float:
        """How much more one node has than the other."""
        on = {node: sum(cost[name] for name in names if at[name] == node) for node in ("a", "b")}
        return max(on.values()) / min(on.values())

    assert lean(now) > 2
    assert lean(moved.assignment.nodes) < 1.3  # as equal as so few allow
    assert len(moved.moves) <= 3
