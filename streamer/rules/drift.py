"""What moves at a camera is no longer what it was calibrated on: its anomaly scores are off until somebody looks."""

from __future__ import annotations

from streamer.types import Evidence, Frame, Tracks


class DriftRule:
    """Holds from when the temporal models are sure of a change until the camera is calibrated again."""

    kind = "behaviour.drift"

    def __init__(self, *, name: str = kind) -> None:
        self.name = name

    def judge(self, frame: Frame, tracks: Tracks) -> list[Evidence]:  # noqa: ARG002  it is about no single frame
        """Evidence about the camera once there is a sentence."""
        text = tracks.behaviour.drift if tracks.behaviour else None
        return [Evidence(subject="camera", text=text)] if text else []

    def reset(self) -> None:
        """A new session changes nothing: the calibration is the camera's, and so is its drift."""
