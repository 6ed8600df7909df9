"""How a clip's probabilities, step by step, become one score."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


def highest(probs: Floats) -> float:
    """What an alert without any patience would see."""
    return float(probs.max(initial=0.0))


def highest_for(steps: int) -> Callable[[Floats], float]:
    """The highest mean over so many steps in a row: what an alert that wants it to last would see."""

    def read(probs: Floats) -> float:
        if len(probs) <= steps:
            return float(probs.mean()) if len(probs) else 0.0
        return float(np.convolve(probs, np.ones(steps) / steps, "valid").max())

    return read


def at_the_end(probs: Floats) -> float:
    """What the head says once it has seen all of the clip."""
    return float(probs[-1]) if len(probs) else 0.0


READERS: dict[str, Callable[[Floats], float]] = {
    "highest": highest,
    "highest over 0.6 s": highest_for(3),
    "highest over 1 s": highest_for(5),
    "at the end": at_the_end,
}
