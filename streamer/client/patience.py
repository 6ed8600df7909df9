"""How a subscriber waits for a broker that is away: growing, jittered, and not for ever unless asked to."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable

from streamer.errors import SinkUnavailable

_log = logging.getLogger("streamer.client")

_FIRST_S = 0.1
_LONGEST_S = 2.0


class Patience:
    """Waits between tries; most_s is how long trouble in a row may last, None for ever."""

    def __init__(
        self,
        most_s: float | None,
        monotonic: Callable[[], float] = time.monotonic,
        rng: random.Random | None = None,
    ) -> None:
        self._most_s, self._monotonic, self._rng = most_s, monotonic, rng or random.Random()
        self._since_s: float | None = None
        self._span_s = _FIRST_S

    def wait_s(self, error: SinkUnavailable) -> float:
        """Seconds to wait after this failure; raises it where patience is at its end."""
        now_s = self._monotonic()
        if self._since_s is None:
            self._since_s = now_s
            _log.warning("no alerts for now: %s", error)
        if self._most_s is not None and now_s - self._since_s >= self._most_s:
            raise error
        span_s, self._span_s = self._span_s, min(_LONGEST_S, 2 * self._span_s)
        return span_s * self._rng.uniform(0.5, 1.0)

    def answered(self) -> None:
        """The broker is there."""
        if self._since_s is not None:
            _log.info("alerts come again")
        self._since_s, self._span_s = None, _FIRST_S
