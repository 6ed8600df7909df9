"""Something stands still where it should move on: a vehicle stopped on a carriageway."""

from __future__ import annotations

import math
from typing import Unpack

from streamer.rules.geometry import Zone
from streamer.rules.motion import Motion
from streamer.rules.subjects import Subjects, Who
from streamer.types import Evidence, Frame, Tracks


class _Halt:
    """Where and since when a track stands; a short stir is forgiven."""

    __slots__ = ("at", "since_s", "stirring_since_s")

    def __init__(self, since_s: float, at: tuple[float, float]) -> None:
        self.since_s, self.at = since_s, at
        self.stirring_since_s: float | None = None


class StoppedRule:
    """Holds for every track in the zone that has been still for still_s.

    max_speed   picture heights per second that still count as standing: boxes tremble
    max_drift   picture heights from where it stopped; a queue that creeps on has not stopped
    stir_s      how long it may look as if it moved (somebody passes in front) before its halt is over
    """

    kind = "stopped"

    def __init__(
        self,
        *,
        name: str,
        zone: Zone,
        still_s: float,
        max_speed: float = 0.02,
        max_drift: float = 0.05,
        stir_s: float = 1.0,
        **who: Unpack[Who],
    ) -> None:
        if min(still_s, max_speed, max_drift) <= 0 or stir_s < 0:
            raise ValueError(
                "still_s, max_speed and max_drift must be positive and stir_s not negative; "
                f"got {still_s:g}, {max_speed:g}, {max_drift:g} and {stir_s:g}"
            )
        self.name = name
        self._zone, self._still_s, self._max_speed = zone, still_s, max_speed
        self._max_drift, self._stir_s = max_drift, stir_s
        self._subjects, self._motion = Subjects(**who), Motion()
        self._halts: dict[int, _Halt] = {}
        self.settings: dict[str, object] = {
            "zone": zone.name,
            "still_s": still_s,
            "max_speed": max_speed,
            "max_drift": max_drift,
            "stir_s": stir_s,
            **self._subjects.settings,
        }

    def judge(self, frame: Frame, tracks: Tracks) -> list[Evidence]:
        """Evidence for everything that has stood still too long."""
        self._motion.forget(tracks.ended)
        for gone in tracks.ended:
            self._halts.pop(gone, None)
        seen = self._subjects.look(frame, tracks)
        may_hold = set(seen.chosen_inside(self._zone))
        found = []
        for row, (track, (x, y)) in enumerate(zip(seen.ids, seen.now, strict=True)):
            at = (x * seen.aspect, y)
            self._motion.add(track, frame.media_s, *at)
            halt = self._halt(track, frame.media_s, at)
            if halt is None or row not in may_hold:
                continue
            still_s = frame.media_s - halt.since_s
            if still_s >= self._still_s:
                text = f"has stood still in {self._zone.name} for {still_s:.1f} s (limit {self._still_s:g} s)"
                found.append(seen.evidence(row, text, self._zone.name, {"still_s": (still_s, self._still_s)}))
        return found

    def reset(self) -> None:
        """A new session begins: nothing has been seen standing."""
        self._halts.clear()
        self._motion.reset()
        self._subjects.reset()

    def _halt(self, track: int, at_s: float, at: tuple[float, float]) -> _Halt | None:
        """The halt that the track is in, or None while it moves or while that is not known."""
        halt, v = self._halts.get(track), self._motion.velocity(track)
        if halt is None:
            if v is None or math.hypot(v.x, v.y) > self._max_speed:
                return None
            # It was as slow as this over the whole time that the velocity rests on.
            halt = self._halts[track] = _Halt(at_s - v.over_s, at)
            return halt
        if math.dist(at, halt.at) <= self._max_drift and (v is None or math.hypot(v.x, v.y) <= self._max_speed):
            halt.stirring_since_s = None
            return halt
        if halt.stirring_since_s is None:
            halt.stirring_since_s = at_s
        if at_s - halt.stirring_since_s >= self._stir_s:
            del self._halts[track]
            return None
        return halt
