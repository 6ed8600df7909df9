"""The bell beside a camera that sleeps: whoever rings it wants pictures for a while."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable

LONGEST_S = 86_400.0


class WakeBell:
    """Rung from any thread, asked by the camera's own; neither ever waits.

    monotonic: the clock by which it is rung, the same as that of the one who asks.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._until_s = -math.inf

    def ring(self, for_s: float) -> None:
        """Keep the camera awake for so long from now; one that was rung for longer stays so.

        Raises ValueError for a time that is not above 0 and at most a day: to be awake always is a setting.
        """
        if not 0 < for_s <= LONGEST_S:
            raise ValueError(f"for_s is {for_s:g}: a camera can be woken for more than 0 s and at most {LONGEST_S:g} s")
        until_s = self._monotonic() + for_s
        with self._lock:
            self._until_s = max(self._until_s, until_s)

    @property
    def until_s(self) -> float:
        """When it stops ringing, on the monotonic clock; long past where it was never rung."""
        return self._until_s

    def rung(self, now_s: float) -> bool:
        """True where somebody wants pictures at this moment of the monotonic clock."""
        return now_s < self._until_s
