"""How long to wait before the next try: growing, jittered, and back to the start after a success."""

from __future__ import annotations

import random


class Backoff:
    """Doubles from first_s to cap_s; each wait is drawn between half and all of it, so that a herd spreads out."""

    def __init__(self, first_s: float = 0.1, cap_s: float = 2.0, rng: random.Random | None = None) -> None:
        self._first_s, self._cap_s = first_s, cap_s
        self._rng = rng or random.Random()
        self._next_s = first_s

    def next(self) -> float:
        """Seconds to wait now."""
        span_s = self._next_s
        self._next_s = min(self._cap_s, 2 * span_s)
        return span_s * self._rng.uniform(0.5, 1.0)

    def reset(self) -> None:
        """It worked."""
        self._next_s = self._first_s
