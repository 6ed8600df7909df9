"""How long to wait before the next attempt."""

from __future__ import annotations

import random


class Backoff:
    """Waits that double from first_s to most_s, each shortened by up to half at random.

    The jitter keeps a hundred cameras behind one switch from coming back in the same instant.

    refused_s: what is waited at most where waiting alone will not mend it, such as a wrong password, for a camera locks
    out whoever tries it often. Only from the fourth such answer in a row on: one that is going down or coming up, or a
    network that spoils what it says, looks the same for a moment; lock-outs are commonly set to five attempts or more.
    """

    REFUSALS_BELIEVED_FROM = 4

    def __init__(self, first_s: float, most_s: float, rng: random.Random, refused_s: float | None = None) -> None:
        self._first_s, self._most_s, self._rng = first_s, most_s, rng
        self._refused_s = most_s if refused_s is None else refused_s
        self._failures = self._refusals = 0

    def next_s(self, *, permanent: bool = False) -> float:
        """Seconds to wait after one more failure; permanent: one that waiting alone will not mend."""
        grown_s = min(self._most_s, self._first_s * 2.0 ** min(self._failures, 60))
        self._failures += 1
        self._refusals = self._refusals + 1 if permanent else 0
        believed = self._refusals >= self.REFUSALS_BELIEVED_FROM
        return (self._refused_s if believed else grown_s) * self._rng.uniform(0.5, 1.0)

    def reset(self) -> None:
        """It went well for a while: the next trouble is a new one."""
        self._failures = self._refusals = 0
