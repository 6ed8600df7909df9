"""Something moves against the way that a zone is meant to be used: a wrong-way driver, a thief at the exit gate."""

from __future__ import annotations

import math
from typing import Unpack

from streamer.rules.geometry import Zone, heading_vector
from streamer.rules.motion import Motion
from streamer.rules.subjects import Subjects, Who
from streamer.types import Evidence, Frame, Tracks


class WrongDirectionRule:
    """Holds for every track in the zone that moves more than tolerance_deg away from the right heading.

    heading_deg   the right way, as a compass on the screen: 0 up, 90 right, 180 down, 270 left
    min_speed     picture heights per second; slower is standing about, which has no direction
    """

    kind = "wrong_direction"

    def __init__(
        self,
        *,
        name: str,
        zone: Zone,
        heading_deg: float,
        tolerance_deg: float = 90.0,
        min_speed: float = 0.05,
        **who: Unpack[Who],
    ) -> None:
        if not 0 < tolerance_deg < 180:
            raise ValueError(f"tolerance_deg: more than 0 and less than 180; got {tolerance_deg:g}")
        if min_speed <= 0:
            raise ValueError(f"min_speed: picture heights per second, positive; got {min_speed:g}")
        self.name = name
        self._zone, self._right_way = zone, heading_vector(heading_deg)
        self._tolerance_deg, self._min_speed = tolerance_deg, min_speed
        self._subjects, self._motion = Subjects(**who), Motion()
        self.settings: dict[str, object] = {
            "zone": zone.name,
            "heading_deg": heading_deg,
            "tolerance_deg": tolerance_deg,
            "min_speed": min_speed,
            **self._subjects.settings,
        }

    def judge(self, frame: Frame, tracks: Tracks) -> list[Evidence]:
        """Evidence for everybody who goes the wrong way."""
        self._motion.forget(tracks.ended)
        seen = self._subjects.look(frame, tracks)
        for track, (x, y) in zip(seen.ids, seen.now, strict=True):
            self._motion.add(track, frame.media_s, x * seen.aspect, y)
        found = []
        for row in seen.chosen_inside(self._zone):
            v = self._motion.velocity(seen.ids[row])
            if v is None or (speed := math.hypot(v.x, v.y)) < self._min_speed:
                continue
            cosine = (v.x * self._right_way[0] + v.y * self._right_way[1]) / speed
            off_deg = math.degrees(math.acos(max(-1.0, min(1.0, cosine))))
            if off_deg > self._tolerance_deg:
                text = f"moves {off_deg:.0f}° off the right way in {self._zone.name} (limit {self._tolerance_deg:g}°)"
                measures = {
                    "off_heading_deg": (off_deg, self._tolerance_deg),
                    "speed_heights_per_s": (speed, self._min_speed),
                }
                found.append(seen.evidence(row, text, self._zone.name, measures))
        return found

    def reset(self) -> None:
        """A new session begins."""
        self._motion.reset()
        self._subjects.reset()
