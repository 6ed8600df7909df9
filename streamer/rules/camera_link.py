"""A camera that does not answer, or whose clock is wrong: judged without frames, on a tick of the main thread."""

from __future__ import annotations

from dataclasses import dataclass

from streamer.ledger import CameraState, Link
from streamer.types import Evidence

OFFLINE = "camera.offline"
CLOCK_SKEW = "camera.clock_skew"


@dataclass(frozen=True, slots=True)
class LinkJudgement:
    """What is held against a camera's connection now: one per kind and tick, with no evidence where all is well."""

    kind: str
    evidence: tuple[Evidence, ...]


class LinkWatch:
    """The state of one camera's connection, debounced: one outage is one condition, however often it flaps.

    offline_after_s   no frame for so long is an outage, whatever the connection says of itself
    steady_s          frames must have come for so long, without a break of half of offline_after_s, to end an outage
    max_skew_s        how far the camera's own clock may be from ours
    skew_after_s      for how long it must have been
    A recording that was read to its end is not offline. Clocks are passed in: now_s is monotonic.
    """

    def __init__(
        self,
        camera: str,
        *,
        offline_after_s: float = 10.0,
        steady_s: float = 3.0,
        max_skew_s: float = 5.0,
        skew_after_s: float = 30.0,
    ) -> None:
        if offline_after_s <= 0 or steady_s < 0 or max_skew_s <= 0 or skew_after_s < 0:
            raise ValueError(
                f"camera '{camera}': offline_after_s and max_skew_s must be positive, the other spans not negative; "
                f"got {offline_after_s:g}, {max_skew_s:g}, {steady_s:g} and {skew_after_s:g}"
            )
        self.camera = camera
        self._offline_after_s, self._steady_s = offline_after_s, steady_s
        self._max_skew_s, self._skew_after_s = max_skew_s, skew_after_s
        self._watching_since_s: float | None = None
        self._out_since_s: float | None = None
        self._back_since_s: float | None = None
        self._trouble: str | None = None
        self._skewed_since_s: float | None = None

    def settings(self, kind: str) -> dict[str, object]:
        """The thresholds of one kind, for an alert's reason."""
        if kind == OFFLINE:
            return {"offline_after_s": self._offline_after_s, "steady_s": self._steady_s}
        return {"max_skew_s": self._max_skew_s, "skew_after_s": self._skew_after_s}

    def tick(self, state: CameraState, now_s: float, skew_s: float | None = None) -> tuple[LinkJudgement, ...]:
        """What is held against the camera at monotonic time now_s.

        skew_s: by how much the camera's clock is ahead of ours, where the camera sends its time; else None.
        """
        return (
            LinkJudgement(OFFLINE, self._judge_link(state, now_s)),
            LinkJudgement(CLOCK_SKEW, self._judge_clock(state, now_s, skew_s)),
        )

    def _judge_link(self, state: CameraState, now_s: float) -> tuple[Evidence, ...]:
        if self._watching_since_s is None:
            self._watching_since_s = now_s
        if state.link is Link.ENDED:
            self._out_since_s = self._back_since_s = None
            return ()
        last_s = state.last_frame_s if state.last_frame_s is not None else self._watching_since_s
        silent_s = now_s - last_s
        if self._out_since_s is None:
            if silent_s < self._offline_after_s:
                return ()
            self._out_since_s, self._back_since_s = last_s, None
        elif silent_s < self._offline_after_s / 2 and last_s > self._out_since_s:
            self._back_since_s = last_s if self._back_since_s is None else self._back_since_s
            if last_s - self._back_since_s >= self._steady_s:
                self._out_since_s = self._back_since_s = self._trouble = None
                return ()
        else:
            self._back_since_s = None  # it came back and went again: still the same outage
        self._trouble = state.trouble or self._trouble
        out_s = now_s - self._out_since_s
        because = f": {self._trouble}" if self._trouble else ""
        text = f"no picture from {self.camera} for {out_s:.0f} s (limit {self._offline_after_s:g} s){because}"
        return (_camera(text, "offline_s", out_s, self._offline_after_s),)

    def _judge_clock(self, state: CameraState, now_s: float, skew_s: float | None) -> tuple[Evidence, ...]:
        if skew_s is None or state.link is not Link.ONLINE:
            return ()  # nothing is known about its clock now; what was said stays said until the book lets it go
        # Leaving takes a little more than entering, so that a clock that drifts along the limit does not flicker.
        limit_s = self._max_skew_s if self._skewed_since_s is None else 0.8 * self._max_skew_s
        if abs(skew_s) <= limit_s:
            self._skewed_since_s = None
            return ()
        if self._skewed_since_s is None:
            self._skewed_since_s = now_s
        if now_s - self._skewed_since_s < self._skew_after_s:
            return ()
        way = "ahead of" if skew_s > 0 else "behind"
        text = f"the clock of {self.camera} is {abs(skew_s):.1f} s {way} ours (limit {self._max_skew_s:g} s)"
        return (_camera(text, "skew_s", skew_s, self._max_skew_s),)


def _camera(text: str, measure: str, value: float, limit: float) -> Evidence:
    return Evidence(subject="camera", text=text, measures={measure: (value, limit)})
