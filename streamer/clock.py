"""Time as something that is passed in, so that tests own it."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Two clocks with two jobs: `monotonic` for ages and deadlines, `now` for what people read."""

    def monotonic(self) -> float:
        """Seconds that never jump; the origin means nothing."""
        ...

    def now(self) -> float:
        """Seconds since the Unix epoch; may jump when the machine's clock is set."""
        ...


class SystemClock:
    """The machine's own clocks."""

    monotonic = staticmethod(time.monotonic)
    now = staticmethod(time.time)
