"""How every camera is, at a glance: what goes to `streamer:cameras`, /readyz and the demo's table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from streamer.clock import Clock
from streamer.coverage import Coverage
from streamer.ledger import CameraStatus, FrameLedger
from streamer.sleep_book import SleepBook

_FPS_OVER_S = 5.0

CameraStates = Mapping[str, Mapping[str, object]]


@dataclass(frozen=True, slots=True)
class WatchedCamera:
    """The books of one camera."""

    ledger: FrameLedger
    status: CameraStatus
    coverage: Coverage
    sleep: SleepBook


class Board:
    """Reads the books of cameras. Not for two threads at once: it remembers earlier counts to tell the rate."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._marks: dict[FrameLedger, list[tuple[float, int]]] = {}  # a camera that comes back has other books

    def states(self, cameras: Sequence[WatchedCamera]) -> CameraStates:
        """Camera → link, trouble, ages in seconds, rate, coverage, frames by outcome; JSON-ready (wire.camera_body)."""
        now_s = self._clock.monotonic()
        self._marks = {camera.ledger: self._marks.get(camera.ledger, []) for camera in cameras}
        return {camera.ledger.camera: self._state(camera, now_s) for camera in cameras}

    def _state(self, camera: WatchedCamera, now_s: float) -> dict[str, object]:
        state, counts = camera.status.state(), camera.ledger.counts()
        sleep = camera.sleep.reading(now_s)
        age_s = None if state.last_frame_s is None else round(max(0.0, now_s - state.last_frame_s), 3)
        return {
            "link": state.link.value,
            "for_s": round(now_s - state.since_s, 1),
            "trouble": state.trouble,
            "last_frame_age_s": age_s,
            "fps": round(self._fps(camera.ledger, now_s, counts.analysed), 2),
            "sessions": state.sessions,
            "size": state.source_wh,
            "codec": state.codec,
            "decoder": state.decoder,
            "coverage": round(camera.coverage.ratio(now_s), 4),
            "asleep": sleep.asleep,
            "asleep_s": round(sleep.asleep_s, 1),
            "never_asleep": sleep.why_not,
            "frames": counts.as_dict(),
        }

    def _fps(self, ledger: FrameLedger, now_s: float, analysed: int) -> float:
        """Analysed frames a second over the last few seconds."""
        marks = self._marks[ledger]
        marks.append((now_s, analysed))
        while len(marks) > 2 and now_s - marks[1][0] >= _FPS_OVER_S:
            del marks[0]
        (then_s, before), (_, now_analysed) = marks[0], marks[-1]
        return (now_analysed - before) / (now_s - then_s) if now_s > then_s else 0.0
