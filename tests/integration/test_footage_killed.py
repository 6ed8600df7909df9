"""A recording process that is killed leaves segments that play, up to the last group of pictures."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np

from streamer.footage.camera_footage import CameraFootage
from streamer.footage.cut import cut
from streamer.retention import UNFINISHED
from tests.clips import write_clip
from tests.footage import EPOCH, pictures, same_pictures, show

RECORD = """
import sys
from pathlib import Path
from streamer.footage.camera_footage import CameraFootage, ClipLimits
from tests.footage import alert, show

camera = CameraFootage("gate", Path(sys.argv[2]), clips=ClipLimits(1.0, 1.0, 60.0), segment_s=3.0)

def at(stream_s):
    if stream_s == 4.0:
        camera.begin(alert("a", 4.0), print)
    camera.write()

show(camera, Path(sys.argv[1]), at=at, close=False)
print("all shown", flush=True)
sys.stdin.read()
"""


def test_what_a_killed_process_recorded_plays(tmp_path: Path) -> None:
    video = write_clip(tmp_path / "source.mp4", frames=250, gop=20, b_frames=2, strict_gop=True)
    data = tmp_path / "data"
    command = [sys.executable, "-c", RECORD, str(video), str(data)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "all shown\n"
        process.send_signal(signal.SIGKILL)
    source = pictures(video)
    recorded = sorted(data.glob("recordings/gate/*/*.mp4"))
    assert len(recorded) == 4
    assert all(pictures(path) for path in recorded[:-1])  # each by itself; the last had only begun
    made = cut(data, "gate", EPOCH, EPOCH + 10.0, tmp_path / "out.mp4")
    times_s = same_pictures(pictures(tmp_path / "out.mp4"), source, made.from_at - EPOCH)
    assert np.allclose(np.diff(times_s), 0.04, atol=0.002)
    assert times_s[0] == 0.0
    assert times_s[-1] >= 9.96 - 2 * 0.8  # the last group was not complete, and one B-frame delay before it
    # A clip is there whole or not at all; what is left of it is swept away by a later pruning.
    assert [path.name for path in data.glob("clips/*/*")] == [f"{UNFINISHED}a.mp4"]

    # The next run records on beside it.
    again = CameraFootage("gate", data, clips=None, segment_s=3.0)
    show(again, video, zero_at=EPOCH + 12.0, at=lambda _: again.write())
    again.finish()
    made = cut(data, "gate", EPOCH, EPOCH + 22.0, tmp_path / "out.mp4")
    [(gap_from, gap_to)] = made.missing
    assert EPOCH + 8.0 < gap_from < gap_to == EPOCH + 12.0
