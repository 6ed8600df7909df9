"""Key frames alone: the very pictures that decoding everything would give, the rest let go and in the books."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamer.capture.gate import Gate
from tests.cameras import Camera
from tests.clips import numbered_picture, read_number, write_clip
from tests.rtsp import aio_rtsp_server


def encoded(path: Path, codec: str, frames: int, options: dict[str, str], fps: int = 25) -> Path:
    """Numbered pictures by any encoder, options as it names them."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        stream.codec_context.thread_count = 1
        stream.codec_context.options = options
        for i in range(frames):
            frame = av.VideoFrame.from_ndarray(numbered_picture(i, (320, 240)), format="rgb24")
            frame.pts, frame.time_base = i, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def read_both(clip: Path) -> tuple[list, list, dict]:
    """Frames of key frames alone, those of the same times of everything, and the books of the first."""
    camera = Camera(clip, analyse_fps=None, decode="key_frames")
    alone = camera.read()
    counts = camera.ledger.counts()
    assert camera.unaccounted(len(alone)) == 0
    every = {round(f.media_s, 4): f for f in Camera(clip, analyse_fps=None).read()}
    return alone, [every[round(f.media_s, 4)] for f in alone], {"received": counts.received, **counts.skipped}


STRUCTURES = {
    "plain": ("libx264", {"g": "25", "bf": "0"}),
    "reordered": ("libx264", {"g": "20", "bf": "3"}),
    "open groups": ("libx264", {"g": "20", "bf": "3", "x264-params": "open-gop=1"}),
    "h265": ("libx265", {"x265-params": "keyint=20:min-keyint=20:bframes=0:log-level=none"}),
    "h265 reordered, open groups": ("libx265", {"x265-params": "keyint=20:min-keyint=20:bframes=3:log-level=none"}),
    "mpeg4": ("mpeg4", {"g": "15", "bf": "2"}),
}


@pytest.mark.parametrize("structure", STRUCTURES)
def test_key_frames_alone_are_the_same_pictures_to_the_last_bit(tmp_path, structure):
    codec, options = STRUCTURES[structure]
    clip = encoded(tmp_path / "clip.mp4", codec, 90, options)
    alone, same, books = read_both(clip)
    assert 4 <= len(alone) <= 7
    for one, other in zip(alone, same, strict=True):
        np.testing.assert_array_equal(one.picture.rgb(), other.picture.rgb())
    assert books == {"received": 90, "asleep": 90 - len(alone)}


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(gop=st.integers(1, 40), b_frames=st.integers(0, 3), frames=st.integers(2, 80))
def test_whatever_the_groups_every_key_frame_is_seen_at_its_time(tmp_path, gop, b_frames, frames):
    clip = write_clip(tmp_path / "clip.mp4", frames=frames, gop=gop, b_frames=b_frames)
    alone, same, books = read_both(clip)
    assert [read_number(f.image) for f in alone] == [read_number(f.image) for f in same]
    assert [f.media_s for f in alone] == pytest.approx([read_number(f.image) / 25 for f in alone], abs=1e-3)
    with av.open(str(clip)) as container:
        keys = sorted(packet.pts * packet.time_base for packet in container.demux(video=0) if packet.is_keyframe)
    assert [f.media_s for f in alone] == pytest.approx([float(at - keys[0]) for at in keys], abs=1e-3)
    assert books == {"received": frames, **({"asleep": frames - len(keys)} if len(keys) < frames else {})}


def test_where_every_picture_stands_alone_every_one_is_seen(tmp_path):
    clip = tmp_path / "clip.avi"
    with av.open(str(clip), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuvj420p"
        for i in range(12):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(numbered_picture(i, (320, 240)), format="rgb24")))
        container.mux(stream.encode())
    frames = Camera(clip, analyse_fps=None, decode="key_frames").read()
    assert [read_number(f.image) for f in frames] == list(range(12))


@pytest.mark.parametrize(("container", "most"), [("mkv", 750), ("h264", 30)])
def test_a_stream_that_is_refreshed_piece_by_piece_is_decoded_after_all_and_says_so(
    tmp_path, monkeypatch, caplog, container, most
):
    """In a container the beginning of a refresh is marked as a key frame, and makes no picture alone."""
    monkeypatch.setattr(Gate, "MOST_WITHOUT_KEY", most)
    options = {"g": "20", "bf": "0", "x264-params": "intra-refresh=1"}
    clip = encoded(tmp_path / f"clip.{container}", "libx264", 160, options)
    camera = Camera(clip, analyse_fps=None, decode="key_frames")
    frames = camera.read()
    assert camera.unaccounted(len(frames)) == 0
    assert read_number(frames[0].image) == 0
    assert [read_number(f.image) for f in frames[-40:]] == list(range(120, 160))
    assert "no key frames that stand alone" in caplog.text


def test_over_rtsp_they_are_the_same_as_from_the_file(tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", frames=100, fps=25, gop=10)
    from_file = Camera(clip, decode="key_frames").read(most=6)
    with aio_rtsp_server(tmp_path) as server:
        camera = Camera(server.url("clip.mp4", loop=True), decode="key_frames")
        over_network = camera.read(most=6)
    assert [read_number(f.image) for f in over_network] == [read_number(f.image) for f in from_file]
    assert [f.media_s for f in over_network] == pytest.approx([f.media_s for f in from_file], abs=0.002)
    for one, other in zip(over_network, from_file, strict=True):
        np.testing.assert_array_equal(one.picture.rgb(), other.picture.rgb())
    assert camera.ledger.counts().skipped["asleep"] >= 40


def test_a_camera_that_is_looked_at_seldom_is_looked_at_at_the_next_key_frame_that_is_due(tmp_path):
    clip = encoded(tmp_path / "clip.mp4", "libx264", 250, {"g": "25", "bf": "0", "sc_threshold": "0"})
    with av.open(str(clip)) as container:
        keys_s = [float(packet.pts * packet.time_base) for packet in container.demux(video=0) if packet.is_keyframe]
    camera = Camera(clip, analyse_fps=None, decode="key_frames", look_every_s=2.5)
    looked_s = [frame.media_s for frame in camera.read()]
    due, last_s = [], -10.0
    for at_s in keys_s:
        if at_s - last_s >= 2.5:
            due.append(at_s)
            last_s = at_s
    assert looked_s == pytest.approx(due, abs=1e-3)
    assert len(due) < len(keys_s) / 2
    assert camera.ledger.counts().skipped == {"asleep": 250 - len(due)}
