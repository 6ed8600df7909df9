"""Clips hold what the camera showed, to the bit: from before the alert until after it, and they play."""

from __future__ import annotations

import errno
import hashlib
import logging
import struct
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import av
import numpy as np
import pytest

from streamer.errors import FootageError
from streamer.footage.camera_footage import MOST_CLIPS, CameraFootage, ClipLimits
from streamer.footage.mp4_file import Mp4File, VideoFile
from streamer.footage.stream_header import StreamHeader
from streamer.packet_ring import KeptPacket
from streamer.types import Clip
from tests.clips import write_clip
from tests.footage import EPOCH, alert, boxes, pictures, same_pictures, show

LIMITS = ClipLimits(before_s=2.0, after_s=1.5, most_s=60.0)
STREAMS = {
    "h264": {},
    "h264 with B-frames": {"b_frames": 2},
    "h264 with open groups": {"b_frames": 2, "open_gop": True},
    "h265": {"codec": "libx265"},
    "h265 with open groups": {"codec": "libx265", "b_frames": 3, "open_gop": True},
}


def footage(folder: Path, limits: ClipLimits | None = LIMITS, **more: object) -> CameraFootage:
    return CameraFootage("gate", folder, clips=limits, **more)  # type: ignore[arg-type]


class Told:
    """Clips that are told of."""

    def __init__(self) -> None:
        self.clips: dict[str, Clip | None] = {}

    def of(self, alert_id: str):
        return lambda clip: self.clips.__setitem__(alert_id, clip)


def at_times(**moments: object):
    """Calls each function once, when its stream time has come: at_times(_3_2=f) at 3.2 s."""
    left = {float(name[1:].replace("_", ".")): act for name, act in moments.items()}

    def at(stream_s: float) -> None:
        for due_s in [due_s for due_s in left if due_s <= stream_s]:
            left.pop(due_s)()  # type: ignore[operator]

    return at


def clip_of(
    folder: Path, video: Path, *, begins_s: float, ends_s: float, limits: ClipLimits = LIMITS, every_s: float = 0.5
) -> tuple[Clip | None, CameraFootage]:
    """The clip of one alert that opens at begins_s and is closed at ends_s, the writer looking in every so often."""
    camera, told, state = footage(folder, limits), Told(), {"next_s": 0.0, "opened": False, "closed": False}

    def at(stream_s: float) -> None:
        if stream_s >= begins_s and not state["opened"]:
            state["opened"] = True
            camera.begin(alert("a1", begins_s), told.of("a1"))
        if stream_s >= ends_s and not state["closed"]:
            state["closed"] = True
            camera.end("a1", EPOCH + ends_s)
        if stream_s >= state["next_s"]:
            state["next_s"] = stream_s + every_s
            camera.write()

    show(camera, video, at=at)
    camera.write()
    return told.clips.get("a1"), camera


@pytest.mark.parametrize("stream", STREAMS)
def test_a_clip_shows_what_the_camera_showed_to_the_bit(tmp_path: Path, stream: str) -> None:
    video = write_clip(tmp_path / "source.mp4", frames=250, gop=20, strict_gop=True, **STREAMS[stream])  # type: ignore[arg-type]
    clip, _ = clip_of(tmp_path, video, begins_s=4.3, ends_s=5.1)
    assert clip is not None
    path = tmp_path / clip.path
    shown, source = pictures(path), pictures(video)
    times_s = same_pictures(shown, source, clip.from_at - EPOCH)
    assert shown[0][0] == 0.0
    assert times_s[0] <= 4.3 - LIMITS.before_s  # all of the lead-up, and no more than the group it is in
    assert times_s[0] > 4.3 - LIMITS.before_s - 0.8 - 0.001
    assert 5.1 + LIMITS.after_s - 0.041 <= times_s[-1] <= 5.1 + LIMITS.after_s + 0.2
    assert np.allclose(np.diff(times_s), 0.04, atol=0.002)  # none is missing
    assert clip.to_at - clip.from_at == pytest.approx(len(shown) * 0.04, abs=0.005)
    assert (clip.sha256, clip.bytes) == (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_size)


@pytest.mark.parametrize(("stream", "tag"), [("h264", "avc1"), ("h265", "hvc1")])
def test_a_browser_can_begin_to_play_before_all_has_come(tmp_path: Path, stream: str, tag: str) -> None:
    video = write_clip(tmp_path / "source.mp4", frames=200, gop=20, strict_gop=True, **STREAMS[stream])  # type: ignore[arg-type]
    clip, _ = clip_of(tmp_path, video, begins_s=3.0, ends_s=3.0)
    assert clip is not None
    names = boxes(tmp_path / clip.path)
    assert names.index("moov") < names.index("mdat")
    assert clip.codec == {"h264": "h264", "h265": "hevc"}[stream]
    with av.open(str(tmp_path / clip.path)) as container:
        assert container.streams.video[0].codec_context.codec_tag == tag
        assert container.streams.video[0].start_time == 0


def test_a_clip_says_whose_it_is_and_when_its_first_picture_was(tmp_path: Path) -> None:
    video = write_clip(tmp_path / "source.mp4", frames=150, gop=20, strict_gop=True)
    clip, _ = clip_of(tmp_path, video, begins_s=3.0, ends_s=3.0)
    assert clip is not None
    assert clip.path == "clips/2025-06-15/a1.mp4"
    with av.open(str(tmp_path / clip.path)) as container:
        tags = container.metadata
    assert (tags["camera"], tags["alert"], tags["title"]) == ("gate", "a1", "intrusion at gate")
    assert datetime.fromisoformat(tags["creation_time"]).timestamp() == pytest.approx(clip.from_at, abs=0.001)


def test_a_turned_camera_stays_turned(tmp_path: Path) -> None:
    video = write_clip(tmp_path / "source.mp4", frames=150, gop=20, strict_gop=True)
    content = bytearray(video.read_bytes())
    at = content.find(b"tkhd") + 44  # the matrix, in a version 0 box
    assert struct.unpack(">9i", content[at : at + 36]) == (65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)
    content[at : at + 36] = struct.pack(">9i", 0, 65536, 0, -65536, 0, 0, 240 << 16, 0, 1 << 30)
    video.write_bytes(content)
    clip, _ = clip_of(tmp_path, video, begins_s=3.0, ends_s=3.0)
    assert clip is not None
    with av.open(str(video)) as source, av.open(str(tmp_path / clip.path)) as container:
        assert next(container.decode(video=0)).rotation == next(source.decode(video=0)).rotation != 0


def test_a_long_alert_has_a_clip_of_its_first_time_and_is_told_of_it_while_it_goes_on(tmp_path: Path) -> None:
    video = write_clip(tmp_path / "source.mp4", frames=250, gop=20, strict_gop=True)
    clip, _ = clip_of(tmp_path, video, begins_s=3.0, ends_s=1e9, limits=ClipLimits(2.0, 10.0, 4.0))
    assert clip is not None
    assert clip.to_at - clip.from_at == pytest.approx(4.0, abs=0.05)


def test_two_alerts_at_once_have_a_clip_each_out_of_the_same_packets(tmp_path: Path) -> None:
    video = write_clip(tmp_path / "source.mp4", frames=250, gop=20, strict_gop=True, b_frames=2)
    camera, told = footage(tmp_path), Told()
    at = at_times(
        _3_0=lambda: camera.begin(alert("a", 3.0), told.of("a")),
        _3_6=lambda: camera.begin(alert("b", 3.5), told.of("b")),
        _4_0=lambda: (camera.write(), camera.end("a", EPOCH + 4.0)),
        _5_0=lambda: (camera.write(), camera.end("b", EPOCH + 5.0)),
    )
    show(camera, video, at=at)
    camera.write()
    source = pictures(video)
    spans = {}
    for name, clip in told.clips.items():
        assert clip is not None
        times_s = same_pictures(pictures(tmp_path / clip.path), source, clip.from_at - EPOCH)
        spans[name] = (times_s[0], times_s[-1])
    assert spans["a"] == pytest.approx((0.8, 5.5), abs=0.1)
    assert spans["b"] == pytest.approx((0.8, 6.5), abs=0.1)


def test_packets_are_left_as_they_were_for_the_decoder_beside(tmp_path: Path) -> None:
    video = write_clip(tmp_path / "source.mp4", frames=150, gop=20, strict_gop=True, b_frames=2)
    camera, told, seen = footage(tmp_path), Told(), []

    class Beside(CameraFootage):
        def packet(self, packet, stream_s):
            seen.append((packet, packet.pts, packet.dts, packet.time_base, packet.stream, bytes(packet)))
            camera.packet(packet, stream_s)

        def opened(self, stream):
            camera.opened(stream)

        def timed(self, captured_at_zero):
            camera.timed(captured_at_zero)

        def closed(self):
            camera.closed()

    show(
        Beside("gate", tmp_path, clips=None), video, at=at_times(_3_0=lambda: camera.begin(alert("a", 3), told.of("a")))
    )
    camera.write()
    assert told.clips["a"] is not None
    for packet, *was in seen:
        assert [packet.pts, packet.dts, packet.time_base, packet.stream, bytes(packet)] == was


def test_a_reconnect_ends_a_clip_and_what_there_is_is_kept(tmp_path: Path) -> None:
    first = write_clip(tmp_path / "first.mp4", frames=100, gop=20, strict_gop=True)
    second = write_clip(
        tmp_path / "second.mp4", frames=100, gop=20, strict_gop=True, size_wh=(160, 120), first_number=500
    )
    camera, told = footage(tmp_path), Told()
    show(camera, first, at=at_times(_3_0=lambda: camera.begin(alert("a", 3), told.of("a"))))
    show(camera, second, zero_at=EPOCH + 5.0, at=at_times(_1_0=camera.write))
    clip = told.clips["a"]
    assert clip is not None
    times_s = same_pictures(pictures(tmp_path / clip.path), pictures(first), clip.from_at - EPOCH)
    assert times_s[-1] == pytest.approx(3.96)
    assert clip.to_at == pytest.approx(EPOCH + 4.0, abs=0.001)


def test_an_alert_that_comes_just_after_a_reconnect_has_the_pictures_of_its_own_time(tmp_path: Path) -> None:
    first = write_clip(tmp_path / "first.mp4", frames=100, gop=20, strict_gop=True)
    second = write_clip(tmp_path / "second.mp4", frames=50, gop=20, strict_gop=True, first_number=500)
    camera, told = footage(tmp_path), Told()
    show(camera, first)
    late = at_times(_0_4=lambda: camera.begin(alert("a", 3.5), told.of("a")), _1_0=camera.write)
    show(camera, second, zero_at=EPOCH + 4.5, at=late)
    clip = told.clips["a"]
    assert clip is not None
    assert same_pictures(pictures(tmp_path / clip.path), pictures(first), clip.from_at - EPOCH)[-1] > 3.9


def test_an_alert_after_the_connections_end_still_has_its_clip(tmp_path: Path) -> None:
    video = write_clip(tmp_path / "source.mp4", frames=100, gop=20, strict_gop=True)
    camera, told = footage(tmp_path), Told()
    show(camera, video)
    camera.begin(alert("a", 3.8), told.of("a"))
    camera.write()
    clip = told.clips["a"]
    assert clip is not None
    assert clip.from_at == pytest.approx(EPOCH + 1.6, abs=0.001)
    assert clip.to_at == pytest.approx(EPOCH + 4.0, abs=0.001)


def test_a_stop_completes_what_is_being_written(tmp_path: Path) -> None:
    video = write_clip(tmp_path / "source.mp4", frames=150, gop=20, strict_gop=True)
    camera, told = footage(tmp_path), Told()
    show(camera, video, at=at_times(_4_0=lambda: camera.begin(alert("a", 4), told.of("a"))), close=False)
    camera.write()
    assert told.clips == {}
    camera.finish()
    clip = told.clips["a"]
    assert clip is not None
    assert len(pictures(tmp_path / clip.path)) == 110  # from 1.6 s to the end


def test_the_ring_reaches_back_as_far_as_was_promised_and_not_much_further(tmp_path: Path) -> None:
    video = write_clip(tmp_path / "source.mp4", frames=600, gop=25, strict_gop=True, size_wh=(64, 48))
    camera = footage(tmp_path, ClipLimits(5.0, 1.0, 60.0), opens_within_s=2.0)
    told, reach_s = Told(), []

    def late() -> None:
        held = camera._reception.ring.since(0)  # type: ignore[union-attr]
        reach_s.append(held[-1].stream_s - held[0].stream_s)
        camera.begin(alert("a", 15.0), told.of("a"))

    # By all that a rule and the analysis may take: 2 s to open, 3 s to be heard of.
    show(camera, video, at=at_times(_20_0=late))
    camera.finish()
    clip = told.clips["a"]
    assert clip is not None
    assert clip.from_at == pytest.approx(EPOCH + 10.0, abs=0.001)
    assert 10.0 <= reach_s[0] <= 10.0 + 2 * 1.0


def test_a_camera_that_sends_too_much_has_a_shorter_lead_up_and_never_more_memory(tmp_path: Path) -> None:
    video = write_clip(tmp_path / "source.mp4", frames=250, gop=20, strict_gop=True)
    size = sum(len(bytes(p)) for p in _packets(video))
    camera, told, most = footage(tmp_path, ClipLimits(8.0, 1.0, 60.0), most_bytes=size // 4), Told(), []
    at = at_times(_8_0=lambda: camera.begin(alert("a", 8), told.of("a")), _8_2=camera.write)
    show(camera, video, at=lambda s: (at(s), most.append(camera.ring_bytes)))
    camera.finish()
    clip = told.clips["a"]
    assert clip is not None
    assert max(most) <= size // 4
    assert EPOCH < clip.from_at < EPOCH + 8.0


def _packets(video: Path) -> list[av.Packet]:
    with av.open(str(video)) as container:
        return [packet for packet in container.demux(video=0) if packet.size]


def test_parameters_that_come_only_with_the_key_frames_are_taken_from_there(tmp_path: Path) -> None:
    video = write_clip(tmp_path / "source.mp4", frames=150, gop=20, strict_gop=True)
    camera, told = footage(tmp_path), Told()
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        to_annex_b = av.bitstream.BitStreamFilterContext("h264_mp4toannexb", stream)
        camera.opened(stream)
        camera._reception.header = StreamHeader("h264", False, b"")  # type: ignore[union-attr] # the SDP said nothing
        camera.timed(EPOCH)
        for packet in container.demux(stream):
            for bare in to_annex_b.filter(packet):
                camera.packet(bare, float(bare.pts * stream.time_base))
    camera.begin(alert("a", 4), told.of("a"))
    camera.finish()
    clip = told.clips["a"]
    assert clip is not None
    assert len(same_pictures(pictures(tmp_path / clip.path), pictures(video), clip.from_at - EPOCH)) == 110


def test_motion_jpeg_is_kept_and_says_what_it_is(tmp_path: Path) -> None:
    video = write_clip(tmp_path / "source.mov", frames=150, codec="mjpeg", pix_fmt="yuvj420p")
    clip, _ = clip_of(tmp_path, video, begins_s=3.0, ends_s=3.0)
    assert clip is not None
    assert clip.codec == "mjpeg"
    assert clip.from_at == pytest.approx(EPOCH + 1.0, abs=0.001)  # every picture is a key frame
    same_pictures(pictures(tmp_path / clip.path), pictures(video), clip.from_at - EPOCH)


def test_a_codec_that_cannot_be_kept_is_said_once_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    video = write_clip(tmp_path / "source.avi", frames=100, codec="rawvideo", size_wh=(64, 48))
    camera, told = footage(tmp_path), Told()
    with caplog.at_level(logging.WARNING):
        show(camera, video)
        show(camera, video)
        camera.begin(alert("a", 3), told.of("a"))
    assert told.clips == {"a": None}
    assert camera.ring_bytes == 0
    assert [r.message for r in caplog.records] == [
        "camera 'gate': its codec, rawvideo, cannot be kept as MP4; have the camera send H.264 or H.265, or set "
        "'clips: null'"
    ]
    assert ("streamer_footage_failures_total", ("gate", "codec"), 3.0) in list(camera.rows())


class FullDisk:
    """A VideoFile on a disk that takes so many packets."""

    def __init__(self, takes: int) -> None:
        self.takes, self.files = takes, 0

    def __call__(
        self, path: Path, header: StreamHeader, options: Mapping[str, str], metadata: Mapping[str, str]
    ) -> VideoFile:
        self.files += 1
        disk, inner = self, Mp4File(path, header, options, metadata)

        class File:
            seconds = 0.0

            def write(self, kept: KeptPacket) -> None:
                disk.takes -= 1
                if disk.takes < 0:
                    raise FootageError(f"{path} cannot be written: {errno.errorcode[errno.ENOSPC]}")
                inner.write(kept)

            def close(self) -> None:
                inner.close()

        return File()


def test_a_full_disk_costs_the_clip_and_nothing_else(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    video = write_clip(tmp_path / "source.mp4", frames=250, gop=20, strict_gop=True)
    camera, told = footage(tmp_path, open_file=FullDisk(takes=60)), Told()
    at = at_times(
        _3_0=lambda: camera.begin(alert("a", 3.0), told.of("a")),
        _4_0=camera.write,
        _8_0=lambda: camera.begin(alert("b", 8.0), told.of("b")),
    )
    with caplog.at_level(logging.WARNING):
        show(camera, video, at=at)
        camera.finish()
    assert told.clips == {"a": None, "b": None}
    assert [p for p in tmp_path.rglob("clips/**/*") if p.is_file()] == []
    assert ("streamer_footage_failures_total", ("gate", "disk"), 2.0) in list(camera.rows())
    [said] = [r.message for r in caplog.records]
    assert "alert a has no clip" in said
    assert "ENOSPC" in said


def test_a_disk_that_is_really_full_is_said_in_a_sentence(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    resource = pytest.importorskip("resource")
    video = write_clip(tmp_path / "source.mp4", frames=250, gop=20, strict_gop=True)
    camera, told = footage(tmp_path), Told()
    show(camera, video, at=at_times(_3_0=lambda: camera.begin(alert("a", 3.0), told.of("a"))))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))  # the kernel refuses more, as a full disk would
    try:
        with caplog.at_level(logging.WARNING):
            camera.finish()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert told.clips == {"a": None}
    assert "cannot be written: File too large; free space" in caplog.text
    assert [p for p in tmp_path.rglob("clips/**/*") if p.is_file()] == []


def test_a_slow_disk_ends_the_clip_early_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    video = write_clip(tmp_path / "source.mp4", frames=500, gop=20, strict_gop=True)
    size = sum(len(bytes(p)) for p in _packets(video))
    camera, told = footage(tmp_path, most_bytes=size // 5), Told()
    at = at_times(
        _3_0=lambda: camera.begin(alert("a", 3.0), told.of("a")),
        _4_0=camera.write,  # and then not for a long time
        _15_0=camera.write,
    )
    with caplog.at_level(logging.WARNING):
        show(camera, video, at=at)
    clip = told.clips["a"]
    assert clip is not None
    times_s = same_pictures(pictures(tmp_path / clip.path), pictures(video), clip.from_at - EPOCH)
    assert times_s[-1] == pytest.approx(4.0, abs=0.05)
    assert "ends early: the disk is too slow" in caplog.text
    assert ("streamer_footage_failures_total", ("gate", "behind"), 1.0) in list(camera.rows())


def test_packets_wait_for_a_writer_that_is_late_as_long_as_memory_allows(tmp_path: Path) -> None:
    video = write_clip(tmp_path / "source.mp4", frames=750, gop=20, strict_gop=True, size_wh=(64, 48))
    camera, told = footage(tmp_path), Told()
    show(camera, video, at=at_times(_3_0=lambda: camera.begin(alert("a", 3.0), told.of("a"))))
    camera.write()  # only now, 27 s later
    clip = told.clips["a"]
    assert clip is not None
    assert clip.to_at - clip.from_at == pytest.approx(30.0 - 0.8, abs=0.01)


def test_more_clips_at_once_than_a_disk_should_bear_are_refused(tmp_path: Path) -> None:
    video = write_clip(tmp_path / "source.mp4", frames=100, gop=20, strict_gop=True, size_wh=(64, 48))
    camera, told = footage(tmp_path), Told()
    show(camera, video)
    for n in range(MOST_CLIPS + 2):
        camera.begin(alert(f"a{n}", 3.0), told.of(f"a{n}"))
    assert told.clips == {f"a{MOST_CLIPS}": None, f"a{MOST_CLIPS + 1}": None}
    camera.finish()
    assert sum(clip is not None for clip in told.clips.values()) == MOST_CLIPS


def test_a_jump_of_the_cameras_time_ends_the_clip(tmp_path: Path) -> None:
    times_s = [n / 25 for n in range(100)] + [60.0 + n / 25 for n in range(50)]  # the container itself has a gap
    video = write_clip(tmp_path / "source.mp4", frames=150, gop=20, strict_gop=True, times_s=times_s)
    clip, _ = clip_of(tmp_path, video, begins_s=3.0, ends_s=90.0)
    assert clip is not None
    assert len(pictures(tmp_path / clip.path)) == 100 - 20


def test_an_alert_before_any_packet_has_no_clip_and_is_counted(tmp_path: Path) -> None:
    camera, told = footage(tmp_path), Told()
    camera.begin(alert("a", 0.0), told.of("a"))
    assert told.clips == {"a": None}
    assert ("streamer_footage_failures_total", ("gate", "nothing"), 1.0) in list(camera.rows())


@pytest.mark.alone
def test_showing_a_packet_costs_the_capture_thread_microseconds(tmp_path: Path) -> None:
    import time

    video = write_clip(tmp_path / "source.mp4", frames=250, gop=20, strict_gop=True)
    camera, packets = footage(tmp_path), _packets(video)
    with av.open(str(video)) as container:
        camera.opened(container.streams.video[0])
    took_s = []
    for _ in range(20):
        began_s = time.thread_time()
        for packet in packets:
            camera.packet(packet, float(packet.pts) / 90_000)
        took_s.append((time.thread_time() - began_s) / len(packets))
    assert min(took_s) < 30e-6
