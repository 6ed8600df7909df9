"""A whole service takes cameras in, changes them and lets them go, and nobody else loses one frame."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import pytest
from prometheus_client.parser import text_string_to_metric_families

from streamer.assembly.changing import Outcome
from streamer.assembly.house import House, open_house
from streamer.clock import SystemClock
from streamer.config import Config
from streamer.errors import ConfigError
from streamer.ledger import Link
from streamer.service import ServiceReport
from streamer.zoo import bundled_model
from tests.crew import children, eventually
from tests.rtsp import aio_rtsp_server

EVERYWHERE = {"all": [[0, 0], [1, 0], [1, 1], [0, 1]]}
INTRUSION = {"name": "in", "kind": "intrusion", "zone": "all", "labels": ["person"], "min_score": 0.4}
WAITS_S = 120.0


@pytest.fixture(scope="module")
def long_street(street: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten minutes of the same twelve seconds, in one connection."""
    path = tmp_path_factory.mktemp("long") / "street.mp4"
    with av.open(street) as source, av.open(path, "w") as copy:
        video = source.streams.video[0]
        stream = copy.add_stream_from_template(video)
        packets = [packet for packet in source.demux(video) if packet.size]
        length = round(12 / video.time_base)
        for lap in range(50):
            for packet in packets:
                again = av.Packet(bytes(packet))
                again.pts, again.dts = packet.pts + lap * length, packet.dts + lap * length
                again.time_base, again.is_keyframe, again.stream = video.time_base, packet.is_keyframe, stream
                copy.mux(again)
    return path


def a_camera(video: Path | str, **keys: Any) -> dict[str, Any]:
    asked = {"url": str(video), "pace": "realtime", "analyse_fps": 0.5, "decode": "always", "clips": None}
    return {**asked, "zones": EVERYWHERE, "rules": [INTRUSION], **keys}


def a_config(folder: Path, cameras: dict[str, Any], **settings: Any) -> Config:
    return Config.model_validate(
        {
            "model": {"path": str(bundled_model())},
            "cameras": cameras,
            "http": None,
            "data_dir": str(folder / "data"),
            # A busy test machine must not drop what is counted.
            "inference": {"max_age_s": 60, "depth": 1000, "when_full": "admit"},
            "shutdown_s": 60,
            **settings,
        }
    )


def with_cameras(config: Config, cameras: dict[str, Any]) -> Config:
    return Config.model_validate({**config.model_dump(exclude_unset=True), "cameras": cameras})


@contextlib.contextmanager
def running(config: Config, **how: Any) -> Iterator[House]:
    with open_house(config, SystemClock(), "test", **how) as house:
        reports: list[ServiceReport] = []
        thread = threading.Thread(target=lambda: reports.append(house.service.run()))
        thread.start()
        try:
            yield house
        finally:
            house.service.stop()
            thread.join(WAITS_S)
            assert not thread.is_alive()
        assert reports[0].clean, reports[0].failed


def units(house: House) -> dict[str, Any]:
    return {unit.camera: unit for unit in house.service.cameras}


def analysed(house: House, name: str) -> int:
    return units(house)[name].ledger.counts().analysed


def wait_for_frames(house: House, *names: str, more: int = 2) -> None:
    before = {name: analysed(house, name) for name in names}
    eventually(lambda: all(analysed(house, name) >= before[name] + more for name in names), WAITS_S)


def balanced(unit: Any) -> bool:
    counts = unit.ledger.counts()
    assert counts.received == counts.analysed + sum(counts.skipped.values()) + sum(counts.dropped.values())
    return counts.received > 0


def rows(house: House) -> dict[str, set[str]]:
    """Metric → the cameras that it has a row of."""
    from prometheus_client import generate_latest

    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(generate_latest(house.metrics.registry).decode()):
        for sample in family.samples:
            found.setdefault(sample.name, set()).add(sample.labels.get("camera", ""))
    return found


@pytest.mark.parametrize("processes", [0, 1])
def test_of_eight_cameras_one_changes_one_comes_one_goes_and_the_others_lose_nothing(tmp_path, long_street, processes):
    cameras = {f"c{n}": a_camera(long_street) for n in range(8)}
    config = a_config(tmp_path, cameras, capture={"processes": processes})
    others = [f"c{n}" for n in range(6)]
    before = children()
    with running(config) as house:
        eventually(lambda: all(analysed(house, name) for name in cameras), WAITS_S)
        known = {name: (units(house)[name].ledger, units(house)[name].status.state().sessions) for name in others}
        gone = []
        for turn in range(4):
            left = units(house)["c6"], units(house)[f"new{turn - 1}" if turn else "c7"]
            wanted = dict(cameras)
            del wanted["c7"]
            wanted["c6"] = a_camera(long_street, analyse_fps=0.5 + turn / 10, sleep_after_s=4 + turn)
            wanted[f"new{turn}"] = a_camera(long_street)
            changed = house.changing.change(with_cameras(config, wanted))
            assert all(outcome.problem is None for outcome in changed.cameras), changed.cameras
            assert {outcome.what for outcome in changed.cameras} == {"changed", "added", "removed"}
            gone += left
            assert all(balanced(unit) for unit in left)
            assert [dict(unit.ledger.counts().dropped) for unit in left] == [{}, {}]  # all that was read is analysed
            assert set(units(house)) == set(wanted) == set(house.changing.in_force().cameras)
            wait_for_frames(house, *others, f"new{turn}", "c6")
        assert len({unit.ledger for unit in gone}) == 8
        for name in others:
            unit = units(house)[name]
            counts = unit.ledger.counts()
            assert unit.ledger is known[name][0]
            assert counts.dropped == {}
            assert set(counts.skipped) <= {"rate"}
            assert unit.status.state().sessions == known[name][1] == 1
            assert unit.status.state().link is Link.ONLINE
            assert counts.waiting <= 3
        assert rows(house)["streamer_frames_total"] == set(wanted)
        everybody = [*gone, *units(house).values()]
    assert all(balanced(unit) for unit in everybody)
    for name in others:
        assert set(known[name][0].counts().dropped) <= {"shutdown"}
    assert eventually(lambda: children() <= before)


@pytest.mark.parametrize("processes", [0, 1])
def test_fifty_cameras_that_came_and_went_leave_nothing_behind(tmp_path, long_street, processes):
    stays = {"stays": a_camera(long_street)}
    comes = {**stays, "comes": a_camera(long_street, clips={"before_s": 1, "after_s": 1})}
    config = a_config(tmp_path, stays, capture={"processes": processes})
    ledgers: list[Any] = []
    with running(config) as house:
        wait_for_frames(house, "stays")

        def round_(n: int) -> None:
            assert not house.changing.change(with_cameras(config, comes)).cameras[0].problem
            unit = units(house)["comes"]
            if n % 10 == 0:
                eventually(lambda: unit.ledger.counts().analysed, WAITS_S)
            ledgers.append(weakref.ref(unit.ledger))
            assert not house.changing.change(config).cameras[0].problem
            counts = unit.ledger.counts()
            assert counts.waiting == 0

        for n in range(3):
            round_(n)
        was = things()
        gc.disable()  # decoders are large and few: nothing of a camera that left may wait for what counts objects
        try:
            for n in range(50):
                round_(n)
            kept = sum(each() is not None for each in ledgers)
        finally:
            gc.enable()
        now = things()
        assert now["processes"] == was["processes"]
        assert now["threads"] <= was["threads"]
        assert now["descriptors"] <= was["descriptors"]
        assert kept <= 1
        assert analysed(house, "stays")
        assert set(rows(house)["streamer_frames_total"]) == {"stays"}
        assert units(house)["stays"].ledger.counts().dropped == {}


def things() -> dict[str, Any]:
    gc.collect()
    return {
        "processes": children(),
        "threads": {thread.name for thread in threading.enumerate()},
        "descriptors": len(os.listdir("/proc/self/fd")),
    }


def test_zones_and_rules_change_while_the_connection_and_the_tracks_go_on(tmp_path, long_street):
    told = tmp_path / "alerts.jsonl"
    config = a_config(tmp_path, {"gate": a_camera(long_street, analyse_fps=5)}, jsonl={"path": str(told)})
    with running(config) as house:
        unit = eventually(lambda: units(house).get("gate"))
        [before] = eventually(lambda: alerts(told, "opened")[:1], WAITS_S)
        stricter = {"rules": [{**INTRUSION, "severity": "critical"}], "priority": "high"}
        zones = {**EVERYWHERE, "door": [[0, 0], [0.5, 0], [0.5, 1]]}
        wanted = with_cameras(config, {"gate": a_camera(long_street, analyse_fps=5, zones=zones, **stricter)})
        assert house.changing.change(wanted).cameras == (Outcome("gate", "changed"),)
        [after] = eventually(lambda: alerts(told, "opened", severity="critical")[:1], WAITS_S)
        assert after["session"] == before["session"]
        assert after["id"] != before["id"]
        assert eventually(lambda: alerts(told, "closed", id=before["id"]), WAITS_S)
        assert units(house)["gate"].ledger is unit.ledger
        assert units(house)["gate"].status.state().sessions == 1
        assert unit.ledger.counts().dropped == {}
        assert house.changing.in_force() == wanted
    reasons = {each["reason"]["closed_because"] for each in alerts(told, "closed")}
    assert "its configuration was changed" in reasons


def alerts(told: Path, change: str, **like: Any) -> list[dict[str, Any]]:
    """What stands in the file so far."""
    lines = told.read_text().splitlines() if told.exists() else []
    found = [json.loads(line) for line in lines if line.endswith("}")]
    like |= {"change": change, "kind": "intrusion"}
    return [each for each in found if all(each[key] == value for key, value in like.items())]


def test_what_cannot_be_is_refused_before_anything_is_touched(tmp_path, long_street):
    config = a_config(tmp_path, {"gate": a_camera(long_street), "yard": a_camera(long_street)})
    with running(config) as house:
        before = [unit.ledger for unit in house.service.cameras]
        bad = [
            {"rules": [{**INTRUSION, "labels": ["unicorn"]}]},
            {"decode_on": "abacus"},
            {"footage_url": "a_file.mp4"},
            {"detect": {"second_look": {"model": "nobody-has-this", "labels": ["person"]}}},
        ]
        for keys in bad:
            wanted = with_cameras(config, {"gate": a_camera(long_street, **keys), "new": a_camera(long_street)})
            with pytest.raises(ConfigError):
                house.changing.change(wanted)
        assert [unit.ledger for unit in house.service.cameras] == before
        assert house.changing.in_force() == config


def test_a_camera_that_cannot_be_built_stays_as_it_was_and_the_others_change(tmp_path, long_street):
    from streamer.assembly.camera import build_source

    def picky(name: str, camera: Any, *rest: Any) -> Any:
        if camera.sleep_after_s == 13:
            raise ValueError("thirteen is unlucky")
        return build_source(name, camera, *rest)

    config = a_config(tmp_path, {"gate": a_camera(long_street), "yard": a_camera(long_street)})
    unlucky = a_camera(long_street, sleep_after_s=13)
    with running(config, make_source=picky) as house:
        wait_for_frames(house, "gate")
        gate = units(house)["gate"]
        wanted = with_cameras(config, {"gate": unlucky, "new": unlucky, "door": a_camera(long_street)})
        changed = house.changing.change(wanted)
        assert set(changed.cameras) == {
            Outcome("yard", "removed"),
            Outcome("gate", "changed", "thirteen is unlucky"),
            Outcome("new", "added", "thirteen is unlucky"),
            Outcome("door", "added"),
        }
        assert units(house)["gate"].ledger is gate.ledger
        assert set(units(house)) == {"gate", "door"} == set(house.changing.in_force().cameras)
        assert house.changing.in_force().cameras["gate"] == config.cameras["gate"]
        wait_for_frames(house, "gate", "door")
        assert gate.ledger.counts().dropped == {}
        # What could not be is put back by the same door.
        assert house.changing.change(config).cameras == (Outcome("door", "removed"), Outcome("yard", "added"))
        assert house.changing.in_force() == config


def test_keys_outside_of_cameras_wait_for_a_restart_and_are_told(tmp_path, long_street):
    config = a_config(tmp_path, {"gate": a_camera(long_street)})
    with running(config) as house:
        wanted = config.model_copy(update={"timezone": "Europe/Berlin", "shutdown_s": 7.0})
        changed = house.changing.change(wanted)
        assert (changed.cameras, set(changed.restart)) == ((), {"timezone", "shutdown_s"})
        assert house.changing.in_force() == config


@pytest.mark.parametrize("processes", [0, 1])
def test_the_alert_and_the_clip_of_a_camera_that_goes_are_completed(tmp_path, long_street, processes):
    told = tmp_path / "alerts.jsonl"
    clips = {"before_s": 1, "after_s": 60}
    seen = a_camera(long_street, analyse_fps=5, clips=clips)
    quiet = a_camera(long_street, rules=[])
    config = a_config(
        tmp_path, {"gate": seen, "yard": quiet}, jsonl={"path": str(told)}, capture={"processes": processes}
    )
    with running(config) as house:
        eventually(lambda: alerts(told, "opened"), WAITS_S)
        wait_for_frames(house, "gate", more=10)
        assert house.changing.change(with_cameras(config, {"yard": quiet})).cameras == (Outcome("gate", "removed"),)
        # What change() returned from is done: nobody waits for the rest of the clip.
        known = eventually(lambda: ended(told), WAITS_S)
        assert any(closed["closed_because"] == "the camera was removed" for closed, _ in known.values())
        for _, clip in known.values():
            with av.open(tmp_path / "data" / clip["path"]) as film:
                assert sum(packet.size > 0 for packet in film.demux(video=0)) > 5
        assert "gate" not in rows(house).get("streamer_clips_total", set())
        wait_for_frames(house, "yard")


def ended(told: Path) -> dict[str, Any]:
    """Alert → the reason of its end and its clip, once all that opened have both."""
    opened = {each["id"] for each in alerts(told, "opened")}
    reasons = {each["id"]: each["reason"] for each in alerts(told, "closed")}
    clips = {
        each["id"]: each["clip"] for change in ("closed", "evidence") for each in alerts(told, change) if each["clip"]
    }
    return {each: (reasons[each], clips[each]) for each in opened} if opened == reasons.keys() == clips.keys() else {}


def test_cameras_over_rtsp_change_and_nobody_else_reconnects(tmp_path, long_street):
    with aio_rtsp_server(long_street.parent) as rtsp:
        url = rtsp.url(long_street.name)
        cameras = {f"c{n}": a_camera(url, pace="live") for n in range(4)}
        config = a_config(tmp_path, cameras, capture={"processes": 1})
        with running(config) as house:
            eventually(lambda: all(analysed(house, name) for name in cameras), WAITS_S)
            others = ("c0", "c1", "c2")
            for turn in range(3):
                again = a_camera(url, pace="live", stall_after_s=6 + turn)
                wanted = {**cameras, "c3": again, f"new{turn}": cameras["c0"]}
                outcomes = house.changing.change(with_cameras(config, wanted)).cameras
                assert not [each for each in outcomes if each.problem]
                wait_for_frames(house, *wanted)
            for name in others:
                assert units(house)[name].status.state().sessions == 1
                # This server sends a packet twice now and then; of the pictures none is missing.
                assert set(units(house)[name].ledger.counts().dropped) <= {"repeated"}


def test_a_member_that_dies_in_the_midst_of_changes_comes_back_with_the_cameras_of_now(tmp_path, long_street):
    cameras = {name: a_camera(long_street) for name in ("stays", "goes")}
    config = a_config(tmp_path, cameras, capture={"processes": 1})
    before = children()
    with running(config) as house:
        wait_for_frames(house, *cameras)
        [member] = eventually(lambda: children() - before)
        os.kill(member, signal.SIGKILL)
        wanted = with_cameras(config, {"stays": cameras["stays"], "comes": cameras["stays"]})
        assert not [each for each in house.changing.change(wanted).cameras if each.problem]
        wait_for_frames(house, "stays", "comes")
        [again] = children() - before
        assert again != member
        goes = {"comes": cameras["stays"]}
        house.changing.change(with_cameras(config, goes))
        wait_for_frames(house, "comes")
        assert children() - before == {again}
    assert eventually(lambda: children() <= before)


@pytest.mark.parametrize("processes", [0, 1])
def test_a_service_that_is_stopped_in_the_midst_of_changes_ends_in_order(tmp_path, long_street, processes):
    cameras = {"stays": a_camera(long_street), "goes": a_camera(long_street, clips={"before_s": 1, "after_s": 1})}
    config = a_config(tmp_path, cameras, capture={"processes": processes})
    less = with_cameras(config, {"stays": cameras["stays"]})
    before = children()
    told: list[Outcome] = []

    def change_until_it_ends(house: House) -> None:
        while not any(outcome.problem for outcome in told):
            told.extend(house.changing.change(less).cameras)
            told.extend(house.changing.change(config).cameras)

    with running(config) as house:
        wait_for_frames(house, "stays")
        changer = threading.Thread(target=change_until_it_ends, args=(house,))
        changer.start()
        eventually(lambda: len(told) > 3, WAITS_S)
    changer.join(WAITS_S)
    assert not changer.is_alive()
    assert told[-1].problem == "the service is ending"
    assert eventually(lambda: children() <= before)


class Quiet:
    """A camera that sends nothing until it is closed."""

    demand_paced = False

    def __init__(self, camera: str) -> None:
        self.camera, self._stop = camera, threading.Event()

    def frames(self) -> Iterator[Any]:
        self._stop.wait()
        yield from ()

    def close(self) -> None:
        self._stop.set()


def test_what_a_camera_leaves_is_shared_out_among_the_others_without_a_reconnect(tmp_path):
    greedy = {"url": "rtsp://nobody/1", "analyse_fps": 240, "decode": "always"}
    cameras = {f"c{n}": greedy for n in range(40)}
    settings = {"when_full": "degrade", "least_fps": 0.01}
    config = a_config(tmp_path, cameras, inference=settings)
    with running(config, make_source=lambda name, *_: Quiet(name)) as house:
        known = units(house)
        alone = known["c0"].around.ration.most_fps
        assert alone < 240
        assert {unit.around.ration.most_fps for unit in known.values()} == {alone}
        few = {"c0": greedy, "c1": greedy}
        assert not [each for each in house.changing.change(with_cameras(config, few)).cameras if each.problem]
        given = units(house)["c0"].around.ration.most_fps
        assert given == pytest.approx(20 * alone) or given == float("inf")
        assert units(house)["c0"].ledger is known["c0"].ledger
        house.changing.change(config)
        assert units(house)["c0"].around.ration.most_fps == pytest.approx(alone)


def test_a_newcomer_for_whom_there_is_no_room_is_refused_and_one_that_waited_gets_the_room_of_who_went(tmp_path):
    greedy = {"url": "rtsp://nobody/1", "analyse_fps": 240, "decode": "always"}
    cameras = {f"c{n:02}": greedy for n in range(40)}
    config = a_config(tmp_path, cameras, inference={"when_full": "degrade", "least_fps": 240})
    read: list[str] = []

    def quiet(name: str, *_: Any) -> Quiet:
        read.append(name)
        return Quiet(name)

    with running(config, make_source=quiet) as house:
        there, refused = read[:], sorted(cameras.keys() - set(read))
        assert there
        assert refused
        wanted = with_cameras(config, {**cameras, "new": greedy})
        [outcome] = house.changing.change(wanted).cameras
        assert (outcome.camera, outcome.what) == ("new", "added")
        assert "pictures a second" in (outcome.problem or "")
        assert set(house.changing.in_force().cameras) == set(cameras)
        left = {name: camera for name, camera in cameras.items() if name != there[0]}
        assert house.changing.change(with_cameras(config, left)).cameras == (Outcome(there[0], "removed"),)
        assert set(read) - set(there) == {refused[0]}
