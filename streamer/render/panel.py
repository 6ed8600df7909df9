"""The strip below the picture: the time, what the newest alerts say, and the whole video's alerts along a line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.alerts.drawing import COLOURS, FONT, INK, OTHERS, PAPER, Rgb, as_ascii
from streamer.expectations.moments import shown
from streamer.render.film import Story
from streamer.render.scene import Notice, Scene

GOOD: Rgb = (90, 200, 110)
BAD: Rgb = (255, 70, 70)
_FAINT: Rgb = (70, 70, 70)
_ROWS = 3  # of alerts' words
_MOST_LANES = 6


@dataclass(frozen=True, slots=True)
class Judged:
    """What expectations say of the alerts: id → as expected or not, and in a word why; missing: when, seconds."""

    good: Mapping[str, bool] = field(default_factory=dict)
    words: Mapping[str, str] = field(default_factory=dict)
    missing: Sequence[float] = ()


class Panel:
    """Draws the strip of one video whose pictures are as large as this."""

    def __init__(
        self, picture_wh: tuple[int, int], title: str, length_s: float, stories: Sequence[Story], judged: Judged
    ) -> None:
        self._width, picture_height = picture_wh
        self._title, self._length_s, self._judged = title, max(length_s, 1e-3), judged
        self._scale = max(0.4, picture_height / 1300)
        self._thick = 1 if picture_height < 900 else 2
        (_, letters), base = cv2.getTextSize("Ag", FONT, self._scale, self._thick)
        self._step, self._margin = round((letters + base) * 1.3), max(6, round(letters * 0.6))
        self._lane = max(5, round(letters * 0.7))
        self._lanes = _in_lanes(stories, self._length_s)
        self._stories = {story.id: story for story in stories}
        lanes = max([1, *(lane + 1 for lane in self._lanes.values())])
        self._line_top = self._margin + self._step * (1 + _ROWS) + self._margin // 2
        self._height = self._line_top + lanes * (self._lane + 2) + self._margin
        self._ground = self._still()

    def draw(self, scene: Scene) -> NDArray[np.uint8]:
        """uint8 (h, W, 3), RGB, for this moment."""
        panel = self._ground.copy()
        self._words(panel, 0, f"{self._title}   {shown(scene.at_s)} / {shown(self._length_s)}", INK)
        newest = sorted(scene.notices, key=lambda each: (each.open, each.story.opened_s))[-_ROWS:]
        for row, notice in enumerate(reversed(newest), 1):
            self._notice(panel, row, notice)
        at_large = [f"{len(scene.notices)} alerts"] if len(scene.notices) > _ROWS else []
        if scene.fight is not None:
            at_large.append(f"fight {scene.fight:.2f}")
        self._words(panel, 0, "   ".join(at_large), OTHERS, right=True)
        x = self._x(scene.at_s)
        cv2.line(panel, (x, self._line_top - 3), (x, self._height - self._margin + 2), INK, self._thick)
        return panel

    def _notice(self, panel: NDArray[np.uint8], row: int, notice: Notice) -> None:
        story = notice.story
        top = self._margin + self._step * row
        side = round(self._step * 0.55)
        colour = COLOURS[story.severity]
        corner = (self._margin, top + (self._step - side) // 2)
        filled = cv2.FILLED if notice.open else self._thick
        cv2.rectangle(panel, corner, (corner[0] + side, corner[1] + side), colour, filled)
        verdict = self._judged.words.get(story.id)
        taken = 0
        if verdict:
            good = self._judged.good.get(story.id, True)
            taken = self._words(panel, row, verdict, GOOD if good else BAD, right=True)
        indent = side + self._margin
        tracks = notice.said.track_ids
        said = f"{story.rule}{f' (track {tracks[0]})' if len(tracks) == 1 else ''}: {notice.said.text}"
        self._words(panel, row, said, INK if notice.open else OTHERS, indent=indent, leave=taken + self._margin)

    def _words(
        self,
        panel: NDArray[np.uint8],
        row: int,
        text: str,
        colour: Rgb,
        *,
        indent: int = 0,
        right: bool = False,
        leave: int = 0,
    ) -> int:
        """Write one row, shortened to its room; returns how wide it is."""
        text = as_ascii(text)
        room = self._width - 2 * self._margin - indent - leave
        while len(text) > 4 and self._wide(text) > room:
            text = text[:-4].rstrip() + "..."
        width = self._wide(text)
        x = self._width - self._margin - width if right else self._margin + indent
        y = self._margin + self._step * (row + 1) - round(self._step * 0.3)
        cv2.putText(panel, text, (x, y), FONT, self._scale, colour, self._thick, cv2.LINE_AA)
        return width

    def _wide(self, text: str) -> int:
        width: int = cv2.getTextSize(text, FONT, self._scale, self._thick)[0][0]
        return width

    def _x(self, at_s: float) -> int:
        share = min(1.0, max(0.0, at_s / self._length_s))
        return self._margin + round(share * (self._width - 2 * self._margin - 1))

    def _still(self) -> NDArray[np.uint8]:
        """What does not change: the line with every alert on it."""
        panel = np.full((self._height, self._width, 3), PAPER, np.uint8)
        bottom = self._height - self._margin
        cv2.line(panel, (self._x(0), bottom), (self._x(self._length_s), bottom), _FAINT, self._thick)
        for second in range(0, int(self._length_s) + 1, _tick_s(self._length_s)):
            cv2.line(panel, (self._x(second), bottom), (self._x(second), bottom + 3), OTHERS, self._thick)
        for story_id, lane in self._lanes.items():
            story = self._stories[story_id]
            good = self._judged.good.get(story_id)
            colour = COLOURS[story.severity] if good is None else GOOD if good else BAD
            end_s = self._length_s if story.closed_s is None else story.closed_s
            left = self._x(story.opened_s)
            right = max(left + 3, self._x(end_s))
            top = bottom - (lane + 1) * (self._lane + 2)
            cv2.rectangle(panel, (left, top), (right, top + self._lane - 1), colour, cv2.FILLED)
        for at_s in self._judged.missing:
            centre = (self._x(at_s), bottom - self._lane // 2 - 2)
            cv2.drawMarker(panel, centre, BAD, cv2.MARKER_TILTED_CROSS, self._lane + 4, self._thick + 1)
        return panel


def _in_lanes(stories: Sequence[Story], length_s: float) -> dict[str, int]:
    """Alert → its lane, so that those that overlap lie above each other; what has no room shares the last."""
    ends_s: list[float] = []
    lanes: dict[str, int] = {}
    for story in stories:
        free = [lane for lane, end_s in enumerate(ends_s) if end_s + length_s / 100 <= story.opened_s]
        if not free and len(ends_s) < _MOST_LANES:
            ends_s.append(0.0)
            free = [len(ends_s) - 1]
        lane = free[0] if free else _MOST_LANES - 1
        ends_s[lane] = length_s if story.closed_s is None else story.closed_s
        lanes[story.id] = lane
    return lanes


def _tick_s(length_s: float) -> int:
    """A round number of seconds of which at most thirty fit."""
    return next((each for each in (1, 5, 10, 60, 300, 600) if length_s / each <= 30), 3600)
