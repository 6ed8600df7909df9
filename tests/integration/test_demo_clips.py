"""Clips: drawn once, whole or not at all, and what is decoded is what was drawn."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from streamer.demo import clips
from streamer.demo.clips import FPS, Clip, draw_clip, encode, prepare_clips
from streamer.demo.errors import DemoError
from streamer.demo.street import Street
from streamer.demo.truth import Play
from streamer.demo.views import PERIOD_S, SEED, VIEWS


@pytest.mark.timeout(120)
def test_clips_are_drawn_once_with_their_truth_and_old_ones_go(tmp_path: Path) -> None:
    stale = tmp_path / "gate-0123456789ab.mp4"
    stale.write_bytes(b"of an older version")
    told: list[tuple[int, int]] = []
    drawn = prepare_clips(tmp_path, lambda done, total: told.append((done, total)))
    assert drawn is not None
    assert not stale.exists()
    assert set(drawn) == set(VIEWS)
    assert told[-1][0] == told[-1][1] == 3 * PERIOD_S * FPS
    for camera, clip in drawn.items():
        play = Play.load(clip.truth)
        assert play.period_s == PERIOD_S
        with av.open(str(clip.video)) as video:
            stream = video.streams.video[0]
            assert (stream.codec_context.name, stream.average_rate) == ("h264", FPS)
            assert stream.frames == PERIOD_S * FPS
            frame = next(video.decode(video=0)).to_ndarray(format="rgb24")
        expected = Street(VIEWS[camera], SEED, PERIOD_S).frame(0.0)
        assert np.abs(frame.astype(int) - expected).mean() < 6
    written = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert prepare_clips(tmp_path) == drawn
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == written
    assert len(written) == 6


def test_drawing_that_is_cancelled_leaves_no_half_clip(tmp_path: Path) -> None:
    told: list[int] = []
    assert prepare_clips(tmp_path, lambda done, _: told.append(done), cancelled=lambda: bool(told)) is None
    assert 0 < told[-1] < 3 * PERIOD_S * FPS
    assert list(tmp_path.iterdir()) == []


def test_who_draws_stops_at_the_next_frame_and_tidies_up(tmp_path: Path) -> None:
    drawn: list[int] = []
    ticks = type("Ticks", (), {"put": lambda _, frames: drawn.append(frames)})()
    with pytest.raises(SystemExit):
        draw_clip("gate", Clip(tmp_path / "gate-1.mp4"), ticks, cancelled=lambda: sum(drawn) >= 2 * FPS)
    assert sum(drawn) == 2 * FPS
    assert list(tmp_path.iterdir()) == []


def test_a_cache_that_cannot_be_is_a_sentence(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    with pytest.raises(DemoError, match=r"no clips can be kept in .*--cache"):
        prepare_clips(blocked / "cache")


def test_every_drawing_module_is_part_of_the_clips_name() -> None:
    there = {path.stem for path in Path(clips.__file__).parent.glob("*.py")}
    not_drawn = {"__init__", "errors", "leash", "performance", "rtsp_server", "servers", "show", "verdict", "watch"}
    assert set(clips._DRAWN_BY) == there - not_drawn


def test_key_frames_come_every_two_seconds_and_frames_in_order(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    encode((np.full((96, 128, 3), i * 4, np.uint8) for i in range(50)), path, fps=10)
    with av.open(str(path)) as video:
        packets = [packet for packet in video.demux(video=0) if packet.size]
    assert [i for i, packet in enumerate(packets) if packet.is_keyframe] == [0, 20, 40]
    assert all(packet.pts == packet.dts for packet in packets)
