"""Cameras that sleep while nothing moves: what they show is what decoding everything shows, and nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamer.capture.decoder import Decoder
from streamer.capture.gate import Gate, GateSettings
from streamer.capture.gated import GatedDecoder
from streamer.capture.motion.pixel_motion import Motion, PixelMotion
from streamer.capture.packet_sizes import PacketSizes
from streamer.capture.packet_times import PacketTimes
from streamer.clock import SystemClock
from streamer.presence import Presence
from streamer.sleep_book import SleepBook
from streamer.types import Frame
from tests.cameras import Camera
from tests.clips import read_number, write_clip
from tests.rtsp import aio_rtsp_server

FPS, WH, NOISE = 25, (320, 240), 2.0
CODECS = {
    "plain": ("libx264", {"g": "50", "bf": "0", "preset": "ultrafast", "tune": "zerolatency", "crf": "28"}),
    "reordered": ("libx264", {"g": "50", "bf": "3", "preset": "veryfast", "crf": "26"}),
    "open groups": ("libx264", {"g": "50", "bf": "3", "preset": "veryfast", "x264-params": "open-gop=1"}),
    "h265": ("libx265", {"x265-params": "keyint=50:min-keyint=50:bframes=3:log-level=none", "preset": "ultrafast"}),
}


def street(
    path: Path, seconds: float, walks: Callable[[float], bool], codec: str = "plain", noise: float = 2.0
) -> Path:
    """A still scene under sensor noise, and a dark figure that crosses it while `walks` says so of the time."""
    encoder, options = CODECS[codec]
    rng = np.random.default_rng(1)
    y, x = np.mgrid[0 : WH[1], 0 : WH[0]]
    still = 110 + 40 * np.sin(x / 23) * np.cos(y / 31)
    noises = [rng.normal(0, NOISE, still.shape) for _ in range(9)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(encoder, rate=FPS)
        stream.width, stream.height, stream.pix_fmt = *WH, "yuv420p"
        stream.codec_context.thread_count = 1
        stream.codec_context.options = options
        for i in range(round(seconds * FPS)):
            picture = still.copy()
            if walks(i / FPS):
                left = int(60 * (i / FPS)) % (WH[0] - 30)
                picture[90:170, left : left + 28] = 30 + 60 * (x[90:170, :28] // 7 % 2)
            picture += np.roll(noises[i % 9], 7 * i, axis=1)
            frame = av.VideoFrame.from_ndarray(
                np.repeat(np.clip(picture, 0, 255).astype(np.uint8)[..., None], 3, axis=2), format="rgb24"
            )
            frame.pts, frame.time_base = i, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def by_time(frames: list[Frame]) -> dict[float, Frame]:
    return {round(frame.media_s, 3): frame for frame in frames}


def same_pictures(some: list[Frame], every: dict[float, Frame]) -> None:
    for frame in some:
        np.testing.assert_array_equal(frame.picture.rgb(), every[round(frame.media_s, 3)].picture.rgb())


def times(frames: list[Frame], first_s: float, last_s: float) -> list[float]:
    return [round(f.media_s, 3) for f in frames if first_s - 1e-3 <= f.media_s <= last_s + 1e-3]


@pytest.mark.parametrize("codec", CODECS)
def test_a_quiet_camera_sleeps_and_a_walker_wakes_it_with_all_that_led_up_to_it(tmp_path, codec):
    clip = street(tmp_path / "clip.mp4", 24, lambda s: 13.4 <= s < 15.4, codec)
    every = by_time(Camera(clip, analyse_fps=None).read())
    camera = Camera(clip, analyse_fps=None, decode="motion", sleep_after_s=3.0)
    frames = camera.read()
    same_pictures(frames, every)
    woken = [t for t in every if 12.0 <= t <= 18.0]
    assert times(frames, 12.0, 18.0) == woken, "from the key frame before the walk until quiet again: everything"
    assert len(times(frames, 7.0, 11.7)) <= 3, "asleep, key frames alone"
    assert camera.unaccounted(len(frames)) == 0
    assert camera.ledger.counts().received == len(every)
    reading = camera.sleep.reading(0.0)
    assert reading.wakes == {"packets": 1}
    assert reading.why_not is None
    assert not reading.asleep
    assert reading.ring_bytes == 0


def test_what_packets_do_not_tell_the_next_key_frame_does_and_the_group_before_it_is_seen_after_all(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(PacketSizes, "stand_out", lambda self, size, ahead: False)
    clip = street(tmp_path / "clip.mp4", 20, lambda s: 13.4 <= s < 15.4)
    every = by_time(Camera(clip, analyse_fps=None).read())
    camera = Camera(clip, analyse_fps=None, decode="motion", sleep_after_s=3.0)
    frames = camera.read()
    same_pictures(frames, every)
    assert times(frames, 12.0, 18.0) == [t for t in every if 12.0 <= t <= 18.0]
    assert camera.unaccounted(len(frames)) == 0
    assert camera.sleep.reading(0.0).wakes == {"picture": 1}


def test_asleep_every_key_frame_is_looked_at(tmp_path):
    clip = street(tmp_path / "clip.mp4", 20, lambda s: False)
    frames = Camera(clip, analyse_fps=None, decode="motion", sleep_after_s=3.0).read()
    assert times(frames, 8.0, 19.9) == [8.0, 10.0, 12.0, 14.0, 16.0, 18.0]


def test_where_analysis_says_that_nobody_is_there_only_the_keep_alive_look_is_analysed(tmp_path):
    clip = street(tmp_path / "clip.mp4", 24, lambda s: False)
    camera = Camera(clip, analyse_fps=None, decode="motion", sleep_after_s=3.0, keep_alive_s=6.0)
    nobody = camera.with_presence()
    frames = camera.read()
    assert times(frames, 6.5, 23.9) == [10.0, 16.0, 22.0]
    assert camera.unaccounted(len(frames)) == 0
    nobody.sees(1)
    camera = Camera(clip, analyse_fps=None, decode="motion", sleep_after_s=3.0, keep_alive_s=6.0)
    camera.with_presence().sees(1)
    assert times(camera.read(), 6.5, 23.9) == [8.0, 10.0, 12.0, 14.0, 16.0, 18.0, 20.0, 22.0]


class Watched(PixelMotion):
    """Remembers when it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked_s: list[float] = []

    def look(self, luma: np.ndarray, at_s: float, vacant_s: float = 0.0) -> Motion:
        self.asked_s.append(at_s)
        return super().look(luma, at_s, vacant_s)


def test_while_analysis_itself_sees_somebody_move_pictures_are_seldom_asked(tmp_path):
    clip = street(tmp_path / "clip.mp4", 16, lambda s: 1.0 <= s < 13.0)
    asked: dict[bool, list[float]] = {}
    for moving in (False, True):
        presence, motion, gate = Presence(), Watched(), Gate(GateSettings("motion", quiet_s=3.0))
        with av.open(str(clip)) as container:
            [stream], times = container.streams.video, PacketTimes()
            gated = GatedDecoder(
                "gate", Decoder(stream.codec_context), gate, motion, SleepBook("gate"), SystemClock(),
                let_go=lambda _: None, offers_looks=lambda _: True, presence=presence,
            )  # fmt: skip
            for packet in container.demux(stream):
                if packet.size:
                    at_s = times.shown_s(packet)
                    presence.sees(int(at_s < 13.2), moving=moving and at_s < 13.2)
                    assert [frame.pts for frame in gated.take(packet, at_s)] == [packet.pts] or gate.asleep
                    assert not gate.asleep or at_s >= 14.0
        asked[moving] = motion.asked_s
    often, seldom = (np.diff([at_s for at_s in asked[moving] if 1.5 < at_s < 13.0]) for moving in (False, True))
    assert often.max() < 0.7
    assert seldom.min() >= 2.0
    assert seldom.max() < 2.6
    assert any(13.2 < at_s < 13.5 for at_s in asked[True])  # he is gone: now pictures tell how quiet it is


class Script:
    """Wants the camera awake during given stretches of its stream; a tap that stands in for a bell."""

    def __init__(self, wanted: list[tuple[float, float]]) -> None:
        self.wanted, self.at_s = wanted, 0.0
        self.asked: list[tuple[float, bool, float]] = []  # stream time, key frame, time of the newest key frame

    def opened(self, stream: object) -> None: ...

    def packet(self, packet: av.Packet, stream_s: float) -> None:
        key_s = stream_s if packet.is_keyframe else (self.asked[-1][2] if self.asked else stream_s)
        self.at_s = stream_s
        self.asked.append((stream_s, packet.is_keyframe, key_s))

    def timed(self, captured_at_zero: float) -> None: ...

    def closed(self) -> None: ...

    def rung(self, now_s: float) -> bool:
        return any(first <= self.at_s < last for first, last in self.wanted)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    gop=st.integers(2, 40),
    b_frames=st.integers(0, 3),
    frames=st.integers(30, 110),
    wakes=st.lists(st.tuples(st.floats(0.0, 4.0), st.floats(0.05, 1.5)), max_size=3),
)
def test_whenever_it_is_woken_whatever_the_groups_pictures_are_those_of_the_full_decode(
    tmp_path, gop, b_frames, frames, wakes
):
    clip = write_clip(tmp_path / "clip.mp4", frames=frames, gop=gop, b_frames=b_frames)
    script = Script([(first, first + for_s) for first, for_s in wakes])
    camera = Camera(clip, analyse_fps=None, decode="on_trigger", keep_alive_s=0.01)
    camera.ring_by(script)
    shown = camera.read()
    every = by_time(Camera(clip, analyse_fps=None).read())
    same_pictures(shown, every)
    assert len({round(f.media_s, 3) for f in shown}) == len(shown), "no picture twice"
    assert camera.unaccounted(len(shown)) == 0
    assert camera.ledger.counts().received == frames
    numbers = {read_number(f.image) for f in shown}
    first_s = script.asked[0][0]
    for at_s, _, key_s in script.asked:
        if any(first <= at_s < last for first, last in script.wanted):
            due = {n for n in range(frames) if key_s - 1e-6 <= first_s + n / FPS <= at_s + 1e-6}
            assert due <= numbers, "all from the key frame before the wake until now"


def test_key_frames_alone_stay_alone_whoever_asks(tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", frames=60, gop=20)
    camera = Camera(clip, analyse_fps=None, decode="key_frames")
    camera.ring_by(Script([(0.3, 1.5)]))
    shown = camera.read()
    unasked = Camera(clip, analyse_fps=None, decode="key_frames").read()
    assert [read_number(frame.image) for frame in shown] == [read_number(frame.image) for frame in unasked]
    assert 2 <= len(shown) <= 6
    assert camera.unaccounted(len(shown)) == 0


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"g": "1000"}, "no key frames"),
        ({"g": "320"}, "319 pictures apart"),
        ({"g": "20", "x264-params": "intra-refresh=1"}, "do not stand alone"),
    ],
)
def test_where_sleep_is_not_safe_everything_is_decoded_and_the_camera_says_so(
    tmp_path, monkeypatch, caplog, options, why
):
    monkeypatch.setitem(
        CODECS, "unsafe", ("libx264", {"bf": "0", "sc_threshold": "0", "preset": "ultrafast", **options})
    )
    clip = street(tmp_path / "clip.mkv", 32, lambda s: False, "unsafe")
    camera = Camera(clip, analyse_fps=None, decode="motion", sleep_after_s=1.0)
    assert len(camera.read()) == 32 * FPS
    assert why in (camera.sleep.reading(0.0).why_not or "")
    assert "cannot be let asleep" in caplog.text


def test_where_every_picture_stands_alone_two_a_second_are_looked_at_and_the_rest_is_kept(
    tmp_path,
):
    clip = tmp_path / "clip.avi"
    street_mjpeg(clip, 14, lambda s: s >= 10.3)
    every = by_time(Camera(clip, analyse_fps=None).read())
    camera = Camera(clip, analyse_fps=None, decode="motion", sleep_after_s=3.0)
    frames = camera.read()
    same_pictures(frames, every)
    assert 4 <= len(times(frames, 7.0, 9.4)) <= 7
    assert times(frames, 10.2, 13.9) == [t for t in every if 10.2 <= t <= 13.9]
    assert camera.unaccounted(len(frames)) == 0


def street_mjpeg(path: Path, seconds: float, walks: Callable[[float], bool]) -> None:
    rng = np.random.default_rng(1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = *WH, "yuvj420p"
        for i in range(round(seconds * FPS)):
            picture = 120 + rng.normal(0, 2, (WH[1], WH[0]))
            if walks(i / FPS):
                left = int(60 * (i / FPS)) % (WH[0] - 30)
                picture[90:170, left : left + 28] = 30
            grey = np.clip(picture, 0, 255).astype(np.uint8)
            container.mux(
                stream.encode(av.VideoFrame.from_ndarray(np.repeat(grey[..., None], 3, axis=2), format="rgb24"))
            )
        container.mux(stream.encode())


def test_over_rtsp_a_walker_wakes_it_too_and_its_frames_are_those_of_the_file(tmp_path):
    clip = street(tmp_path / "clip.mp4", 9, lambda s: 6.6 <= s < 7.6)
    every = by_time(Camera(clip, analyse_fps=None).read())
    with aio_rtsp_server(tmp_path) as server:
        camera = Camera(server.url("clip.mp4"), analyse_fps=None, decode="motion", sleep_after_s=1.5)
        with camera.running():
            camera.wait_for(lambda c: any(f.media_s > 7.5 for f in c.frames), within_s=25)
        frames = list(camera.frames)
    first = [f for f in frames if f.session == frames[0].session]
    assert camera.sleep.reading(0.0).wakes.get("packets", 0) >= 1
    assert len(times(first, 4.0, 5.9)) <= 1
    assert len(times(first, 6.0, 7.5)) >= 37
    for frame in first[::10]:
        near = every[min(every, key=lambda t: abs(t - frame.media_s))]
        np.testing.assert_array_equal(frame.picture.rgb(), near.picture.rgb())
