"""Somebody is in a zone where nobody should be."""

from __future__ import annotations

from typing import Unpack

import numpy as np

from streamer.rules.geometry import Zone
from streamer.rules.subjects import Subjects, Who
from streamer.shapes import Point
from streamer.types import Evidence, Frame, Tracks

LONGEST_LEAP_S = 1.0


class IntrusionRule:
    """Holds for every track inside the zone, and for one that leapt through it between two analysed frames.

    A leap counts only over up to LONGEST_LEAP_S: somebody who was lost from sight for longer may have walked round.
    """

    kind = "intrusion"

    def __init__(self, *, name: str, zone: Zone, **who: Unpack[Who]) -> None:
        self.name = name
        self._zone, self._subjects = zone, Subjects(**who)
        self.settings: dict[str, object] = {"zone": zone.name, **self._subjects.settings}

    def judge(self, frame: Frame, tracks: Tracks) -> list[Evidence]:
        """Evidence for everybody in the zone."""
        seen = self._subjects.look(frame, tracks)
        found = []
        for row, is_inside in enumerate(seen.inside(self._zone)):
            if not seen.chosen[row]:
                continue
            if is_inside:
                found.append(seen.evidence(row, f"is in {self._zone.name}", self._zone.name, {}))
            elif 0 < seen.gap_s[row] <= LONGEST_LEAP_S and self._leapt(seen.before[row], seen.now[row]):
                text = f"went through {self._zone.name} between two frames"
                found.append(seen.evidence(row, text, self._zone.name, {}))
        return found

    def _leapt(self, before: Point, now: Point) -> bool:
        # Coming out of the zone also cuts its outline: only who was outside before has leapt.
        return self._zone.cut_by(before, now) and not self._zone.contains(np.array([before]))[0]

    def reset(self) -> None:
        """A new session begins."""
        self._subjects.reset()
