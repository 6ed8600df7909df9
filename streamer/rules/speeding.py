"""Something moves faster in a zone than is allowed there."""

from __future__ import annotations

import math
from typing import Unpack

from streamer.rules.geometry import Zone
from streamer.rules.ground import ground_of
from streamer.rules.motion import Motion
from streamer.rules.subjects import Subjects, Who
from streamer.types import Evidence, Frame, Tracks


class SpeedingRule:
    """Holds for every track in the zone whose speed over the last second is above max_speed.

    max_speed is in zone units per second: metres where zone_length_m says how long the zone is along heading_deg, or,
    with zone_width_m, where its four corners are a rectangle on the ground; else picture heights (see ground.py).
    A speed needs three sightings over 0.4 s: draw the zone long enough for that at the speed to be caught.
    """

    kind = "speeding"

    def __init__(
        self,
        *,
        name: str,
        zone: Zone,
        max_speed: float,
        heading_deg: float | None = None,
        zone_length_m: float | None = None,
        zone_width_m: float | None = None,
        **who: Unpack[Who],
    ) -> None:
        if max_speed <= 0:
            raise ValueError(f"max_speed must be positive; got {max_speed:g}")
        self.name = name
        self._zone, self._max_speed = zone, max_speed
        self._ground = ground_of(zone, heading_deg=heading_deg, zone_length_m=zone_length_m, zone_width_m=zone_width_m)
        self._subjects, self._motion = Subjects(**who), Motion()
        self._measure = "speed_m_per_s" if self._ground.unit == "m" else "speed_heights_per_s"
        self.settings: dict[str, object] = {
            "zone": zone.name,
            "max_speed": max_speed,
            "unit": f"{self._ground.unit} per second",
            "heading_deg": heading_deg,
            "zone_length_m": zone_length_m,
            "zone_width_m": zone_width_m,
            **self._subjects.settings,
        }

    def judge(self, frame: Frame, tracks: Tracks) -> list[Evidence]:
        """Evidence for everybody who is too fast."""
        self._motion.forget(tracks.ended)
        seen = self._subjects.look(frame, tracks)
        measurable = seen.inside(self._zone) if self._ground.inside_only else [True] * len(seen.ids)
        places = self._ground.places(seen.array, seen.aspect).tolist()
        for track, can_be_measured, place in zip(seen.ids, measurable, places, strict=True):
            if can_be_measured:
                self._motion.add(track, frame.media_s, *place)
        found = []
        for row in seen.chosen_inside(self._zone):
            v = self._motion.velocity(seen.ids[row])
            if v is not None and (speed := math.hypot(v.x, v.y)) > self._max_speed:
                text = f"moves at {self._say(speed)} in {self._zone.name} (limit {self._say(self._max_speed)})"
                found.append(seen.evidence(row, text, self._zone.name, {self._measure: (speed, self._max_speed)}))
        return found

    def reset(self) -> None:
        """A new session begins."""
        self._motion.reset()
        self._subjects.reset()

    def _say(self, speed: float) -> str:
        if self._ground.unit == "m":
            return f"{speed * 3.6:.0f} km/h"
        return f"{speed:.2f} picture heights per second"
