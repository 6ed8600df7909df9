"""Somebody crosses a line: which way, and how many so far. Once per real crossing, however the box jitters."""

from __future__ import annotations

from typing import Literal, Unpack

from streamer.rules.geometry import Line
from streamer.rules.subjects import Seen, Subjects, Who
from streamer.types import Evidence, Frame, Tracks

Direction = Literal["both", "forward", "backward"]


class _Passage:
    """Where one track was last clear of the line, and how it has crossed it since."""

    __slots__ = ("net", "side")

    def __init__(self) -> None:
        self.side = 0  # −1 left, 1 right, 0 never seen clear of the line
        self.net = 0


class LineCrossingRule:
    """Momentary evidence in the frame in which a track has crossed the line; counts forward and backward run on.

    A crossing is: clear of the line on one side, through its drawn extent, clear of it on the other. Clear means more
    than `band` picture heights away, so that whoever stands on the line crosses nothing, whoever walks round its end
    neither, and whoever leaps over it between two frames still does. Draw a line where people are seen on both sides.
    Directions as in geometry: from the left hand of its first point looking to the next, to the right, is forward.

    Counts go on through lost connections; they count who passes `labels` and `min_score`, whatever `direction` asks
    alerts for.
    """

    kind = "line_crossing"

    def __init__(
        self, *, name: str, line: Line, direction: Direction = "both", band: float = 0.02, **who: Unpack[Who]
    ) -> None:
        if not 0 <= band < 0.5:
            raise ValueError(f"band: a fraction of the picture's height, from 0 to below 0.5; got {band:g}")
        self.name = name
        self._line, self._direction, self._band = line, direction, band
        self._subjects = Subjects(**who)
        self._passages: dict[int, _Passage] = {}
        self.forward = 0
        self.backward = 0
        self.settings: dict[str, object] = {
            "line": line.name,
            "direction": direction,
            "band": band,
            **self._subjects.settings,
        }

    def judge(self, frame: Frame, tracks: Tracks) -> list[Evidence]:
        """Evidence for everybody who has completed a crossing in this frame."""
        for gone in tracks.ended:
            self._passages.pop(gone, None)
        seen = self._subjects.look(frame, tracks)
        found = []
        for row, (track, before, now) in enumerate(zip(seen.ids, seen.before, seen.now, strict=True)):
            passage = self._passages.get(track)
            if passage is None:
                passage = self._passages[track] = _Passage()
            passage.net += self._line.crossings(before, now, seen.aspect)
            offset = self._line.offset(now, seen.aspect)
            if abs(offset) > self._band:
                side = 1 if offset > 0 else -1
                # Both must agree: a change of side without a step through the extent went round the end, and a
                # step through it without a change of side circled round the end's point.
                crossed = passage.side == -side and passage.net * side > 0
                passage.side, passage.net = side, 0
                if crossed and seen.chosen[row]:
                    found += self._count(seen, row, forward=side > 0)
        return found

    def reset(self) -> None:
        """A new session begins: nobody is on any side yet, the counts stay."""
        self._passages.clear()
        self._subjects.reset()

    def _count(self, seen: Seen, row: int, *, forward: bool) -> list[Evidence]:
        self.forward += forward
        self.backward += not forward
        way: Direction = "forward" if forward else "backward"
        if self._direction not in ("both", way):
            return []
        text = f"crossed {self._line.name} {way} ({self.forward} forward, {self.backward} backward so far)"
        measures = {"forward": (float(self.forward), 0.0), "backward": (float(self.backward), 0.0)}
        return [seen.evidence(row, text, self._line.name, measures, momentary=True)]
