"""What is to be seen at any moment of a film, between analysed frames too: a pure function of time.

A track that was seen before and after moves in a straight line between; one that was seen only before stays for half
a second at most. Alerts that are over stay a moment, else nobody could read what happened at one.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

from streamer.render.film import Box, Film, Glimpse, Story, Told

TRAIL_S = 2.0
LONGEST_STEP_S = 1.0
HOLD_S = 0.5
LINGER_S = 1.5


@dataclass(frozen=True, slots=True)
class Figure:
    """A track: normalised box, and where its feet were in the last seconds, oldest first."""

    track_id: int
    box: Box
    words: str
    trail: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Notice:
    """An alert that is open, or was a moment ago."""

    story: Story
    said: Told
    open: bool


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything to be drawn at one moment; notices in the order in which they opened. fight: see Glimpse."""

    at_s: float
    figures: tuple[Figure, ...]
    notices: tuple[Notice, ...]
    fight: float | None = None


class Scenes:
    """The scenes of a film that is complete."""

    def __init__(self, film: Film) -> None:
        self._glimpses, self._stories = film.glimpses, film.stories
        self._times_s = [each.at_s for each in film.glimpses]

    def at(self, at_s: float) -> Scene:
        """The scene so many seconds into the video."""
        number = bisect_right(self._times_s, at_s + 1e-6) - 1
        figures = self._figures(number, at_s) if number >= 0 else ()
        fight = self._glimpses[number].fight if number >= 0 else None
        return Scene(at_s, figures, tuple(self._notices(at_s)), fight)

    def _figures(self, number: int, at_s: float) -> tuple[Figure, ...]:
        now = self._glimpses[number]
        after = self._glimpses[number + 1] if number + 1 < len(self._glimpses) else None
        figures = []
        for row, track_id in enumerate(now.ids):
            box = _between(now, after, row, track_id, at_s)
            if box is not None:
                trail = (*self._trail(track_id, number), _feet(box))
                figures.append(Figure(track_id, box, now.words[row], trail))
        return tuple(figures)

    def _trail(self, track_id: int, number: int) -> list[tuple[float, float]]:
        points = []
        until_s = self._glimpses[number].at_s - TRAIL_S
        for earlier in range(number, -1, -1):
            glimpse = self._glimpses[earlier]
            if glimpse.at_s < until_s:
                break
            if track_id in glimpse.ids:
                points.append(_feet(_box(glimpse, glimpse.ids.index(track_id))))
        return points[::-1]

    def _notices(self, at_s: float) -> list[Notice]:
        notices = []
        for story in self._stories:
            is_open = story.opened_s <= at_s + 1e-6 and (story.closed_s is None or at_s < story.closed_s)
            last_s = max(story.opened_s, story.closed_s if story.closed_s is not None else story.opened_s)
            if is_open or story.opened_s <= at_s + 1e-6 <= last_s + LINGER_S:
                notices.append(Notice(story, story.at(at_s + 1e-6), is_open))
        return notices


def _between(now: Glimpse, after: Glimpse | None, row: int, track_id: int, at_s: float) -> Box | None:
    here = _box(now, row)
    if after is None or track_id not in after.ids or after.at_s - now.at_s > LONGEST_STEP_S:
        return here if at_s - now.at_s <= HOLD_S else None
    there = _box(after, after.ids.index(track_id))
    share = min(1.0, max(0.0, (at_s - now.at_s) / (after.at_s - now.at_s)))
    left, top, right, bottom = (a + (b - a) * share for a, b in zip(here, there, strict=True))
    return left, top, right, bottom


def _box(glimpse: Glimpse, row: int) -> Box:
    left, top, right, bottom = glimpse.boxes[row].tolist()
    return left, top, right, bottom


def _feet(box: Box) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, box[3]
