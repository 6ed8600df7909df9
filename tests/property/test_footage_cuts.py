"""Whatever the groups of pictures are like and wherever it is cut: what a clip shows is what the camera showed."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.errors import FootageError
from streamer.footage.camera_footage import CameraFootage, ClipLimits
from streamer.footage.cut import cut
from tests.clips import write_clip
from tests.footage import EPOCH, Pictures, alert, pictures, same_pictures, show
from tests.unit.test_footage_clips import Told, at_times

FRAMES = 150
LENGTH_S = FRAMES / 25


@cache
def source(gop: int, b_frames: int, open_gop: bool) -> tuple[Path, Pictures]:
    """A video of such groups, and its pictures."""
    folder = Path(tempfile.mkdtemp(prefix="footage-"))
    video = write_clip(
        folder / "v.mp4",
        frames=FRAMES,
        gop=gop,
        b_frames=b_frames,
        strict_gop=True,
        open_gop=open_gop,
        size_wh=(64, 48),
    )
    return video, pictures(video)


groups = st.tuples(st.sampled_from([1, 7, 12, 50, 1000]), st.sampled_from([0, 1, 3]), st.booleans())


@given(groups, st.floats(0.0, 5.5), st.floats(0.0, 3.0), st.floats(0.0, 3.0), st.floats(0.0, 2.0), st.floats(0.05, 2.0))
@settings(max_examples=60, deadline=None)
def test_a_clip_is_a_run_of_the_cameras_pictures_and_covers_what_was_promised(
    groups: tuple[int, int, bool], begins_s: float, lasts_s: float, before_s: float, after_s: float, every_s: float
) -> None:
    video, truth = source(*groups)
    with tempfile.TemporaryDirectory() as folder:
        camera, told = CameraFootage("gate", Path(folder), clips=ClipLimits(before_s, after_s, 60.0)), Told()
        ends_s, state = begins_s + lasts_s, {"next_s": every_s}
        moments = at_times(
            **{
                f"_{begins_s:.6f}".replace(".", "_"): lambda: camera.begin(alert("a", begins_s), told.of("a")),
                f"_{ends_s + 1e-5:.6f}".replace(".", "_"): lambda: camera.end("a", EPOCH + ends_s),
            }
        )

        def at(stream_s: float) -> None:
            moments(stream_s)
            if stream_s >= state["next_s"]:
                state["next_s"] = stream_s + every_s
                camera.write()

        show(camera, video, at=at)
        camera.finish()
        clip = told.clips["a"]
        assert clip is not None
        times_s = same_pictures(pictures(Path(folder) / clip.path), truth, clip.from_at - EPOCH)
    assert np.allclose(np.diff(times_s), 0.04, atol=0.002)
    assert times_s[0] <= max(0.0, begins_s - before_s) + 0.041
    assert times_s[-1] >= min(LENGTH_S - 0.041, ends_s + after_s - 0.041)


@given(groups, st.floats(0.5, 3.0), st.floats(-1.0, 6.5), st.floats(0.1, 5.0))
@settings(max_examples=60, deadline=None)
def test_any_time_can_be_cut_out_of_a_recording(
    groups: tuple[int, int, bool], segment_s: float, from_s: float, lasts_s: float
) -> None:
    video, truth = source(*groups)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        camera = CameraFootage("gate", folder, clips=None, segment_s=segment_s)
        show(camera, video, at=lambda _: camera.write())
        camera.finish()
        try:
            made = cut(folder, "gate", EPOCH + from_s, EPOCH + from_s + lasts_s, folder / "out.mp4")
        except FootageError:
            assert from_s > LENGTH_S - 0.05 or from_s + lasts_s < 0.0
            return
        times_s = same_pictures(pictures(folder / "out.mp4"), truth, made.from_at - EPOCH)
    assert np.allclose(np.diff(times_s), 0.04, atol=0.002)
    assert times_s[0] <= max(0.0, from_s) + 0.001
    assert times_s[-1] >= min(LENGTH_S - 0.041, from_s + lasts_s - 0.041)
