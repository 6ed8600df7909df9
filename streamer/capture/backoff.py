"""How long to wait before the next attempt."""

from __future__ import annotations

import random


class Backoff:
    """Waits that double from first_s to most_s, each shortened by up to half at random.

    The jitter keeps a hundred cameras behind one switch from coming back in the same instant.
    """

    def __init__(self, first_s: float, most_s: float, rng: random.Random) -> None:
        self._first_s, self._most_s, self._rng = first_s, most_s, rng
        self._failures = 0

    def next_s(self, *, permanent: bool = False) -> float:
        """Seconds to wait after one more failure; at once the longest where waiting alone will not mend it."""
        grown_s = self._first_s * 2.0 ** min(self._failures, 60)
        self._failures += 1
        return (self._most_s if permanent else min(self._most_s, grown_s)) * self._rng.uniform(0.5, 1.0)

    def reset(self) -> None:
        """It went well for a while: the next trouble is a new one."""
        self._failures = 0
