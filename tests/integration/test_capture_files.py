"""Recordings, generated pictures and files played as cameras: real decoding, every frame in the books."""

from __future__ import annotations

import struct
import threading
import time
from itertools import pairwise

import av
import numpy as np
import pytest

import streamer.capture.source as room
from streamer.capture.convert import Converter, DecodedPicture
from streamer.errors import SourceCorrupt, SourceUnavailable
from streamer.fit import InputFit
from streamer.ledger import Link
from tests.cameras import Camera
from tests.clips import numbered_picture, read_number, write_clip, write_sound


@pytest.mark.parametrize("b_frames", [0, 2])
def test_a_file_of_n_frames_yields_n_frames_in_order_and_at_their_times(tmp_path, b_frames):
    clip = write_clip(tmp_path / "clip.mp4", frames=47, fps=12.5, b_frames=b_frames)
    camera = Camera(clip, analyse_fps=None)
    frames = camera.read()
    assert [read_number(f.image) for f in frames] == list(range(47))
    assert [f.index for f in frames] == list(range(47))
    assert [f.media_s for f in frames] == pytest.approx([n / 12.5 for n in range(47)], abs=1e-6)
    assert {f.session for f in frames} == {"clip.mp4"}
    assert camera.ledger.counts().received == 47
    assert camera.unaccounted(len(frames)) == 0
    assert camera.status.state().link is Link.ENDED


def test_only_the_frames_that_are_due_are_handed_over_and_the_rest_is_skipped_by_rate(tmp_path):
    camera = Camera(write_clip(tmp_path / "clip.mp4", frames=50, fps=25), analyse_fps=5)
    frames = camera.read()
    assert [read_number(f.image) for f in frames] == list(range(0, 50, 5))
    counts = camera.ledger.counts()
    assert (counts.received, dict(counts.skipped), dict(counts.dropped)) == (50, {"rate": 40}, {})


def test_a_recording_is_the_same_at_every_replay_and_knows_when_it_was_made(tmp_path):
    made = {"creation_time": "2024-03-01T12:00:00.000000Z"}
    clip = write_clip(tmp_path / "clip.mp4", frames=20, metadata=made)
    runs = [[(f.session, f.index, f.media_s, f.captured_at) for f in Camera(clip).read()] for _ in range(2)]
    assert runs[0] == runs[1]
    assert runs[0][0][3] == 1_709_294_400.0


def test_the_image_is_the_picture_at_the_size_at_which_the_model_sees_it(tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", frames=3, size_wh=(322, 178))
    [frame, *_] = Camera(clip, canvas_wh=(160, 160), analyse_fps=None).read()
    assert frame.source_wh == (322, 178)
    content_w, content_h = InputFit((160, 160)).of((322, 178)).content_wh
    assert frame.image.shape == (content_h, content_w, 3)
    full = frame.picture.rgb()
    assert full.shape == (178, 322, 3)
    truth = numbered_picture(0, (322, 178)).astype(int)
    assert np.abs(full.astype(int) - truth).mean() < 4


@pytest.mark.parametrize("size_wh", [(320, 240), (1280, 720)])
@pytest.mark.parametrize("full_range", [False, True])
def test_colours_are_right_for_every_label_that_cameras_put_on_them(size_wh, full_range):
    """Truth: the matrices of BT.601 and BT.709, written out; unlabelled means 601 in SD and 709 in HD."""
    y, u, v = 100, 90, 200
    bt601, bt709 = (0.299, 0.114), (0.2126, 0.0722)
    for label, (kr, kb) in {1: bt709, 6: bt601, 2: bt709 if size_wh[1] >= 720 else bt601}.items():
        frame = av.VideoFrame(*size_wh, "yuvj420p" if full_range else "yuv420p")
        for plane, value in zip(frame.planes, (y, u, v), strict=True):
            plane.update(bytes([value]) * plane.buffer_size)
        frame.colorspace, frame.color_range = label, 2 if full_range else 1
        luma, blue, red = (
            (y / 255, (u - 128) / 255, (v - 128) / 255)
            if full_range
            else ((y - 16) / 219, (u - 128) / 224, (v - 128) / 224)
        )
        r, b = luma + 2 * (1 - kr) * red, luma + 2 * (1 - kb) * blue
        truth = [255 * r, 255 * (luma - kr * r - kb * b) / (1 - kr - kb), 255 * b]
        for image in (Converter(InputFit((160, 160)), size_wh).image(frame), DecodedPicture(frame).rgb()):
            assert np.abs(image.reshape(-1, 3).mean(0) - truth).max() < 4.5, label


def test_a_phone_video_stands_upright(tmp_path):
    """The turn is in the track header of the file: write it there, as a phone does."""
    clip = write_clip(tmp_path / "clip.mp4", frames=3, size_wh=(320, 240))
    [plain, *_] = Camera(clip, analyse_fps=None).read()
    content = bytearray(clip.read_bytes())
    matrix_at = content.index(b"tkhd") + 4 + 40
    one = 1 << 16
    content[matrix_at : matrix_at + 36] = struct.pack(">9i", 0, one, 0, -one, 0, 0, 240 * one, 0, 1 << 30)
    turned_clip = tmp_path / "turned.mp4"
    turned_clip.write_bytes(content)
    [turned, *_] = Camera(turned_clip, analyse_fps=None).read()
    assert turned.source_wh == (240, 320)
    assert turned.image.shape == (160, 120, 3)
    clockwise = np.rot90(plain.picture.rgb(), -1)
    assert np.array_equal(turned.picture.rgb(), clockwise)


def test_broken_packets_are_counted_and_the_recording_goes_on(tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", frames=60, gop=10)
    content = bytearray(clip.read_bytes())
    with av.open(str(clip)) as container:
        packets = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    for position, size in packets[20:24]:
        content[position : position + size] = b"\xff" * size
    clip.write_bytes(content)
    camera = Camera(clip, analyse_fps=None)
    frames = camera.read()
    counts = camera.ledger.counts()
    numbers = [read_number(f.image) for f in frames]
    assert numbers[:20] == list(range(20))
    assert numbers[-30:] == list(range(30, 60))  # whole again from the next key frame on
    assert all(later > earlier for earlier, later in pairwise(numbers))
    assert dict(counts.dropped) == {"corrupt": 4}
    assert camera.unaccounted(len(frames)) == 0


def test_times_that_jump_in_a_recording_begin_a_new_session(tmp_path):
    times = [n / 25 for n in range(30)] + [100 + n / 25 for n in range(30)]
    camera = Camera(write_clip(tmp_path / "clip.mkv", frames=60, times_s=times), analyse_fps=None)
    frames = camera.read()
    first, second = ([f for f in frames if f.session == name] for name in ("clip.mkv", "clip.mkv#2"))
    assert [f.media_s for f in first] == pytest.approx([n / 25 for n in range(30)], abs=0.001)
    assert [f.media_s for f in second] == pytest.approx([n / 25 for n in range(29)], abs=0.001)
    assert dict(camera.ledger.counts().dropped) == {"timestamp": 1}
    assert camera.unaccounted(len(frames)) == 0


def test_a_change_of_the_picture_size_begins_a_new_session(tmp_path):
    parts = [write_clip(tmp_path / f"{i}.ts", frames=20, size_wh=wh) for i, wh in enumerate([(320, 240), (640, 360)])]
    clip = tmp_path / "both.ts"
    clip.write_bytes(parts[0].read_bytes() + parts[1].read_bytes())
    camera = Camera(clip, analyse_fps=None)
    frames = camera.read()
    sizes = {f.session: f.source_wh for f in frames}
    assert list(sizes.values())[:2] == [(320, 240), (640, 360)]
    assert all(f.image.shape[1::-1] == InputFit((160, 160)).of(f.source_wh).content_wh for f in frames)
    assert next(f.media_s for f in frames if f.source_wh == (640, 360)) == 0.0
    assert camera.unaccounted(len(frames)) == 0


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda p: p / "missing.mp4", "does not exist; check the path"),
        (lambda p: _write(p / "garbage.mp4", bytes(range(256)) * 40), "not a video that can be read"),
        (lambda p: _write(p / "empty.mp4", b""), "not a video that can be read"),
        (lambda p: write_sound(p / "sound.mp4"), "no video track"),
        (lambda p: _without_index(write_clip(p / "cut.mp4")), "not a video that can be read"),
        (lambda p: p, "may not be read"),
    ],
)
def test_a_file_that_cannot_be_read_says_so_in_one_sentence(tmp_path, make, says):
    camera = Camera(make(tmp_path))
    with pytest.raises(SourceUnavailable, match=says) as caught:
        camera.read()
    assert str(caught.value).startswith("camera 'gate': ")
    assert camera.status.state().trouble == str(caught.value)
    assert camera.status.state().link is Link.OFFLINE


def test_a_codec_that_nobody_here_knows_is_named_as_the_trouble(tmp_path):
    clip = write_clip(tmp_path / "clip.mp4")
    clip.write_bytes(clip.read_bytes().replace(b"avc1", b"zzz9"))
    with pytest.raises(SourceUnavailable, match=r"cannot be decoded here.*H\.264"):
        Camera(clip).read()


def test_a_recording_of_nothing_but_broken_packets_is_corrupt(tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", frames=10)
    content = bytearray(clip.read_bytes())
    with av.open(str(clip)) as container:
        for packet in container.demux(video=0):
            if packet.size:
                content[packet.pos : packet.pos + packet.size] = b"\xff" * packet.size
    clip.write_bytes(content)
    camera = Camera(clip)
    with pytest.raises(SourceCorrupt, match="not one picture"):
        camera.read()
    assert camera.unaccounted(0) == 0


def test_a_file_played_as_a_camera_takes_its_own_time_and_is_stamped_with_ours(tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", frames=15, fps=25)
    camera = Camera(clip, pace="realtime", analyse_fps=None)
    began, began_at = time.monotonic(), time.time()
    frames = camera.read()
    assert 14 / 25 <= time.monotonic() - began < 5
    assert all(b.received_s - a.received_s > 0.03 for a, b in pairwise(frames))
    assert abs(frames[0].captured_at - began_at) < 5
    assert frames[-1].captured_at - frames[0].captured_at == pytest.approx(14 / 25)
    assert frames[0].session != "clip.mp4"


def test_closing_wakes_a_file_that_waits_for_its_next_frame(tmp_path):
    clip = write_clip(tmp_path / "clip.mkv", frames=3, times_s=[0.0, 0.04, 9.0])
    with Camera(clip, pace="realtime", analyse_fps=None).running() as camera:
        camera.wait_for(lambda c: len(c.frames) == 2)
        began_s = time.monotonic()
        camera.source.close()
        assert camera.ended.wait(5)
        assert time.monotonic() - began_s < 2
        assert len(camera.frames) == 3  # it was decoded already: nothing that was read is lost
        assert camera.frames[-1].received_s <= time.monotonic()
    assert camera.unaccounted(3) == 0


def test_a_looped_file_is_a_new_session_at_every_pass(tmp_path):
    camera = Camera(write_clip(tmp_path / "clip.mp4", frames=10), loop=True, analyse_fps=None)
    frames = camera.read(most=25)
    assert [f.session for f in frames] == ["clip.mp4"] * 10 + ["clip.mp4#2"] * 10 + ["clip.mp4#3"] * 5
    assert [f.index for f in frames] == [*range(10), *range(10), *range(5)]
    assert camera.unaccounted(len(frames)) == 0


def test_leaving_early_leaves_nothing_unaccounted(tmp_path):
    camera = Camera(write_clip(tmp_path / "clip.mp4", frames=40, b_frames=2), analyse_fps=None)
    frames = camera.source.frames()
    taken = [next(frames) for _ in range(3)]
    frames.close()
    assert camera.ledger.counts().dropped["shutdown"] > 0
    assert camera.unaccounted(len(taken)) == 0


@pytest.mark.parametrize("b_frames", [0, 2])
@pytest.mark.parametrize("taken", [1, 2, 7])
def test_who_closes_and_reads_on_gets_all_that_was_read(tmp_path, taken, b_frames):
    """What lies in the decoder and on the timeline then is neither lost nor out of order."""
    camera = Camera(write_clip(tmp_path / "clip.mp4", frames=40, b_frames=b_frames), analyse_fps=None)
    frames = camera.source.frames()
    read = [next(frames) for _ in range(taken)]
    camera.source.close()
    read += frames
    counts = camera.ledger.counts()
    assert [frame.index for frame in read] == list(range(counts.received))
    assert taken <= len(read) < 40
    assert counts.dropped == {}
    assert camera.unaccounted(len(read)) == 0


def test_generated_pictures_come_at_their_own_speed():
    camera = Camera("testsrc2=size=640x360:rate=25,realtime", format="lavfi", analyse_fps=5)
    frames = camera.read(most=4)
    assert [f.index for f in frames] == [0, 5, 10, 15]
    assert [f.media_s for f in frames] == pytest.approx([0, 0.2, 0.4, 0.6])
    assert frames[-1].received_s - frames[0].received_s > 0.4


def test_all_the_opening_and_closing_happens_on_the_thread_that_iterates(tmp_path, monkeypatch):
    threads = set()

    def connect(*about):
        threads.add(threading.get_ident())
        connection = real(*about)
        close = connection.close
        connection.close = lambda: (threads.add(threading.get_ident()), close())[1]
        return connection

    real = room.connect
    monkeypatch.setattr(room, "connect", connect)
    camera = Camera(write_clip(tmp_path / "clip.mp4", frames=5), pace="realtime", loop=True)
    with camera.running():
        camera.wait_for(lambda c: len(c.frames) >= 2)
        camera.source.close()
        assert camera.ended.wait(5)
    assert len(threads) == 1
    assert threading.get_ident() not in threads


def _write(path, content):
    path.write_bytes(content)
    return path


def _without_index(clip):
    content = clip.read_bytes()
    clip.write_bytes(content[: content.index(b"moov") - 4])
    return clip


def test_a_packet_that_is_sent_twice_is_one_picture_and_spoils_none(tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", frames=40, gop=40)
    doubled = tmp_path / "doubled.mkv"
    with av.open(str(clip)) as given, av.open(str(doubled), "w", format="matroska") as sent:
        stream = sent.add_stream_from_template(given.streams.video[0])
        for n, packet in enumerate(p for p in given.demux(video=0) if p.size):
            packet.stream = stream
            pts, dts, base = packet.pts, packet.dts, packet.time_base
            sent.mux_one(packet)
            if n in (7, 8, 21):
                packet.pts, packet.dts, packet.time_base, packet.stream = pts, dts, base, stream
                sent.mux_one(packet)
    plain, camera = Camera(clip, analyse_fps=None), Camera(doubled, analyse_fps=None)
    expected, frames = plain.read(), camera.read()
    assert [f.index for f in frames] == list(range(40))
    assert all(np.array_equal(a.image, b.image) for a, b in zip(frames, expected, strict=True))
    assert dict(camera.ledger.counts().dropped) == {"repeated": 3}
    assert camera.unaccounted(len(frames)) == 0
