"""For how long analysis has kept looking at a camera's pictures and found nobody in them."""

from __future__ import annotations

from streamer.presence import Presence

_FEWEST_FRAMES = 5
"""Somebody may be overlooked in one or two."""
_MOST_SILENT_S = 1.5
"""Without a word from analysis for longer than this nothing is known: it may be behind, or look at other cameras."""


class Vacancy:
    """Asked with every look for motion."""

    def __init__(self, presence: Presence | None) -> None:
        self._presence = presence
        self._frames = 0
        self._since_s: float | None = None
        self._told_s = float("-inf")

    def lasted_s(self, at_s: float) -> float:
        """Seconds until stream time at_s, which rises from call to call; 0 where somebody is there, or nobody knows."""
        if self._presence is None:
            return 0.0
        frames, before = self._presence.vacant_frames, self._frames
        self._frames = frames
        if frames != before:
            self._told_s = at_s
        if frames < max(before, _FEWEST_FRAMES) or at_s - self._told_s > _MOST_SILENT_S:
            self._since_s = None
            return 0.0
        if self._since_s is None:
            self._since_s = at_s
        return at_s - self._since_s
