"""Cameras that do not answer, and clocks that are wrong: judged on a tick, without frames."""

from __future__ import annotations

from streamer.ledger import CameraStatus
from streamer.rules.camera_link import CLOCK_SKEW, OFFLINE, LinkWatch


class Camera:
    """A camera's status and its watch, ticked once per second of a drawn clock."""

    def __init__(self, **limits: float) -> None:
        self.now_s = 1000.0
        self.status = CameraStatus("gate", self.now_s)
        self.watch = LinkWatch("gate", **limits)
        self.texts: list[str] = []

    def run(self, seconds: int, *, frames: bool = False, skew_s: float | None = None, kind: str = OFFLINE) -> str:
        """One character per second: '!' where something is held against the camera, '.' where nothing."""
        said = ""
        for _ in range(seconds):
            self.now_s += 1
            if frames:
                self.status.frame(self.now_s)
            judged = {j.kind: j.evidence for j in self.watch.tick(self.status.state(), self.now_s, skew_s)}
            assert set(judged) == {OFFLINE, CLOCK_SKEW}
            self.texts += [e.text for e in judged[kind]]
            said += "!" if judged[kind] else "."
        return said

    def online(self) -> None:
        self.status.online(self.now_s, (640, 360), "h264")


def test_an_outage_is_told_after_a_while_and_until_frames_have_come_for_a_while() -> None:
    camera = Camera(offline_after_s=5, steady_s=2)
    camera.online()
    assert camera.run(10, frames=True) == "." * 10
    camera.status.offline(camera.now_s, "connection refused")
    assert camera.run(8) == "....!!!!"
    assert camera.texts[-1] == "no picture from gate for 8 s (limit 5 s): connection refused"
    camera.online()
    assert camera.run(6, frames=True) == "!!...."


def test_a_camera_that_never_answered_is_offline_too() -> None:
    camera = Camera(offline_after_s=5)
    camera.status.offline(camera.now_s, "no such host")
    assert camera.run(8) == ".....!!!"


def test_a_connection_without_frames_is_an_outage_whatever_it_says_of_itself() -> None:
    camera = Camera(offline_after_s=5)
    camera.online()
    camera.run(3, frames=True)
    assert camera.run(6) == "....!!"
    assert camera.texts[0] == "no picture from gate for 5 s (limit 5 s)"


def test_a_short_gap_is_no_outage() -> None:
    camera = Camera(offline_after_s=5)
    camera.online()
    camera.run(3, frames=True)
    assert camera.run(4) + camera.run(5, frames=True) == "." * 9


def test_a_flapping_camera_is_one_outage() -> None:
    camera = Camera(offline_after_s=6, steady_s=4)
    camera.online()
    camera.run(3, frames=True)
    camera.run(6)
    said = "".join(camera.run(2, frames=True) + camera.run(4) for _ in range(5))
    assert said == "!" * 30
    assert camera.run(8, frames=True)[-3:] == "..."


def test_a_recording_that_was_read_to_its_end_is_not_offline() -> None:
    camera = Camera(offline_after_s=5)
    camera.online()
    camera.run(3, frames=True)
    camera.status.ended(camera.now_s)
    assert camera.run(30) == "." * 30


def test_a_wrong_clock_is_told_once_it_has_been_wrong_for_a_while() -> None:
    camera = Camera(max_skew_s=5, skew_after_s=3)
    camera.online()
    assert camera.run(4, frames=True, skew_s=4.9, kind=CLOCK_SKEW) == "...."
    assert camera.run(6, frames=True, skew_s=-7.0, kind=CLOCK_SKEW) == "...!!!"
    assert camera.texts[-1] == "the clock of gate is 7.0 s behind ours (limit 5 s)"
    assert camera.run(3, frames=True, skew_s=4.5, kind=CLOCK_SKEW) == "!!!"  # nearly right is not right yet
    assert camera.run(3, frames=True, skew_s=0.2, kind=CLOCK_SKEW) == "..."


def test_a_camera_that_sends_no_time_has_no_wrong_clock() -> None:
    camera = Camera(max_skew_s=5, skew_after_s=0)
    camera.online()
    assert camera.run(5, frames=True, skew_s=None, kind=CLOCK_SKEW) == "....."
