"""Who waits for whom when a camera moves: decided from what both say, without either asking the other."""

from __future__ import annotations

from collections.abc import Mapping

from streamer.assembly.changing import Warmth
from streamer.cluster.state import Beat
from streamer.config import CameraConfig
from streamer.errors import ConfigError
from streamer.fleet.overlap import AT_ONCE, WAITS_S, Arrivals, Departures

GOING = {"gate": "b", "yard": "b"}
CAMERA = CameraConfig(url="rtsp://127.0.0.1:1/gate")


def said(**warmth: str) -> dict[str, Beat]:
    return {"b": Beat("b", 1, "b/1", 1, 1, warmth=warmth)}


class Kitchen:
    """assembly.changing.Warming: as warm as a test says."""

    def __init__(self) -> None:
        self.on: dict[str, Warmth] = {}
        self.cooled: list[str] = []
        self.refuses: set[str] = set()

    def warm(self, name: str, camera: CameraConfig) -> None:
        assert camera is CAMERA
        if name in self.refuses:
            raise ConfigError([f"camera '{name}' is refused"])
        self.on[name] = "warming"

    def cool(self, name: str) -> None:
        self.on.pop(name, None)
        self.cooled.append(name)

    def warmth(self) -> Mapping[str, Warmth]:
        return dict(self.on)


def test_a_camera_is_let_go_when_the_next_node_is_warm_or_says_that_it_cannot_be():
    departures = Departures()
    assert departures.waiting(GOING, said(), 0.0) == {"gate", "yard"}
    assert departures.waiting(GOING, said(gate="warming"), 1.0) == {"gate", "yard"}
    assert departures.waiting(GOING, said(gate="warm", yard="warming"), 2.0) == {"yard"}
    assert departures.waiting(GOING, said(gate="warm", yard="cold"), 3.0) == frozenset()


def test_nobody_waits_for_long_for_a_node_that_does_not_get_on():
    departures = Departures()
    assert departures.waiting(GOING, {}, 0.0) == {"gate", "yard"}
    assert departures.waiting(GOING, {}, WAITS_S - 0.1) == {"gate", "yard"}
    assert departures.waiting(GOING, {}, WAITS_S) == frozenset()
    silent = Departures()
    assert silent.waiting(GOING, said(gate="warming"), 0.0) == {"gate", "yard"}
    assert silent.waiting(GOING, said(gate="warming"), WAITS_S) == frozenset()


def test_who_waits_for_its_turn_is_waited_for_as_long_as_others_have_theirs():
    departures = Departures()
    departures.waiting(GOING, said(gate="warming"), 0.0)
    departures.waiting(GOING, said(gate="warm"), WAITS_S - 0.1)
    assert departures.waiting({"yard": "b"}, said(), WAITS_S + 1.0) == {"yard"}
    assert departures.waiting({"yard": "b"}, said(yard="warming"), 2 * WAITS_S) == {"yard"}
    assert departures.waiting({"yard": "b"}, said(yard="warming"), 3 * WAITS_S) == frozenset()


def test_a_camera_that_comes_back_and_goes_again_has_its_time_anew():
    departures = Departures()
    departures.waiting(GOING, {}, 0.0)
    departures.waiting({}, {}, 5.0)
    assert departures.waiting(GOING, {}, WAITS_S + 1.0) == {"gate", "yard"}


def test_cameras_are_warmed_a_few_at_once_and_go_cold_when_they_are_not_to_come():
    kitchen = Kitchen()
    arrivals = Arrivals(kitchen)
    coming = {f"c{n}": CAMERA for n in range(AT_ONCE + 2)}
    arrivals.turn(coming, ())
    assert len(arrivals.warmth) == AT_ONCE
    kitchen.on.pop("c0")  # it came: the house has it now
    left = {name: CAMERA for name in coming if name != "c0"}
    arrivals.turn(left, ["c0"])
    assert sorted(arrivals.warmth) == [f"c{n}" for n in range(1, AT_ONCE + 1)]
    assert kitchen.cooled == []
    arrivals.turn({"c3": CAMERA}, ())  # placement has changed its mind about the others
    assert list(arrivals.warmth) == ["c3"]
    arrivals.close()
    assert kitchen.on == {}


def test_one_that_came_just_now_is_not_cooled_before_the_house_takes_it_in():
    kitchen = Kitchen()
    arrivals = Arrivals(kitchen)
    arrivals.turn({"gate": CAMERA}, ())
    arrivals.turn({}, ["gate"])
    assert kitchen.cooled == []


def test_a_camera_that_allows_one_connection_is_not_tried_again_and_said_to_be_cold():
    kitchen = Kitchen()
    arrivals = Arrivals(kitchen)
    kitchen.refuses = {"yard"}
    coming = {"gate": CAMERA, "yard": CAMERA}
    arrivals.turn(coming, ())
    kitchen.on["gate"] = "cold"
    arrivals.turn(coming, ())
    assert kitchen.on == {}
    for _ in range(3):
        arrivals.turn(coming, ())
    assert kitchen.on == {}
    assert arrivals.warmth == {"gate": "cold", "yard": "cold"}
    arrivals.turn({"yard": CAMERA}, ["gate"])
    assert arrivals.warmth == {"yard": "cold"}
    arrivals.turn({}, ())
    kitchen.refuses = set()
    arrivals.turn(coming, ())  # another time, another answer
    assert arrivals.warmth == {"gate": "warming", "yard": "warming"}
