"""Live video of cameras that worker processes read: sent only while somebody watches, and never at a camera's cost."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
from pathlib import Path

import av
import pytest

from streamer.live_video import Fragment, LiveVideo, VideoHead, Viewing
from tests.clips import read_number, write_clip
from tests.crew import Watched, camera, eventually, one_station
from tests.unit.test_live_video import numbers, units_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="members are processes of Linux")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("crew-video") / "numbers.mp4", frames=200, gop=25, strict_gop=True)


def video_of(watched: Watched) -> LiveVideo:
    video = watched.source.around.video
    assert video is not None
    return video


class Viewer:
    """Takes what comes whenever it is woken, until a camera's connection ends."""

    def __init__(self, video: LiveVideo) -> None:
        self._woken = threading.Event()
        self._video = video
        self.viewing: Viewing = video.join(self._woken.set)
        self.head: VideoHead | None = None
        self.fragments: list[Fragment] = []

    def see(self, enough: int, within_s: float = 30.0) -> None:
        """So many fragments, or all that there are."""

        def seen() -> bool:
            self._woken.wait(0.05)
            self._woken.clear()
            for each in self.viewing.take():
                if isinstance(each, VideoHead):
                    self.head = each
                else:
                    self.fragments.append(each)
            return len(self.fragments) >= enough or self.viewing.over is not None

        eventually(seen, within_s)

    @property
    def mp4(self) -> bytes:
        assert self.head is not None
        return self.head.init + b"".join(each.content for each in self.fragments)

    def leave(self) -> None:
        self._video.leave(self.viewing)


def test_a_member_sends_what_the_camera_sent_while_somebody_watches(clip: Path) -> None:
    with one_station([camera("gate", clip)], video=True) as (_, cameras):
        gate = cameras["gate"]
        eventually(lambda: len(gate.frames) > 30)
        viewer = Viewer(video_of(gate))
        viewer.see(60)
        viewer.leave()
        shown = numbers(viewer.mp4)
        assert shown[0] % 25 == 0
        assert shown == list(range(shown[0], shown[0] + len(shown)))
        with av.open(str(clip)) as container:
            sent = units_of([packet for packet in container.demux(video=0) if packet.size], annex_b=False)
        with av.open(io.BytesIO(viewer.mp4)) as container:
            got = units_of([packet for packet in container.demux(video=0) if packet.size], annex_b=False)
        assert got == sent[shown[0] : shown[0] + len(got)]
        # A picture's time in the video is that of the frame that was analysed.
        zero_at = viewer.fragments[-1].zero_at
        assert zero_at is not None
        number, picture_s = shown[-1], max(each.end_s for each in viewer.fragments) - 0.04
        session = gate.frames[-1].session
        [frame] = [each for each in gate.frames if each.session == session and each.index == number] or [None]
        if frame is not None:  # none where the clip began anew meanwhile
            assert read_number(frame.image) == number
            assert frame.captured_at == pytest.approx(zero_at + picture_s, abs=0.01)


def test_nothing_is_sent_while_nobody_watches_and_all_again_when_somebody_does(clip: Path) -> None:
    with one_station([camera("gate", clip)], video=True) as (_, cameras):
        gate = cameras["gate"]
        video = video_of(gate)
        sent: list[Fragment] = []
        add = video.add
        video.add = lambda fragment: (sent.append(fragment), add(fragment))[1]  # type: ignore[method-assign, func-returns-value]
        eventually(lambda: len(gate.frames) > 50)
        assert sent == []
        first = Viewer(video)
        first.see(20)
        first.leave()
        before = len(gate.frames)
        eventually(lambda: len(gate.frames) > before + 25)  # what was on its way has come
        so_far = len(sent)
        eventually(lambda: len(gate.frames) > before + 75)
        assert len(sent) == so_far
        second = Viewer(video)
        second.see(20)
        assert numbers(second.mp4)[0] % 25 == 0


def test_a_camera_that_begins_anew_and_a_member_that_dies_end_the_video(clip: Path) -> None:
    with one_station([camera("gate", clip)], video=True) as (station, cameras):
        video = video_of(cameras["gate"])
        ends = Viewer(video)
        ends.see(10_000)  # the clip begins anew
        assert ends.viewing.over == "ended"
        assert numbers(ends.mp4)[-1] >= 197
        again = Viewer(video)
        again.see(5)
        os.kill(station.pid or 0, signal.SIGKILL)
        again.see(10_000)
        assert again.viewing.over == "ended"
        third = Viewer(video)  # comes before the member is back
        third.see(30)
        assert numbers(third.mp4)[0] % 25 == 0


def test_what_cannot_be_shown_is_refused_from_there_too(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mkv", frames=50, codec="mjpeg", pix_fmt="yuvj420p")
    with one_station([camera("gate", clip)], video=True) as (_, cameras):
        video = video_of(cameras["gate"])
        why = eventually(lambda: video.cannot)
        assert why == "camera 'gate' sends Motion JPEG, which browsers do not play as video"
