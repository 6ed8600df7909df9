"""Whom a rule judges, and how it says what it found: the part that all rules on tracks have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

from streamer.rules.geometry import Floats, Zone
from streamer.rules.sightings import Anchor, Sighted, Sightings
from streamer.types import Evidence, Frame, Tracks


class Who(TypedDict, total=False):
    """Keyword arguments that every rule on tracks takes.

    labels     only these; None, the default, for all
    min_score  tracks whose score, evened out over a second, is lower are nobody; default 0
    anchor     the point of a box that stands for it: 'bottom' (the feet, default) or 'centre'
    sightings  the camera's shared memory; without one the rule keeps its own
    """

    labels: frozenset[str] | None
    min_score: float
    anchor: Anchor
    sightings: Sightings


class Subjects:
    """The tracks that a rule judges in each frame."""

    def __init__(
        self,
        *,
        labels: frozenset[str] | None = None,
        min_score: float = 0.0,
        anchor: Anchor = "bottom",
        sightings: Sightings | None = None,
    ) -> None:
        if labels is not None and not labels:
            raise ValueError("labels: none are named, so the rule could never hold; leave it out to judge all labels")
        if not 0 <= min_score <= 1:
            raise ValueError(f"min_score: a score lies between 0 and 1; got {min_score:g}")
        self._labels, self._min_score, self._anchor = labels, min_score, anchor
        self._sightings = sightings if sightings is not None else Sightings()

    @property
    def settings(self) -> dict[str, object]:
        """For an alert's reason: JSON-ready."""
        labels = None if self._labels is None else sorted(self._labels)
        return {"labels": labels, "min_score": self._min_score, "anchor": self._anchor}

    def look(self, frame: Frame, tracks: Tracks) -> Seen:
        """Everybody in this frame, and which of them the rule is about."""
        sighted = self._sightings.of(frame, tracks)
        chosen = [score >= self._min_score for score in sighted.scores]
        if self._labels is not None:
            names = tracks.labels
            classes = zip(chosen, tracks.class_ids.tolist(), strict=True)
            chosen = [likely and names[class_id] in self._labels for likely, class_id in classes]
        return Seen(sighted, chosen, self._anchor)

    def reset(self) -> None:
        """A new session begins."""
        self._sightings.reset()


class Seen:
    """The tracks of one frame through the eyes of one rule, by row as in Tracks; `chosen` are those that it is about.

    now, before: where each stands and where it was seen last, normalised; gap_s: the seconds between the two.
    """

    __slots__ = ("_anchor", "_sighted", "_standing", "aspect", "before", "chosen", "gap_s", "ids", "now")

    def __init__(self, sighted: Sighted, chosen: list[bool], anchor: Anchor) -> None:
        self._sighted, self._anchor, self._standing = sighted, anchor, sighted.standing(anchor)
        self.chosen, self.ids, self.gap_s, self.aspect = chosen, sighted.ids, sighted.gap_s, sighted.aspect
        self.now, self.before = self._standing.now, self._standing.before

    @property
    def array(self) -> Floats:
        """`now` as float64 (M, 2)."""
        return self._standing.array

    def inside(self, zone: Zone) -> list[bool]:
        """Who stands in the zone, chosen or not."""
        return zone.contains(self._standing.array)

    def chosen_inside(self, zone: Zone | None) -> list[int]:
        """The rows of those that the rule is about and that stand in the zone; without a zone, anywhere."""
        if zone is None:
            return [row for row, is_chosen in enumerate(self.chosen) if is_chosen]
        rows = zip(self.chosen, zone.contains(self._standing.array), strict=True)
        return [row for row, (is_chosen, is_inside) in enumerate(rows) if is_chosen and is_inside]

    def label(self, row: int) -> str:
        """What the track is."""
        tracks = self._sighted.tracks
        return tracks.labels[int(tracks.class_ids[row])]

    def evidence(
        self,
        row: int,
        text: str,
        place: str | None,
        measures: Mapping[str, tuple[float, float]],
        *,
        momentary: bool = False,
    ) -> Evidence:
        """Evidence against one track; `text` goes on after its label: 'entered yard'."""
        tracks, label, track = self._sighted.tracks, self.label(row), self._sighted.ids[row]
        x1, y1, x2, y2 = tracks.boxes_xyxy[row].tolist()
        return Evidence(
            subject=f"track:{track}",
            text=f"{label} {text}",
            measures=measures,
            score=self._sighted.scores[row],
            label=label,
            track_ids=(track,),
            box_xyxy=(x1, y1, x2, y2),
            place=place,
            trail=self._sighted.trail(row, self._anchor),
            momentary=momentary,
        )
