"""Whose turn it is when there is not enough for everybody: weighted fair queueing with virtual time.

Every analysed frame moves its camera on by 1/weight; who is least far has the best claim. A camera that was quiet for a
while begins where the others are: it has saved up nothing. After Demers, Keshav and Shenker, "Analysis and Simulation
of a Fair Queueing Algorithm" (SIGCOMM 1989); the start rule is that of start-time fair queueing (Goyal et al., 1996).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping


class FairShares:
    """weights: by camera, above 0; 1 for those that are not named. Not for two threads at once."""

    def __init__(self, weights: Mapping[str, float] | None = None) -> None:
        self._weights = dict(weights or {})
        self._reached: dict[str, float] = {}
        self._now = 0.0

    def waiting(self, cameras: Iterable[str]) -> None:
        """These have frames: virtual time is that of whoever of them is least far."""
        reached = [self._reached.get(camera, self._now) for camera in cameras]
        if reached:
            self._now = max(self._now, min(reached))

    def weigh(self, camera: str, weight: float) -> None:
        """From now on this camera has this weight."""
        self._weights[camera] = weight

    def forget(self, camera: str) -> None:
        """The camera is gone."""
        self._weights.pop(camera, None)
        self._reached.pop(camera, None)

    def served(self, camera: str) -> None:
        """A frame of this camera is analysed."""
        self._reached[camera] = self.tag(camera, 1)

    def tag(self, camera: str, nth: int) -> float:
        """How far this camera would be after so many frames more: the higher, the weaker the claim of that frame."""
        return max(self._reached.get(camera, self._now), self._now) + nth / self._weights.get(camera, 1.0)
