"""Somebody stays in a zone for longer than there is reason to."""

from __future__ import annotations

from typing import Unpack

from streamer.rules.geometry import Zone
from streamer.rules.subjects import Subjects, Who
from streamer.types import Evidence, Frame, Tracks


class _Stay:
    """One track's stay in the zone; a step outside is forgiven until it has lasted."""

    __slots__ = ("outside_since_s", "since_s")

    def __init__(self, since_s: float) -> None:
        self.since_s = since_s
        self.outside_since_s: float | None = None


class LoiteringRule:
    """Holds for every track that is in the zone and has been for dwell_s.

    Being out of sight does not end a stay; being seen outside for longer than leave_s does, and the next stay starts
    from zero. Jitter at the zone's edge is therefore neither an end nor a new beginning.
    """

    kind = "loitering"

    def __init__(self, *, name: str, zone: Zone, dwell_s: float, leave_s: float = 1.0, **who: Unpack[Who]) -> None:
        if dwell_s <= 0 or leave_s < 0:
            raise ValueError(f"dwell_s must be positive and leave_s not negative; got {dwell_s:g} and {leave_s:g}")
        self.name = name
        self._zone, self._dwell_s, self._leave_s = zone, dwell_s, leave_s
        self._subjects = Subjects(**who)
        self._stays: dict[int, _Stay] = {}
        self.settings: dict[str, object] = {
            "zone": zone.name,
            "dwell_s": dwell_s,
            "leave_s": leave_s,
            **self._subjects.settings,
        }

    def judge(self, frame: Frame, tracks: Tracks) -> list[Evidence]:
        """Evidence for everybody who has stayed too long."""
        for gone in tracks.ended:
            self._stays.pop(gone, None)
        seen = self._subjects.look(frame, tracks)
        inside = seen.inside(self._zone)
        found = []
        for row, track in enumerate(seen.ids):
            if not inside[row]:
                self._step_outside(track, frame.media_s)
                continue
            stay = self._stays.get(track)
            if stay is None:
                stay = self._stays[track] = _Stay(frame.media_s)
            stay.outside_since_s = None
            stayed_s = frame.media_s - stay.since_s
            if stayed_s >= self._dwell_s and seen.chosen[row]:
                text = f"stayed {stayed_s:.1f} s in {self._zone.name} (limit {self._dwell_s:g} s)"
                measures = {"dwell_s": (stayed_s, self._dwell_s)}
                found.append(seen.evidence(row, text, self._zone.name, measures))
        return found

    def reset(self) -> None:
        """A new session begins: nobody has stayed yet."""
        self._stays.clear()
        self._subjects.reset()

    def _step_outside(self, track: int, at_s: float) -> None:
        stay = self._stays.get(track)
        if stay is None:
            return
        if stay.outside_since_s is None:
            stay.outside_since_s = at_s
        if at_s - stay.outside_since_s >= self._leave_s:
            del self._stays[track]
