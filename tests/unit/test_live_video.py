"""Live video out of a camera's packets: what an independent demuxer reads of it, whenever somebody comes."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from streamer.footage.nal_units import nal_units
from streamer.footage.watched import WatchedTap
from streamer.live_video import MOST_WAITING_BYTES, MOST_WAITING_S, Fragment, LiveVideo, VideoHead, Viewing
from tests.clips import read_number, write_clip
from tests.fakes import FakeClock
from tests.footage import EPOCH, show

STREAMS = {
    "h264": {},
    "h264 with B-frames": {"b_frames": 2},
    "h264 with slices": {"slices": 3},
    "h265": {"codec": "libx265"},
    "h265 with B-frames": {"codec": "libx265", "b_frames": 3},
}
FILES = ("mp4", "ts")  # packets with lengths before their units, and with start codes as RTSP has them
HEAD = VideoHead("avc1.64001f", (320, 240), b"init")


def in_file(folder: Path, kind: str, **stream: Any) -> Path:
    """A clip of 120 numbered pictures, a key frame every 25, in this kind of file."""
    clip = write_clip(folder / "clip.mp4", frames=120, gop=25, strict_gop=True, **stream)
    if kind == "mp4":
        return clip
    path = folder / f"clip.{kind}"
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", clip, "-c", "copy", path], check=True)
    return path


class Viewer:
    """Takes everything that comes."""

    def __init__(self, video: LiveVideo) -> None:
        self._video = video
        self.seen: list[VideoHead | Fragment] = []
        self.viewing: Viewing = video.join(lambda: None)

    def look(self) -> None:
        self.seen += self.viewing.take()

    def leave(self) -> None:
        self.look()
        self._video.leave(self.viewing)

    @property
    def fragments(self) -> list[Fragment]:
        return [each for each in self.seen if isinstance(each, Fragment)]

    @property
    def mp4(self) -> bytes:
        [head] = [each for each in self.seen if isinstance(each, VideoHead)]
        assert self.seen[0] is head
        return head.init + b"".join(each.content for each in self.fragments)


def watched(video: Path, *joins_s: float, clock: FakeClock | None = None) -> list[Viewer]:
    """One viewer for each moment of the video at which one comes."""
    live = LiveVideo((clock or FakeClock()).monotonic)
    viewers: list[Viewer] = []

    def at(stream_s: float) -> None:
        while len(viewers) < len(joins_s) and stream_s - first.setdefault("s", stream_s) >= joins_s[len(viewers)]:
            viewers.append(Viewer(live))
        for each in viewers:
            each.look()

    first: dict[str, float] = {}
    show(WatchedTap("gate", live), video, at=at)
    for each in viewers:
        each.look()
    assert live.cannot is None
    return viewers


def demuxed(mp4: bytes) -> list[av.Packet]:
    with av.open(io.BytesIO(mp4)) as container:
        return [packet for packet in container.demux(video=0) if packet.size]


def numbers(mp4: bytes) -> list[int]:
    with av.open(io.BytesIO(mp4)) as container:
        return [read_number(frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]


def units_of(packets: Sequence[av.Packet], annex_b: bool) -> list[list[bytes]]:
    """The NAL units of every packet."""
    if annex_b:
        return [list(nal_units(bytes(packet))) for packet in packets]
    found = []
    for packet in packets:
        content, at, units = bytes(packet), 0, []
        while at < len(content):
            length = int.from_bytes(content[at : at + 4])
            units.append(content[at + 4 : at + 4 + length])
            at += 4 + length
        found.append(units)
    return found


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("stream", STREAMS)
def test_whoever_comes_sees_everything_from_the_last_key_frame_on(tmp_path: Path, stream: str, kind: str) -> None:
    source = in_file(tmp_path, kind, **STREAMS[stream])
    shown = numbers(source.read_bytes())
    assert shown == list(range(120))
    joins_s = (0.0, 0.5, 1.02, 2.6, 3.98)
    for viewer, join_s in zip(watched(source, *joins_s), joins_s, strict=True):
        packets = demuxed(viewer.mp4)
        assert packets[0].is_keyframe
        assert [packet.is_keyframe for packet in packets] == [each.is_key for each in viewer.fragments]
        decode = [packet.dts for packet in packets]
        assert all(a < b for a, b in pairwise(decode))
        assert all(packet.pts >= packet.dts for packet in packets)
        ends = [packet.dts + packet.duration for packet in packets]
        assert ends[:-1] == decode[1:]  # a gap would be a hole to a browser
        seen = numbers(viewer.mp4)
        begins = seen[0]
        assert begins % 25 == 0
        assert begins / 25 <= join_s + 0.09
        complete = seen[:-3]  # the last one is known only once another comes, and others are shown after it
        assert complete == list(range(begins, begins + len(complete)))
        assert len(complete) >= 115 - begins


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("stream", STREAMS)
def test_the_bytes_are_those_that_the_camera_sent(tmp_path: Path, stream: str, kind: str) -> None:
    source = in_file(tmp_path, kind, **STREAMS[stream])
    [viewer] = watched(source, 0.0)
    sent = units_of(demuxed(source.read_bytes()), annex_b=kind == "ts")
    got = units_of(demuxed(viewer.mp4), annex_b=False)
    assert len(got) >= 115
    assert got == sent[: len(got)]


def test_ffprobe_finds_nothing_wrong_with_it(tmp_path: Path) -> None:
    [viewer] = watched(in_file(tmp_path, "ts", b_frames=2), 1.3)
    path = tmp_path / "live.mp4"
    path.write_bytes(viewer.mp4)
    command = ["ffmpeg", "-v", "warning", "-xerror", "-err_detect", "explode", "-i", path, "-f", "null", "-"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("stream", "name"), [({}, "avc1.64000d"), ({"codec": "libx265"}, "hvc1.1.6.L60.90")], ids=["h264", "h265"]
)
def test_browsers_are_told_the_codec_by_its_name(tmp_path: Path, stream: dict[str, Any], name: str) -> None:
    [viewer] = watched(in_file(tmp_path, "ts", **stream), 0.0)
    [head] = [each for each in viewer.seen if isinstance(each, VideoHead)]
    assert (head.codec, head.size_wh) == (name, (320, 240))
    with av.open(io.BytesIO(viewer.mp4)) as container:
        context = container.streams.video[0].codec_context
        told = context.extradata
        assert context.codec_tag == name[:4]
        if name.startswith("avc1"):
            assert name == f"avc1.{told[1]:02x}{told[2]:02x}{told[3]:02x}"
        else:  # general_profile_idc and general_level_idc of what FFmpeg wrote
            assert (told[1] & 31, told[12]) == (1, 60)


def test_every_picture_knows_when_it_was_captured(tmp_path: Path) -> None:
    [viewer] = watched(in_file(tmp_path, "mp4"), 2.5)
    packets = demuxed(viewer.mp4)
    for number, packet, fragment in zip(numbers(viewer.mp4), packets, viewer.fragments, strict=True):
        assert fragment.zero_at is not None
        assert fragment.zero_at + float(packet.pts * packet.time_base) == pytest.approx(EPOCH + number / 25, abs=0.002)
        assert fragment.end_s == pytest.approx(float(packet.pts * packet.time_base) + 0.04, abs=0.002)


def test_nothing_is_made_while_nobody_watches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("a fragment was made for nobody")

    clip = in_file(tmp_path, "ts")
    live = LiveVideo(FakeClock().monotonic)
    tap, moments = WatchedTap("gate", live), iter([1.0, 2.0])
    due = [next(moments)]
    viewers: list[Viewer] = []

    def at(stream_s: float) -> None:
        begun.append(stream_s)
        if stream_s - begun[0] >= due[0]:
            if not viewers:
                viewers.append(Viewer(live))
                due[0] = next(moments)
            elif live.viewers:
                viewers[0].leave()
                monkeypatch.setattr("streamer.footage.fragments._fragment", never)

    begun: list[float] = []
    show(tap, clip, at=at)
    assert 20 <= len(viewers[0].fragments) <= 30  # from the last key frame before 1.0 s up to 2.0 s
    assert live.turn == 0
    assert live.cannot is None


def test_who_comes_after_nobody_was_there_begins_at_the_last_key_frame_again(tmp_path: Path) -> None:
    live = LiveVideo(FakeClock().monotonic)
    first: list[Viewer] = []
    second: list[Viewer] = []

    def at(stream_s: float) -> None:
        if stream_s >= 0.5 and not first:
            first.append(Viewer(live))
        if stream_s >= 3.5 and not second:
            first[0].leave()
            second.append(Viewer(live))

    show(WatchedTap("gate", live), in_file(tmp_path, "mp4"), at=at)
    second[0].look()
    assert numbers(first[0].mp4)[0] == 0
    assert numbers(second[0].mp4)[0] == 75


def test_a_connection_ends_the_video_and_the_next_one_is_another(tmp_path: Path) -> None:
    clip = in_file(tmp_path, "ts")
    live = LiveVideo(FakeClock().monotonic)
    tap, viewer = WatchedTap("gate", live), Viewer(live)
    show(tap, clip, until_s=4.0)
    viewer.look()
    assert viewer.viewing.over == "ended"
    assert numbers(viewer.mp4) == list(range(len(viewer.fragments)))
    waiting = Viewer(live)  # comes while the camera is away
    waiting.look()
    assert waiting.seen == []
    show(tap, clip)
    waiting.look()
    assert numbers(waiting.mp4)[:5] == [0, 1, 2, 3, 4]


def test_pictures_of_another_size_are_another_stretch(tmp_path: Path) -> None:
    small = write_clip(tmp_path / "small.mp4", frames=30, gop=10, strict_gop=True)
    large = write_clip(tmp_path / "large.mp4", frames=60, gop=10, size_wh=(640, 480), first_number=30, strict_gop=True)
    joined = tmp_path / "both.h264"
    with joined.open("wb") as out:
        for each in (small, large):
            command = ["ffmpeg", "-v", "error", "-i", each, "-c", "copy", "-f", "h264", "-"]
            out.write(subprocess.run(command, check=True, capture_output=True).stdout)
    live = LiveVideo(FakeClock().monotonic)
    tap, viewers = WatchedTap("gate", live), [Viewer(live)]
    with av.open(str(joined)) as container:
        stream = container.streams.video[0]
        tap.opened(stream)
        for number, packet in enumerate(packet for packet in container.demux(stream) if packet.size):
            tap.packet(packet, number / 25)
            for each in viewers:
                each.look()
            if viewers[-1].viewing.over:
                viewers.append(Viewer(live))
    assert [each.viewing.over for each in viewers] == ["ended", None]
    heads = [each.seen[0] for each in viewers]
    assert [head.size_wh for head in heads if isinstance(head, VideoHead)] == [(320, 240), (640, 480)]
    assert numbers(viewers[0].mp4) == list(range(29))
    assert numbers(viewers[1].mp4) == list(range(30, 89))


def test_a_step_of_time_and_a_missing_packet_end_it(tmp_path: Path) -> None:
    clip = in_file(tmp_path, "mp4")
    live = LiveVideo(FakeClock().monotonic)
    tap, viewers = WatchedTap("gate", live), [Viewer(live)]
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        tap.opened(stream)
        for number, packet in enumerate(packet for packet in container.demux(stream) if packet.size):
            tap.packet(packet, number / 25 + (3600 if number >= 50 else 0))
            for each in viewers:
                each.look()
            if viewers[-1].viewing.over:
                viewers.append(Viewer(live))
    assert [each.viewing.over for each in viewers] == ["ended", None]
    assert numbers(viewers[0].mp4) == list(range(49))
    assert numbers(viewers[1].mp4)[0] == 50


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "name"), [("mjpeg", "yuvj420p", "Motion JPEG"), ("libvpx-vp9", "yuv420p", "VP9")]
)
def test_what_browsers_do_not_play_is_refused_in_a_sentence(
    tmp_path: Path, codec: str, pix_fmt: str, name: str
) -> None:
    clip = write_clip(tmp_path / "clip.mkv", frames=10, codec=codec, pix_fmt=pix_fmt)
    live = LiveVideo(FakeClock().monotonic)
    viewer = Viewer(live)
    show(WatchedTap("gate", live), clip)
    assert viewer.viewing.take() == []
    assert live.cannot == f"camera 'gate' sends {name}, which browsers do not play as video"
    show(WatchedTap("gate", live), in_file(tmp_path, "mp4"))
    assert live.cannot is None


def test_what_the_packets_are_shown_to_besides_is_shown_them_all(tmp_path: Path) -> None:
    class Inner:
        def __init__(self) -> None:
            self.told: list[object] = []

        def opened(self, stream: object) -> None:
            self.told.append("opened")

        def packet(self, packet: object, stream_s: float) -> None:
            self.told.append(round(stream_s, 2))

        def timed(self, captured_at_zero: float) -> None: ...

        def closed(self) -> None:
            self.told.append("closed")

    live, inner = LiveVideo(FakeClock().monotonic), Inner()
    show(WatchedTap("gate", live, inner), write_clip(tmp_path / "c.mp4", frames=3))
    assert inner.told == ["opened", 0.0, 0.04, 0.08, "closed"]


# --- viewers ----------------------------------------------------------------------------------------------------------


def piece(number: int, size: int = 100, key_every: int = 10) -> Fragment:
    return Fragment(bytes(size), number % key_every == 0, number / 25, None)


def test_a_slow_viewer_is_let_go_and_no_other_notices() -> None:
    clock = FakeClock()
    live = LiveVideo(clock.monotonic)
    quick, slow = Viewer(live), Viewer(live)
    live.begin(HEAD, [piece(0)])
    for number in range(1, 500):
        clock.tick(0.04)
        live.add(piece(number))
        quick.look()
    assert slow.viewing.over == "slow"
    assert slow.viewing.take() == []  # nothing is kept for it
    assert (live.viewers, live.let_go) == (1, 1)
    assert len(quick.fragments) == 500
    assert quick.viewing.over is None


def test_a_viewer_that_takes_now_and_then_is_not_slow() -> None:
    clock = FakeClock()
    live = LiveVideo(clock.monotonic)
    viewer = Viewer(live)
    live.begin(HEAD, [piece(0)])
    for number in range(1, 1000):
        clock.tick(0.04)
        live.add(piece(number))
        if number % int(MOST_WAITING_S * 0.9 / 0.04) == 0:
            viewer.look()
    viewer.look()
    assert len(viewer.fragments) == 1000


def test_what_waits_for_a_viewer_is_bounded_in_bytes_too() -> None:
    live = LiveVideo(FakeClock().monotonic)
    viewer = Viewer(live)
    live.begin(HEAD, [piece(0)])
    size = MOST_WAITING_BYTES // 10
    for number in range(1, 13):
        live.add(piece(number, size))
    assert viewer.viewing.over == "slow"


def test_everybody_gets_the_very_same_bytes() -> None:
    live = LiveVideo(FakeClock().monotonic)
    live_viewers = [Viewer(live) for _ in range(5)]
    live.begin(HEAD, [piece(0)])
    for number in range(1, 15):
        live.add(piece(number))
    live_viewers.append(Viewer(live))
    for each in live_viewers:
        each.look()
    contents = [[id(fragment) for fragment in each.fragments] for each in live_viewers]
    assert all(each == contents[0] for each in contents[:5])
    assert contents[5] == contents[0][10:]  # since the last key frame


def test_the_end_of_the_service_lets_everybody_go() -> None:
    live = LiveVideo(FakeClock().monotonic)
    woken: list[int] = []
    viewings = [live.join(lambda: woken.append(1)), live.join(lambda: woken.append(2))]
    live.close()
    assert [each.over for each in viewings] == ["closed", "closed"]
    assert sorted(woken) == [1, 2]
    assert live.viewers == 0


def test_units_are_found_as_an_independent_parser_finds_them(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", frames=40, gop=10, noise=60, slices=4, strict_gop=True)
    stream = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", clip, "-c", "copy", "-f", "h264", "-"], check=True, capture_output=True
    ).stdout
    mine = [unit for unit in nal_units(stream) if unit[0] & 31 in (1, 5)]
    with av.open(str(clip)) as container:
        theirs = [u for us in units_of([p for p in container.demux(video=0) if p.size], annex_b=False) for u in us]
    assert [u for u in theirs if u[0] & 31 in (1, 5)] == mine
    assert np.sum([len(unit) for unit in mine]) > 100_000
