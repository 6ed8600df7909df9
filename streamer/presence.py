"""Whether anybody is in a camera's picture, as far as its analysis can tell."""

from __future__ import annotations

import numpy as np

from streamer.types import Tracks

PresenceNews = tuple[bool, bool, bool, int]
NO_NEWS: PresenceNews = (False, False, False, 0)
_NEWS_EVERY = 5
_MOVES_SIZES_PER_S = 0.3
"""Of a box's size (the root of its area): less than a stroll, and more than the boxes of who stands still tremble."""


class Presence:
    """Written by analysis, asked by the gate in front of the camera's decoder: while somebody is there who does not
    move, every look of a sleeping camera is analysed, so that whoever is followed stays followed."""

    def __init__(self) -> None:
        self._followed = 0
        self._alerted = self._moving = False
        self._vacant_frames = 0

    @property
    def anybody(self) -> bool:
        """True where the last analysed frame had somebody in it."""
        return self._followed > 0

    @property
    def alerted(self) -> bool:
        """True while an alert about somebody is open: what goes on there needs every picture."""
        return self._alerted

    @property
    def moving(self) -> bool:
        """True where somebody moves in the last analysed frame; false may also mean: towards the camera."""
        return self._moving

    @property
    def vacant_frames(self) -> int:
        """So many analysed frames in a row had nobody in them."""
        return self._vacant_frames

    @property
    def news(self) -> PresenceNews:
        """For a copy of this in another process, which hears() it; changes seldom enough to be told every time."""
        return self._followed > 0, self._alerted, self._moving, self._vacant_frames // _NEWS_EVERY * _NEWS_EVERY

    def sees(self, followed: int, alerted: bool = False, moving: bool = False) -> None:
        """So many are followed in the newest analysed frame, and an alert about somebody is open, or not."""
        self._followed, self._alerted, self._moving = followed, alerted, moving
        self._vacant_frames = 0 if followed else self._vacant_frames + 1

    def hears(self, news: PresenceNews) -> None:
        """What the original knows."""
        anybody, self._alerted, self._moving, self._vacant_frames = news
        self._followed = int(anybody)


def anybody_moves(tracks: Tracks) -> bool:
    """Whether somebody who is followed moves across the picture."""
    if not len(tracks):
        return False
    sides, velocity = tracks.boxes_xyxy[:, 2:] - tracks.boxes_xyxy[:, :2], tracks.velocity_xy
    speeds_squared = np.square(velocity).sum(1)
    return bool((speeds_squared > _MOVES_SIZES_PER_S**2 * sides.prod(1)).any())
