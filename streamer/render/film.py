"""What a replay found, kept small: who was where in each analysed frame, and the story of every alert."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from streamer.expectations.seen import VideoTimes
from streamer.privacy.publishable import veil_of
from streamer.privacy.veils import Veils
from streamer.types import AlertChange, Boxes, FrameResult, Severity, Tracks

Box = tuple[float, float, float, float]
_SURE = 0.5
"""From this probability on a track's behaviour is written at it."""


@dataclass(frozen=True, slots=True, eq=False)
class Glimpse:
    """One analysed frame at_s seconds into the video: M tracks, boxes float32 (M, 4), normalised, and words of each.

    fight: how probable one is in the picture, where a model looks at whole pictures and can say already.
    """

    at_s: float
    ids: tuple[int, ...]
    boxes: Boxes
    words: tuple[str, ...]
    fight: float | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """What an alert said from at_s on."""

    at_s: float
    text: str
    track_ids: tuple[int, ...]
    box: Box | None


@dataclass(slots=True)
class Story:
    """One alert, from its opening to its end; closed_s None: nothing more was heard of it."""

    id: str
    rule: str
    kind: str
    severity: Severity
    place: str | None
    opened_s: float
    closed_s: float | None = None
    told: list[Told] = field(default_factory=list)

    def at(self, at_s: float) -> Told:
        """What it said last."""
        return next((each for each in reversed(self.told) if each.at_s <= at_s), self.told[0])


class Film:
    """Gathers all of it from a replay (a stages.Sink), whose frames were screened.

    veils: what of the video must not be seen, at any moment.
    """

    def __init__(self) -> None:
        self.veils = Veils()
        self._times = VideoTimes()
        self._stories: dict[str, Story] = {}
        self.glimpses: list[Glimpse] = []

    @property
    def stories(self) -> tuple[Story, ...]:
        """Every alert, in the order in which they opened."""
        return tuple(self._stories.values())

    @property
    def length_s(self) -> float:
        """How far the video was analysed."""
        return self._times.last_s

    def publish(self, result: FrameResult) -> None:
        """Take one frame."""
        frame, tracks = result.frame, result.tracks
        at_s = self._times.see(frame.session, frame.media_s)
        self.veils.add(at_s, veil_of(frame))
        whole = np.array([*frame.source_wh, *frame.source_wh], np.float32)
        ids = tuple(int(each) for each in tracks.ids)
        self.glimpses.append(Glimpse(at_s, ids, tracks.boxes_xyxy / whole, _words(tracks), _fight(tracks)))
        self.announce(result.changes)

    def announce(self, changes: Sequence[AlertChange]) -> None:
        """Take changes of alerts, in order."""
        for change in changes:
            at_s = self._times.of(change.session, change.media_s)
            if change.type == "opened":
                self._stories[change.id] = Story(
                    change.id, change.rule, change.kind, change.severity, change.place, at_s
                )
            if story := self._stories.get(change.id):
                text = str(change.reason.get("text", change.kind))
                story.told.append(Told(at_s, text, change.track_ids, change.box))
                if change.type == "closed":
                    story.closed_s = at_s

    def close(self) -> None:
        """Nothing was opened."""


def _words(tracks: Tracks) -> tuple[str, ...]:
    """'person 7', 'person 7 running': what is written at each track."""
    behaviour = tracks.behaviour
    words = []
    for row, (track_id, class_id) in enumerate(zip(tracks.ids.tolist(), tracks.class_ids.tolist(), strict=True)):
        how = ""
        # a young track's are NaN, which is never as much
        if behaviour is not None and behaviour.labels and behaviour.probs[row].max() >= _SURE:
            how = f" {behaviour.labels[int(behaviour.probs[row].argmax())]}"
        words.append(f"{tracks.labels[class_id]} {track_id}{how}")
    return tuple(words)


def _fight(tracks: Tracks) -> float | None:
    scene = tracks.behaviour.scene if tracks.behaviour else None
    return scene.fight if scene is not None and np.isfinite(scene.fight) else None
