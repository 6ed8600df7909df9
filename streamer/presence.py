"""Whether anybody is in a camera's picture, as far as its analysis can tell."""

from __future__ import annotations


class Presence:
    """Written by analysis, asked by the gate in front of the camera's decoder: while somebody is there who does not
    move, every look of a sleeping camera is analysed, so that whoever is followed stays followed."""

    def __init__(self) -> None:
        self._followed = 0
        self._alerted = False

    @property
    def anybody(self) -> bool:
        """True where the last analysed frame had somebody in it."""
        return self._followed > 0

    @property
    def alerted(self) -> bool:
        """True while an alert about somebody is open: what goes on there needs every picture."""
        return self._alerted

    def sees(self, followed: int, alerted: bool = False) -> None:
        """So many are followed in the newest analysed frame, and an alert about somebody is open, or not."""
        self._followed, self._alerted = followed, alerted
