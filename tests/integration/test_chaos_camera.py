"""The scripted camera against FFmpeg, and what our own capture makes of its faults."""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from streamer.capture import CameraOptions
from streamer.capture.connection import connect
from streamer.capture.packets_only import PacketSource
from streamer.chaos.camera.coded_clip import read_clip
from streamer.chaos.camera.server import ScriptedCamera
from streamer.chaos.errors import ChaosError
from streamer.chaos.proxy import FaultProxy
from streamer.clock import SystemClock
from streamer.errors import SourceUnavailable
from streamer.ledger import Link
from tests.cameras import Camera
from tests.clips import read_number, write_clip
from tests.crew import eventually

IMPATIENT = {"analyse_fps": None, "stall_after_s": 1.0, "connect_timeout_s": 2.0}


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    noisy = {"frames": 50, "fps": 25, "gop": 25, "noise": 60}  # so that pictures need several packets
    made = [
        write_clip(folder / "a.mp4", **noisy),
        write_clip(folder / "b.mp4", **noisy, size_wh=(480, 360)),
        write_clip(folder / "c.mp4", **noisy, codec="libx265"),
    ]
    return tuple(read_clip(path) for path in made)


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
@pytest.mark.parametrize("b_frames", [0, 2])
def test_what_ffmpeg_reads_from_the_camera_is_what_is_in_the_file(tmp_path, codec, b_frames):
    path = write_clip(tmp_path / "clip.mp4", frames=60, fps=25, gop=20, b_frames=b_frames, codec=codec, noise=40)
    with av.open(str(path)) as container:
        true = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    with ScriptedCamera([read_clip(path)]) as camera:
        options = {"rtsp_transport": "tcp", "analyzeduration": "500000"}
        with av.open(camera.url, options=options, timeout=(10, 10)) as container:
            seen = []
            for frame in container.decode(video=0):
                seen.append((frame.time, frame.to_ndarray(format="rgb24")))
                if len(seen) == 55:
                    break
    first = next(i for i, picture in enumerate(true) if np.array_equal(picture, seen[0][1]))
    assert first <= 8  # FFmpeg may let go of what it opened the codec with
    for i, (_, picture) in enumerate(seen):
        assert np.array_equal(picture, true[(first + i) % 60]), i
    times = [time for time, _ in seen if time is not None]
    assert len(times) >= 50
    assert np.allclose(np.diff(times), 0.04, atol=0.002)


def test_the_clip_goes_on_over_its_end_with_rising_times(clips):
    with ScriptedCamera(clips) as camera, Camera(camera.url, **IMPATIENT).running() as watched:
        watched.wait_for(lambda c: len(c.frames) >= 70)
        frames = list(watched.frames)
        # The last one is handed over a little after it was sent.
        eventually(lambda: 0 <= camera.sent - watched.ledger.counts().received <= 5)
    numbers = [read_number(frame.image) for frame in frames]
    assert numbers == [(numbers[0] + i) % 50 for i in range(len(numbers))]
    assert np.allclose(np.diff([frame.media_s for frame in frames]), 0.04, atol=0.002)
    assert watched.ledger.counts().dropped.get("timestamp", 0) == 0


@pytest.mark.parametrize("digest", [False, True])
def test_who_knows_the_password_is_let_in_and_nobody_else(clips, digest):
    with ScriptedCamera(clips, login="me:se@cret/ 1", digest=digest) as camera:
        assert len(Camera(camera.url, **IMPATIENT).read(most=3)) >= 3
        for wrong in (camera.url.replace("se%40cret", "secret"), f"rtsp://127.0.0.1:{camera.port}/live"):
            watched = Camera(wrong, **IMPATIENT)
            with watched.running():
                watched.wait_for(lambda c: "refuses this user name or password" in (c.status.state().trouble or ""))
            assert not watched.frames


def test_a_path_that_there_is_not_is_not_found(clips):
    with ScriptedCamera(clips) as camera:
        watched = Camera(camera.url.replace("/live", "/elsewhere"), **IMPATIENT)
        with watched.running():
            watched.wait_for(lambda c: "has no such stream" in (c.status.state().trouble or ""))


FAULTS = {
    "stall": "sent no picture for",
    "mute": "sent no picture for",
    "refuse": "refuses the connection",
    "trickle=300": "sent no picture for",
    "garbage": "broken packets|sent no picture|did not answer",
    "noise": "closed the connection|sent no picture|broke|did not answer",
    "password=other": "refuses this user name or password",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_lasts_is_told_and_afterwards_all_is_as_before(clips, fault):
    with ScriptedCamera(clips, login="me:x") as camera, Camera(camera.url, **IMPATIENT).running() as watched:
        watched.wait_for(lambda c: len(c.frames) >= 5)
        camera.do(fault)
        watched.wait_for(
            lambda c: (
                c.status.state().link is Link.OFFLINE
                and any(words in (c.status.state().trouble or "") for words in FAULTS[fault].split("|"))
            ),
            within_s=30,
        )
        camera.do("go")
        before = len(watched.frames)
        watched.wait_for(lambda c: c.status.state().link is Link.ONLINE and len(c.frames) > before + 5, within_s=30)
    assert watched.error is None


@pytest.mark.parametrize("fault", ["reset", "close", "jump=-3600", "jump=600", "size", "codec"])
def test_a_fault_that_is_over_at_once_begins_a_new_session(clips, fault):
    with ScriptedCamera(clips) as camera, Camera(camera.url, **IMPATIENT).running() as watched:
        watched.wait_for(lambda c: len(c.frames) >= 5)
        first = watched.frames[0]
        camera.do(fault)
        watched.wait_for(lambda c: c.frames[-1].session != first.session, within_s=30)
        watched.wait_for(lambda c: c.status.state().link is Link.ONLINE)
        state = watched.status.state()
    assert state.source_wh == ((480, 360) if fault == "size" else (320, 240))
    assert state.codec == ("hevc" if fault == "codec" else "h264")


def test_a_flood_is_received_whole_and_analysed_as_often_as_before(clips):
    with ScriptedCamera(clips) as camera:
        camera.do("flood=8")
        watched = Camera(camera.url, **{**IMPATIENT, "analyse_fps": 5.0})
        with watched.running():
            watched.wait_for(lambda c: c.ledger.counts().received >= 400)
            span_s = watched.frames[-1].media_s - watched.frames[0].media_s
            assert len(watched.frames) <= 5.0 * span_s + 2
    assert watched.ledger.counts().skipped["rate"] > 300


@pytest.mark.parametrize("by_s", [120, -7200])
def test_a_camera_whose_clock_is_set_while_it_is_connected_is_seen_to_be(clips, by_s):
    def skewed_by(about_s):  # what a busy machine is late by counts as skew
        return lambda c: c.frames and abs((c.status.state().skew_s or 1e9) - about_s) < 30

    with ScriptedCamera(clips) as camera:
        camera.do("flood=0.1")  # few pictures: a busy machine keeps up
        with Camera(camera.url, **IMPATIENT | {"stall_after_s": 10.0}).running() as watched:
            watched.wait_for(skewed_by(0))
            session = watched.frames[-1].session
            camera.do(f"set={by_s}")
            watched.wait_for(skewed_by(by_s))
            camera.do("set=0")
            watched.wait_for(skewed_by(0))
            frames = list(watched.frames)
    assert {frame.session for frame in frames} == {session}  # it went on all the while
    assert all(b.captured_at > a.captured_at for a, b in pairwise(frames))


def test_a_camera_whose_clock_is_wrong_is_seen_to_be(clips):
    with ScriptedCamera(clips) as camera:
        camera.do("clock=120")
        with Camera(camera.url, **IMPATIENT).running() as watched:
            watched.wait_for(lambda c: (c.status.state().skew_s or 0.0) > 100)
            assert watched.status.state().skew_s == pytest.approx(120, abs=5)


def test_troubles_that_take_turns_are_logged_once_each(clips, caplog):
    """A camera behind a gateway that resets and is silent in turn filled the log with every attempt."""
    with caplog.at_level(logging.INFO), ScriptedCamera(clips) as camera, FaultProxy(camera.port) as proxy:
        url = f"rtsp://127.0.0.1:{proxy.port}/live"
        watched = Camera(url, **IMPATIENT, backoff_first_s=0.01, backoff_most_s=0.02)
        camera.do("refuse")  # the proxy accepts, finds nobody, and resets: FFmpeg says this or that
        with watched.running():
            watched.wait_for(lambda c: c.source._backoff._failures >= 40, within_s=30)
    told = [record.getMessage() for record in caplog.records if record.name == "streamer.capture"]
    assert len(told) == len(set(told)) <= 4


class SetClock(SystemClock):
    """The machine's clock, as far as somebody has set it."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def now(self) -> float:
        return time.time() + self.ahead_s


@pytest.mark.parametrize("by_s", [3600.0, -3600.0])
def test_when_the_machine_s_clock_is_set_a_new_session_has_the_right_time_at_once(clips, by_s):
    """The estimate of the way's delay followed at half a second per second: two hours for one."""
    clock = SetClock()
    with ScriptedCamera(clips) as camera:
        watched = Camera(camera.url, **IMPATIENT)
        watched.by_clock(clock)
        with watched.running():
            watched.wait_for(lambda c: len(c.frames) >= 10)
            before = watched.frames[-1]
            clock.ahead_s = by_s
            watched.wait_for(lambda c: c.frames[-1].session != before.session)
            after = watched.frames[-1]
            watched.wait_for(lambda c: len(c.frames) > 60)
        assert after.captured_at - before.captured_at == pytest.approx(by_s, abs=30)
        assert len({frame.session for frame in watched.frames}) == 2
        assert camera.connected == 1  # the connection was as good as before


def test_a_step_of_the_machine_s_clock_that_cameras_may_differ_by_is_followed_within_the_session(clips):
    clock = SetClock()
    with ScriptedCamera(clips) as camera:
        watched = Camera(camera.url, **IMPATIENT)
        watched.by_clock(clock)
        with watched.running():
            watched.wait_for(lambda c: len(c.frames) >= 10)
            clock.ahead_s = 5.0
            watched.wait_for(lambda c: len(c.frames) >= 60)
        assert len({frame.session for frame in watched.frames}) == 1
        times = [frame.captured_at for frame in watched.frames]
        assert times == sorted(times)


class CountingTap:
    """Counts what a footage connection brings."""

    def __init__(self) -> None:
        self.opened_times = self.packets = 0

    def opened(self, stream):
        self.opened_times += 1

    def packet(self, packet, stream_s):
        self.packets += 1

    def timed(self, captured_at_zero):
        pass

    def closed(self):
        pass


def test_a_footage_connection_that_falls_silent_is_made_anew(clips):
    """It had no watch of its own, and would have waited for ever."""
    with ScriptedCamera(clips) as camera:
        tap = CountingTap()
        options = CameraOptions(
            camera="gate", url=camera.url, pace="live", stall_after_s=1.0, connect_timeout_s=2.0, backoff_first_s=0.05
        )
        source = PacketSource(options, tap, SystemClock())
        thread = threading.Thread(target=source.run)
        thread.start()
        try:
            eventually(lambda: tap.packets > 10)
            camera.do("stall")
            eventually(lambda: camera.connected >= 2)
            camera.do("go")
            before = tap.packets
            eventually(lambda: tap.packets > before + 10)
        finally:
            source.close()
            thread.join(20)
        assert tap.opened_times >= 2


def test_a_camera_that_has_nothing_to_change_to_says_so(clips):
    with ScriptedCamera(clips[:1]) as camera:
        with pytest.raises(ChaosError, match="'size' needs a clip of another size"):
            camera.do("size")
        with pytest.raises(ChaosError, match="'codec' needs a clip of another codec"):
            camera.do("codec")


def test_what_cannot_be_played_is_refused_with_the_reason(tmp_path):
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(ChaosError, match=r"text\.mp4 cannot be read"):
        read_clip(tmp_path / "text.mp4")
    jpeg = write_clip(tmp_path / "m.avi", frames=3, codec="mjpeg", pix_fmt="yuvj420p")
    with pytest.raises(ChaosError, match=r"holds mjpeg; a camera of ours sends H\.264 or H\.265"):
        read_clip(jpeg)


def test_a_client_that_talks_nonsense_harms_only_itself(clips):
    with ScriptedCamera(clips) as camera, Camera(camera.url, **IMPATIENT).running() as watched:
        for nonsense in (b"GET / HTTP/1.0\r\n\r\n", b"\x00" * 5000, b"PLAY x RTSP/1.0\r\nContent-Length: x\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", camera.port), timeout=10) as client:
                client.sendall(nonsense)
                client.shutdown(socket.SHUT_WR)
                while client.recv(4096):
                    pass
        before = len(watched.frames)
        watched.wait_for(lambda c: len(c.frames) > before + 5)
        assert watched.status.state().sessions <= 1
        eventually(lambda: camera.clients == 1)


def test_the_command_plays_a_file_and_does_what_the_script_says(tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", frames=50, fps=25, gop=25)
    command = [sys.executable, "-m", "streamer", "chaos", "camera", str(clip), "--login", "me:hidden"]
    with subprocess.Popen(
        [*command, "--fault", "reset@1s", "--every", "1.5s"], stdout=subprocess.PIPE, text=True
    ) as it:
        assert it.stdout is not None
        try:
            first = it.stdout.readline()
            assert "hidden" not in first
            port = int(first.rsplit(":", 1)[1].split("/")[0])
            with Camera(f"rtsp://me:hidden@127.0.0.1:{port}/live", **IMPATIENT).running() as watched:
                watched.wait_for(lambda c: c.status.state().sessions >= 3, within_s=40)
        finally:
            it.terminate()
        said = it.stdout.read()
    assert it.returncode == 0
    assert said.count("camera: reset") >= 2
    assert "pictures sent" in said


def test_an_unknown_fault_ends_the_command_with_a_sentence(tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", frames=5)
    command = [sys.executable, "-m", "streamer", "chaos", "camera", str(clip), "--fault", "explode@1s"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert done.returncode == 1
    assert "camera knows no 'explode'; it knows stall" in done.stderr


def test_an_address_that_is_in_use_is_told(clips):
    with ScriptedCamera(clips) as camera, pytest.raises(ChaosError, match=f"cannot listen on 127.0.0.1:{camera.port}"):
        ScriptedCamera(clips, port=camera.port)


def test_nothing_is_left_when_the_camera_is_gone(clips):
    before = threading.active_count()
    with ScriptedCamera(clips) as camera:
        url = camera.url
        Camera(url, **IMPATIENT).read(most=3)
    eventually(lambda: threading.active_count() <= before)
    with pytest.raises(SourceUnavailable):
        connect(CameraOptions(camera="gate", url=url, pace="live", connect_timeout_s=2.0))
