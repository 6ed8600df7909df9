"""Real RTSP servers: what is seen over the network is what is in the file, and trouble is survived and told."""

from __future__ import annotations

import gc
import logging
import time
import traceback
from itertools import pairwise
from urllib.parse import quote, unquote

import numpy as np
import pytest
from av.container import InputContainer

import streamer.capture.source as room
from streamer.capture.connection import Connection
from streamer.capture.decoder import Decoder
from streamer.capture.gated import GatedDecoder
from streamer.capture.session import SessionReader
from streamer.chaos.proxy import FaultProxy, SilentServer
from streamer.errors import redact
from streamer.ledger import Link
from tests.cameras import Camera
from tests.clips import read_number, write_clip
from tests.rtsp import aio_rtsp_server, free_port, gst_rtsp_server


def assert_same_selection(over_network, from_file):
    assert [f.index for f in over_network] == [f.index for f in from_file]
    assert [f.media_s for f in over_network] == pytest.approx([f.media_s for f in from_file], abs=0.002)
    for a, b in zip(over_network, from_file, strict=True):
        assert np.array_equal(a.image, b.image), f"frame {a.index} differs"
        assert np.array_equal(a.picture.rgb(), b.picture.rgb())


@pytest.fixture
def walk(tmp_path):
    """A clip with B-frames, 4 s of 25 fps."""
    return write_clip(tmp_path / "walk.mp4", frames=100, fps=25, gop=50, b_frames=2)


@pytest.mark.parametrize("b_frames", [0, 2])
def test_a_clip_over_rtsp_is_the_clip_from_the_file(tmp_path, b_frames):
    clip = write_clip(tmp_path / "clip.mp4", frames=60, fps=25, gop=30, b_frames=b_frames)
    from_file = Camera(clip).read(most=8)
    with aio_rtsp_server(tmp_path) as server:
        over_network = Camera(server.url("clip.mp4", loop=True)).read(most=8)
    assert_same_selection(over_network, from_file)


@pytest.mark.needs("shared")
def test_vtest_over_rtsp_is_vtest_from_the_file(shared):
    """Ten frames a second with B-frames, whose true places only their decoding times tell on this server."""
    clip = shared / "data" / "videos" / "vtest_480x360.mp4"
    from_file = Camera(clip).read(most=20)
    with aio_rtsp_server(clip.parent) as server:
        over_network = Camera(server.url(clip.name, loop=True)).read(most=20)
    assert [f.index for f in from_file] == list(range(0, 40, 2))
    assert_same_selection(over_network, from_file)


@pytest.mark.needs("debian")
@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize("b_frames", [0, 2])
def test_tcp_and_udp_from_gstreamer_are_the_clip_from_the_file(tmp_path, transport, b_frames):
    clip = write_clip(tmp_path / "clip.mp4", frames=60, fps=25, gop=30, b_frames=b_frames)
    from_file = Camera(clip).read(most=8)
    with gst_rtsp_server({"gate": clip}) as server:
        over_network = Camera(server.url("gate"), transport=transport).read(most=8)
    assert_same_selection(over_network, from_file)


@pytest.mark.needs("debian")
@pytest.mark.needs("shared")
def test_vtest_from_gstreamer_is_vtest_from_the_file(shared):
    clip = shared / "data" / "videos" / "vtest_480x360.mp4"
    from_file = Camera(clip).read(most=15)
    with gst_rtsp_server({"gate": clip}) as server:
        over_network = Camera(server.url("gate")).read(most=15)
    assert_same_selection(over_network, from_file)


def test_a_live_session_is_stamped_with_the_present(walk):
    with aio_rtsp_server(walk.parent) as server:
        camera = Camera(server.url(walk.name, loop=True), analyse_fps=None)
        began_at = time.time()
        frames = camera.read(most=30)
    captured = [f.captured_at for f in frames]
    assert all(later > earlier for earlier, later in pairwise(captured))
    assert began_at - 1 < captured[0] < began_at + 5
    assert abs(camera.status.state().skew_s or 9) < 2  # this server sends RTCP reports: the clock is one and the same
    assert camera.unaccounted(len(frames)) == 0


PASSWORDS = ["Xsecret1", "Xp@ss", "Xa:b", "Xw/ord", "Xp%40ss", "X#?x@y"]


@pytest.mark.needs("debian")
@pytest.mark.parametrize("digest", [False, True], ids=["basic", "digest"])
def test_the_right_password_is_let_in_however_it_is_spelt(tmp_path, digest):
    clip = write_clip(tmp_path / "clip.mp4", frames=50)
    for password in ["p@ss:w/ord", "100%"]:
        with gst_rtsp_server({"gate": clip}, login=f"admin:{password}", digest=digest) as server:
            pasted = f"rtsp://admin:{password}@127.0.0.1:{server.port}/gate"
            for url in (server.url("gate", login=f"admin:{password}"), pasted):
                assert len(Camera(url).read(most=2)) == 2


@pytest.mark.needs("debian")
@pytest.mark.parametrize("digest", [False, True], ids=["basic", "digest"])
def test_a_wrong_password_is_told_and_never_shown(tmp_path, digest, caplog, capfd):
    clip = write_clip(tmp_path / "clip.mp4", frames=10)
    with gst_rtsp_server({"gate": clip}, login="admin:right", digest=digest) as server, caplog.at_level(logging.DEBUG):
        for password in PASSWORDS:
            with Camera(f"rtsp://admin:{password}@127.0.0.1:{server.port}/gate").running() as camera:
                camera.wait_for(lambda c: c.status.state().link is Link.OFFLINE)
            trouble = camera.status.state().trouble or ""
            assert "refuses this user name or password" in trouble, trouble
            assert_never_shown(password, trouble, caplog.text, repr(camera.options), *capfd.readouterr())


@pytest.mark.parametrize("password", PASSWORDS)
def test_no_failing_connection_shows_its_password(password, caplog, capfd, monkeypatch):
    """Everything that a failing connect produces: status, log, and the whole chain of errors behind it."""
    seen = []
    real = room.connect

    def connect(*about):
        try:
            return real(*about)
        except Exception:
            seen.append(traceback.format_exc())
            raise

    monkeypatch.setattr(room, "connect", connect)
    with SilentServer() as silent, caplog.at_level(logging.DEBUG):
        for place in (f"127.0.0.1:{free_port()}/x", "no-such-host.invalid/x", f"127.0.0.1:{silent.port}/x"):
            for scheme in ("rtsp", "http", "nonsense"):
                url = f"{scheme}://admin:{password}@{place}"
                with Camera(url, pace="live", connect_timeout_s=0.3, stall_after_s=0.3).running() as camera:
                    camera.wait_for(lambda c: c.status.state().link is Link.OFFLINE)
                assert_never_shown(password, camera.status.state().trouble or "", repr(camera.options))
    assert len(seen) >= 9
    assert_never_shown(password, caplog.text, *seen, *capfd.readouterr())


def assert_never_shown(password, *texts):
    for form in {password, quote(password, safe=""), unquote(password), password.split("@")[0], password.split("/")[0]}:
        for text in texts:
            assert form not in text, redact(text)


@pytest.mark.needs("debian")
def test_what_is_wrong_is_said_with_what_to_do(tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", frames=10)
    with gst_rtsp_server({"gate": clip, "sound": "audio"}) as server:
        cases = {
            server.url("nothing-here"): "has no such stream; check the path",
            server.url("sound"): "has no video track",
            server.url("gate", port=free_port()): "refuses the connection; check port",
            "rtsp://no-such-host.invalid/gate": "cannot be reached; check host name and network",
        }
        for url, says in cases.items():
            with Camera(url).running() as camera:
                camera.wait_for(lambda c, says=says: says in (c.status.state().trouble or ""))
                assert camera.error is None  # a live source never raises


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_a_server_that_accepts_and_never_answers_is_given_up_in_time(scheme):
    with SilentServer() as silent:
        camera = Camera(f"{scheme}://127.0.0.1:{silent.port}/x", connect_timeout_s=0.5, stall_after_s=0.5)
        with camera.running():
            took_s = camera.wait_for(lambda c: c.status.state().link is Link.OFFLINE)
            assert took_s < 4.5  # five by the usual settings
            assert "did not answer" in (camera.status.state().trouble or "")


def test_a_camera_that_falls_silent_is_given_up_and_taken_up_again(walk):
    with aio_rtsp_server(walk.parent) as server, FaultProxy(server.port) as proxy:
        url = f"rtsp://127.0.0.1:{proxy.port}/{walk.name}?play_count=0"
        with Camera(url, stall_after_s=1.0).running() as camera:
            camera.wait_for(lambda c: len(c.frames) >= 3)
            proxy.stall()
            took_s = camera.wait_for(lambda c: c.status.state().link is Link.OFFLINE)
            assert took_s < 4.5  # five by the usual settings
            assert "is connected but sent no picture" in (camera.status.state().trouble or "")
            before = {f.session for f in camera.frames}
            proxy.go()
            camera.wait_for(lambda c: c.status.state().link is Link.ONLINE)
            camera.wait_for(lambda c: {f.session for f in c.frames} > before)
        assert camera.unaccounted(len(camera.frames)) == 0
        sessions = [f.session for f in camera.frames]
        assert sessions == sorted(sessions)


@pytest.mark.needs("debian")
def test_a_pause_shorter_than_a_stall_is_survived_within_the_session(tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", frames=100, fps=25, gop=25)
    with gst_rtsp_server({"gate": clip}) as server:
        with Camera(server.url("gate"), analyse_fps=None, stall_after_s=12.0).running() as camera:
            camera.wait_for(lambda c: len(c.frames) >= 20)
            server.tell("stall")
            camera.wait_for(lambda c: time.monotonic() - (c.status.state().last_frame_s or 0) > 3.0)
            server.tell("go")
            camera.wait_for(lambda c: len(c.frames) >= 60)
        frames = list(camera.frames)
        assert len({f.session for f in frames}) == 1
        gaps = [b.media_s - a.media_s for a, b in pairwise(frames)]
        assert 2.5 < max(gaps) < 9.0
        assert sum(gap > 0.1 for gap in gaps) == 1
        numbers = [read_number(f.image) for f in frames]
        assert numbers == [n % 100 for n in range(len(numbers))]  # not one picture was lost to the pause


@pytest.mark.parametrize("fault", ["close_connections", "reset_connections"])
def test_a_broken_connection_is_an_end_and_a_new_one_a_new_session(walk, fault):
    with aio_rtsp_server(walk.parent) as server, FaultProxy(server.port) as proxy:
        url = f"rtsp://127.0.0.1:{proxy.port}/{walk.name}?play_count=0"
        with Camera(url).running() as camera:
            camera.wait_for(lambda c: len(c.frames) >= 3)
            proxy.refuse()
            getattr(proxy, fault)()
            camera.wait_for(lambda c: c.status.state().link is Link.OFFLINE)
            proxy.go()
            camera.wait_for(lambda c: c.status.state().sessions == 2)
            camera.wait_for(lambda c: len({f.session for f in c.frames}) == 2)
        second = [f for f in camera.frames if f.session != camera.frames[0].session]
        assert (second[0].index, second[0].media_s) == (0, 0.0)
        assert camera.unaccounted(len(camera.frames)) == 0


@pytest.mark.parametrize("decode", ["always", "motion"])
def test_a_connection_that_is_over_leaves_nothing_to_the_garbage_collector(walk, decode):
    """Decoders are large and few: what counts objects would let dozens of them pile up before it looks."""
    gc.collect()
    gc.disable()
    try:
        with aio_rtsp_server(walk.parent) as server, FaultProxy(server.port) as proxy:
            url = f"rtsp://127.0.0.1:{proxy.port}/{walk.name}?play_count=0"
            with Camera(url, decode=decode).running() as camera:
                for sessions in (1, 2, 3):
                    camera.wait_for(lambda c, n=sessions: c.status.state().sessions == n)
                    camera.wait_for(lambda c, n=sessions: len({f.session for f in c.frames}) == n)
                    proxy.refuse()
                    proxy.reset_connections()
                    camera.wait_for(lambda c: c.status.state().link is Link.OFFLINE)
                    proxy.go()
                camera.wait_for(lambda c: c.status.state().sessions == 4)
                camera.frames.clear()
                living = [type(each) for each in gc.get_objects()]
    finally:
        gc.enable()
    for kind in (InputContainer, Connection, SessionReader, Decoder, GatedDecoder):
        assert living.count(kind) <= 1, kind  # of the connection that goes on


def test_a_camera_that_flaps_is_waited_for_longer_and_longer(walk):
    with aio_rtsp_server(walk.parent) as server, FaultProxy(server.port) as proxy:
        url = f"rtsp://127.0.0.1:{proxy.port}/{walk.name}?play_count=0"
        with Camera(url, decode="always").running() as camera:
            for sessions in (1, 2, 3):
                camera.wait_for(lambda c, n=sessions: len({f.session for f in c.frames}) == n)
                proxy.close_connections()
            camera.wait_for(lambda c: c.source._backoff._failures == 3)


def test_a_killed_server_that_comes_back_is_found_again(walk):
    with aio_rtsp_server(walk.parent) as server:
        camera = Camera(server.url(walk.name, loop=True))
        with camera.running():
            camera.wait_for(lambda c: len(c.frames) >= 2)
            server.process.kill()
            camera.wait_for(lambda c: "refuses the connection" in (c.status.state().trouble or ""))
    assert camera.error is None
    assert camera.unaccounted(len(camera.frames)) == 0


def test_corrupt_data_never_stops_the_watching_and_every_frame_is_in_the_books(walk):
    with aio_rtsp_server(walk.parent) as server, FaultProxy(server.port, seed=3) as proxy:
        url = f"rtsp://127.0.0.1:{proxy.port}/{walk.name}?play_count=0"
        with Camera(url, analyse_fps=None).running() as camera:
            camera.wait_for(lambda c: len(c.frames) >= 5)
            proxy.corrupt(0.3)
            so_far = len(camera.frames)
            camera.wait_for(lambda c: c.ledger.counts().dropped.get("corrupt", 0) > 0 or len(c.frames) > so_far + 100)
            proxy.go()
            healed_at = len(camera.frames)
            camera.wait_for(lambda c: len(c.frames) > healed_at + 30)
        assert camera.error is None
        assert camera.unaccounted(len(camera.frames)) == 0
        for a, b in pairwise(camera.frames):
            assert b.session > a.session or (b.session == a.session and b.media_s > a.media_s)


@pytest.mark.needs("debian")
def test_pictures_torn_into_halves_with_the_same_time_are_left_out_and_counted(tmp_path):
    """Sliced key frames through this server: parameter sets before every slice make FFmpeg see two half pictures."""
    clip = write_clip(tmp_path / "clip.mp4", frames=60, fps=25, gop=10, slices=2)
    with gst_rtsp_server({"gate": clip}) as server:
        camera = Camera(server.url("gate"), analyse_fps=None)
        frames = camera.read(most=50)
    assert sum(camera.ledger.counts().dropped.values()) > 0
    assert camera.unaccounted(len(frames)) == 0
    steps = [b.media_s - a.media_s for a, b in pairwise(frames)]
    assert all(0.039 < step < 0.121 for step in steps)
    whole = [read_number(f.image) for f in frames]
    assert all((b - a) % 60 in (1, 2, 3) for a, b in pairwise(whole))


@pytest.mark.needs("debian")
@pytest.mark.parametrize("steps_s", [[60], [8, 8, -15]], ids=["ahead", "back"])
def test_a_camera_whose_timestamps_jump_gets_a_new_session(tmp_path, steps_s, caplog):
    clip = write_clip(tmp_path / "clip.mp4", frames=50, fps=25, gop=10)
    with gst_rtsp_server({"gate": clip}) as server, Camera(server.url("gate")).running() as camera:
        for step_s in steps_s:
            so_far = len(camera.frames)
            camera.wait_for(lambda c, so_far=so_far: len(c.frames) >= so_far + 4)
            server.tell(f"jump {step_s}")
        first = camera.frames[0].session
        camera.wait_for(lambda c: c.frames[-1].session != first)
    way = "ahead" if steps_s[-1] > 0 else "back"
    assert f"camera 'gate': timestamps jumped {way} {abs(steps_s[-1])}.0 s" in caplog.text.replace("59.9", "60.0")
    media = [f.media_s for f in camera.frames if f.session == first]
    assert all(0 < b - a < 8.6 for a, b in pairwise(media))  # gaps were passed on, the jump was not
    assert camera.ledger.counts().dropped["timestamp"] == 1
    assert camera.unaccounted(len(camera.frames)) == 0


@pytest.mark.needs("debian")
def test_a_camera_that_changes_its_picture_size_begins_a_new_session_without_reconnecting(tmp_path):
    small = write_clip(tmp_path / "small.mp4", frames=25, size_wh=(320, 240))
    large = write_clip(tmp_path / "large.mp4", frames=25, size_wh=(640, 360))
    with gst_rtsp_server({"gate": f"{small}+{large}"}) as server:
        camera = Camera(server.url("gate"), analyse_fps=None)
        with camera.running():
            camera.wait_for(lambda c: any(f.source_wh == (640, 360) for f in c.frames))
    sizes = {f.session: f.source_wh for f in camera.frames}
    assert list(sizes.values()) == [(320, 240), (640, 360)]
    assert camera.unaccounted(len(camera.frames)) == 0


def test_close_ends_a_read_that_waits_for_a_silent_camera(walk):
    with aio_rtsp_server(walk.parent) as server, FaultProxy(server.port) as proxy:
        url = f"rtsp://127.0.0.1:{proxy.port}/{walk.name}?play_count=0"
        with Camera(url, stall_after_s=60.0).running() as camera:
            camera.wait_for(lambda c: len(c.frames) >= 2)
            proxy.stall()
            began_s = time.monotonic()
            camera.source.close()
            assert time.monotonic() - began_s < 2
            assert camera.ended.wait(30)  # sixty, if it waited for the camera


def test_close_ends_a_wait_between_attempts_at_once():
    camera = Camera(f"rtsp://127.0.0.1:{free_port()}/x", backoff_first_s=60.0, backoff_most_s=60.0)
    with camera.running():
        camera.wait_for(lambda c: c.status.state().link is Link.OFFLINE)
        camera.source.close()
        assert camera.ended.wait(30)  # sixty, if it waited for the next attempt


def test_a_trouble_that_stays_is_logged_once(caplog):
    url = f"rtsp://127.0.0.1:{free_port()}/x"
    with caplog.at_level(logging.INFO), Camera(url, backoff_first_s=0.01, backoff_most_s=0.02).running() as camera:
        camera.wait_for(lambda c: c.source._backoff._failures >= 10)
    lines = [r for r in caplog.records if r.name == "streamer.capture"]
    assert len(lines) == 1
    assert lines[0].camera == "gate"
