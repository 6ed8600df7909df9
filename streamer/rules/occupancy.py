"""Too many, or too few, in a zone."""

from __future__ import annotations

from typing import Unpack

from streamer.rules.geometry import Zone
from streamer.rules.subjects import Subjects, Who
from streamer.types import Evidence, Frame, Tracks


class OccupancyRule:
    """Holds while more than `above`, or fewer than `below`, tracks are in the zone. At least one limit is needed.

    A track counts while it was last seen inside, up to hold_s ago: a detector that misses somebody for a moment does
    not empty the room. The other way round, a tracker that renames somebody makes two of them for up to hold_s:
    let the alert open after longer than that.
    """

    kind = "occupancy"

    def __init__(
        self,
        *,
        name: str,
        zone: Zone,
        above: int | None = None,
        below: int | None = None,
        hold_s: float = 1.0,
        **who: Unpack[Who],
    ) -> None:
        if above is None and below is None:
            raise ValueError("an occupancy rule needs 'above', 'below' or both")
        if (above is not None and above < 0) or (below is not None and below < 1):
            raise ValueError(f"nothing can ever be above {above} or below {below}: above from 0, below from 1")
        if above is not None and below is not None and below > above + 1:
            raise ValueError(f"every number is above {above} or below {below}: the rule would always hold")
        if hold_s < 0:
            raise ValueError(f"hold_s must not be negative; got {hold_s:g}")
        self.name = name
        self._zone, self._above, self._below, self._hold_s = zone, above, below, hold_s
        self._subjects = Subjects(**who)
        self._inside: dict[int, float] = {}  # track → when it was last seen inside
        self.settings: dict[str, object] = {
            "zone": zone.name,
            "above": above,
            "below": below,
            "hold_s": hold_s,
            **self._subjects.settings,
        }

    @property
    def present(self) -> int:
        """How many were in the zone when it was last judged."""
        return len(self._inside)

    def judge(self, frame: Frame, tracks: Tracks) -> list[Evidence]:
        """Evidence for the zone where a limit is crossed."""
        seen = self._subjects.look(frame, tracks)
        for track, is_chosen, is_inside in zip(seen.ids, seen.chosen, seen.inside(self._zone), strict=True):
            if is_chosen and is_inside:
                self._inside[track] = frame.media_s
            else:
                self._inside.pop(track, None)
        for gone in tracks.ended:
            self._inside.pop(gone, None)
        late = [track for track, at_s in self._inside.items() if frame.media_s - at_s > self._hold_s]
        for track in late:
            del self._inside[track]
        count, found = len(self._inside), []
        if self._above is not None and count > self._above:
            found.append(self._evidence("above", count, self._above, f"more than {self._above}"))
        if self._below is not None and count < self._below:
            found.append(self._evidence("below", count, self._below, f"fewer than {self._below}"))
        return found

    def reset(self) -> None:
        """A new session begins: nobody has been seen in the zone."""
        self._inside.clear()
        self._subjects.reset()

    def _evidence(self, limit_name: str, count: int, limit: int, limit_text: str) -> Evidence:
        return Evidence(
            subject=f"zone:{limit_name}",
            text=f"{count} in {self._zone.name} ({limit_text})",
            measures={f"count_{limit_name}": (float(count), float(limit))},
            track_ids=tuple(sorted(self._inside)),
            place=self._zone.name,
        )
