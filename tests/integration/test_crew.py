"""Cameras read in worker processes, with real ones: what they send, and what becomes of it when they die."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from streamer.assembly.crew_equipment import FootageOrders
from streamer.capture import CameraSource
from streamer.clock import SystemClock
from streamer.footage.camera_footage import ClipLimits
from streamer.ledger import Link
from streamer.surroundings import Surroundings
from streamer.types import Clip
from tests.clips import read_number, write_clip
from tests.conftest import ROOT
from tests.crew import FIT, camera, children, eventually, one_station, shared_descriptors
from tests.footage import EPOCH, alert, pictures

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through /proc")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("crew") / "numbers.mp4", frames=75, gop=25)


def test_a_member_sends_the_frames_that_the_house_would_have_read_itself(clip):
    options = camera("gate", clip, loop=False)
    here = list(CameraSource(options, FIT, Surroundings.alone("gate", SystemClock()), SystemClock()).frames())
    with one_station([options]) as (_, cameras):
        gate = cameras["gate"]
        gate.thread.join(60)
        assert len(gate.frames) == len(here) == 75
        for there, expected in zip(gate.frames, here, strict=True):
            assert np.array_equal(there.image, expected.image)
            assert (there.camera, there.index, there.source_wh) == ("gate", expected.index, expected.source_wh)
            assert there.media_s == pytest.approx(expected.media_s)
        assert np.array_equal(gate.frames[40].picture.rgb(), here[40].picture.rgb())  # at full size, when asked for
        counts = gate.source.around.ledger.counts()
        assert (counts.received, counts.analysed, counts.waiting) == (75, 75, 0)
        state = gate.source.around.status.state()
        assert (state.link, state.sessions, state.source_wh, state.codec) == (Link.ENDED, 1, (320, 240), "h264")


def test_memory_goes_back_to_the_member_when_the_last_view_of_a_frame_is_gone(clip):
    a_frame = 160 * 120 * 3
    with one_station([camera("gate", clip)], memory_bytes=20 * a_frame) as (_, cameras):
        gate = cameras["gate"]
        gate.keeps = False
        eventually(lambda: gate.source.around.ledger.counts().analysed > 60)  # many times what there is room for
        kept = gate.frames[-1].image[10:20]
        before = kept.copy()
        gate.keeps = True
        eventually(lambda: gate.source.around.ledger.counts().dropped.get("full"))  # held here: no room any more
        gate.keeps = False
        gate.frames.clear()
        analysed = gate.source.around.ledger.counts().analysed
        eventually(lambda: gate.source.around.ledger.counts().analysed > analysed + 40)
        assert np.array_equal(kept, before)


def test_a_killed_member_takes_only_its_cameras_offline_and_they_come_back(clip, caplog):
    with (
        one_station([camera("gate", clip), camera("yard", clip)]) as (station, cameras),
        one_station([camera("dock", clip)]) as (_, others),
    ):
        everybody = [*cameras.values(), *others.values()]
        eventually(lambda: all(len(each.frames) > 5 for each in everybody))
        first_life = {name: each.sessions for name, each in cameras.items()}
        os.kill(station.pid, signal.SIGKILL)
        trouble = eventually(lambda: cameras["gate"].source.around.status.state().trouble)
        assert trouble == "camera 'gate': the process that captures it died of SIGKILL"
        dock = len(others["dock"].frames)
        eventually(lambda: all(set(each.sessions) - set(first_life[name]) for name, each in cameras.items()))
        eventually(lambda: all(each.source.around.status.state().link is Link.ONLINE for each in cameras.values()))
        assert station.restarts == 1
        eventually(lambda: len(others["dock"].frames) > dock + 10)
        assert len(others["dock"].sessions) <= len(first_life["gate"]) + 3  # only its own loops
        assert "until then offline: gate, yard" in caplog.text
        old = next(frame for frame in cameras["gate"].frames if frame.session in first_life["gate"])
        assert 0 <= read_number(old.image) < 75  # what it sent before stays readable
        assert old.picture.rgb().shape == (240, 320, 3)  # enlarged from what the model saw
    for each in everybody:
        assert each.source.around.ledger.counts().waiting == 0
        assert each.error is None


def test_a_camera_that_crashes_its_member_twice_is_read_in_one_of_its_own(clip, caplog):
    cameras = [camera("gate", clip), camera("poison", clip), camera("yard", clip)]
    with one_station(cameras, member="tests.crashing_member") as (station, watched):
        eventually(lambda: "camera 'poison' crashed its capture process 2 times" in caplog.text, 60)
        trouble = eventually(lambda: watched["poison"].source.around.status.state().trouble)
        assert trouble.endswith("died of SIGSEGV while it captured camera 'poison'")
        for name in ("gate", "yard"):
            so_far = len(watched[name].frames)
            eventually(lambda name=name, so_far=so_far: len(watched[name].frames) > so_far + 100)
        assert station.restarts == 2  # while poison went on crashing beside it
        assert len(watched["poison"].sessions) >= 4
    for each in watched.values():
        assert each.source.around.ledger.counts().waiting == 0


def test_a_halted_member_does_not_hold_up_the_end(clip):
    with one_station([camera("gate", clip)]) as (station, cameras):
        eventually(lambda: cameras["gate"].frames)
        os.kill(station.pid, signal.SIGSTOP)
        began_s = time.monotonic()
        rgb = cameras["gate"].frames[-1].picture.rgb()  # nobody answers
        assert rgb.shape == (240, 320, 3)
        cameras["gate"].source.close()
        cameras["gate"].thread.join(10)
        assert not cameras["gate"].thread.is_alive()
    assert time.monotonic() - began_s < 15.0  # six by its own limits; left alone it would be for ever


def test_a_camera_that_cannot_be_read_is_offline_and_the_others_of_its_member_are_not(clip, tmp_path):
    with one_station([camera("gate", clip), camera("none", tmp_path / "none.mp4")]) as (_, cameras):
        eventually(lambda: len(cameras["gate"].frames) > 5)
        state = eventually(lambda: (s := cameras["none"].source.around.status.state()).trouble and s)
        assert state.link is Link.OFFLINE
        assert "none.mp4" in state.trouble


def test_a_capture_that_fails_with_a_bug_ends_its_camera_and_no_other(clip):
    broken = replace(
        camera("bad", clip), motion_masks=((("not", "a"), ("number", "at"), ("all", "!")),), decode="motion"
    )
    with one_station([camera("gate", clip), broken]) as (_, cameras):
        eventually(lambda: cameras["bad"].error)
        assert "camera 'bad': internal error in capture" in str(cameras["bad"].error)
        so_far = len(cameras["gate"].frames)
        eventually(lambda: len(cameras["gate"].frames) > so_far + 5)


def test_who_wakes_a_camera_and_who_is_seen_in_it_reaches_its_gate(tmp_path):
    still = write_clip(tmp_path / "still.mp4", frames=500, gop=25, noise=3, times_s=[i / 25 for i in range(500)])
    quiet = camera("gate", still, decode="on_trigger", keep_alive_s=600.0, loop=True)
    with one_station([quiet]) as (_, cameras):
        around = cameras["gate"].source.around
        eventually(lambda: around.sleep.reading(time.monotonic()).asleep)
        around.bell.ring(2.0)
        eventually(lambda: around.sleep.reading(time.monotonic()).wakes.get("request") == 1)
        eventually(lambda: around.sleep.reading(time.monotonic()).asleep)
        around.presence.sees(1, alerted=True)
        eventually(lambda: around.sleep.reading(time.monotonic()).wakes.get("request") == 2)


def test_clips_are_made_where_the_packets_are_and_told_here(clip, tmp_path):
    orders = FootageOrders(tmp_path, ClipLimits(0.5, 0.5, 30.0), segment_s=1.0, opens_within_s=0.0)
    with one_station([camera("gate", clip)], footage=orders) as (station, cameras):
        gate, made = cameras["gate"], []
        there = threading.Event()

        def done(clip: Clip | None) -> None:
            made.append(clip)
            there.set()

        frame = eventually(lambda: len(gate.frames) > 30 and gate.frames[-1])
        opened = alert("a", frame.captured_at - EPOCH)
        gate.footage.begin(opened, done)
        gate.footage.end("a", frame.captured_at + 0.1)
        assert there.wait(20)
        shown = pictures(tmp_path / made[0].path)
        assert {read_number(picture) for _, picture in shown} <= set(range(75))
        assert made[0].from_at <= frame.captured_at <= made[0].to_at
        assert eventually(lambda: {row[0]: row[2] for row in gate.footage.rows()}.get("streamer_clips_total") == 1)
        gate.footage.begin(alert("b", gate.frames[-1].captured_at - EPOCH), made.append)
        station.finish_footage(10)
        assert station.footage_finished(10)
        eventually(lambda: len(made) == 2)
        assert (tmp_path / made[1].path).is_file()
    assert list((tmp_path / "recordings" / "gate").glob("*/*.mp4"))


def test_a_clip_that_dies_with_its_member_is_given_up_and_counted(clip, tmp_path):
    orders = FootageOrders(tmp_path, ClipLimits(0.5, 0.5, 30.0), segment_s=None, opens_within_s=0.0)
    with one_station([camera("gate", clip)], footage=orders) as (station, cameras):
        gate, made = cameras["gate"], []
        frame = eventually(lambda: len(gate.frames) > 10 and gate.frames[-1])
        gate.footage.begin(alert("a", frame.captured_at - EPOCH), made.append)
        os.kill(station.pid, signal.SIGKILL)
        eventually(lambda: made == [None])
        assert ("streamer_footage_failures_total", ("gate", "crashed"), 1.0) in list(gate.footage.rows())


def test_nothing_is_left_behind(clip):
    gc.collect()  # what tests before this one left
    before, descriptors = children(), shared_descriptors()
    with one_station([camera("gate", clip)]) as (station, cameras):
        eventually(lambda: cameras["gate"].frames)
        assert station.pid in children()
        os.kill(station.pid, signal.SIGKILL)
        eventually(lambda: station.restarts == 1 and station.pid)
    cameras.clear()
    gc.collect()
    assert children() == before
    assert shared_descriptors() == descriptors
    assert not list(Path("/dev/shm").glob("*streamer*"))


HOUSE = """
import sys
from tests.crew import camera, eventually, one_station
with one_station([camera("gate", sys.argv[1])]) as (station, cameras):
    eventually(lambda: cameras["gate"].frames)
    print(station.pid, flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("halted", [False, True], ids=["running", "halted"])
def test_a_member_does_not_outlive_a_killed_house(clip, halted):
    with subprocess.Popen(
        [sys.executable, "-c", HOUSE, str(clip)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as house:
        member = int(house.stdout.readline())
        if halted:
            os.kill(member, signal.SIGSTOP)
        house.kill()
    eventually(lambda: not _runs(member), 10)


def _runs(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat[stat.rindex(")") + 2] not in "ZX"
