"""Which number of cameras to try next: doubling until one fails, then halving what lies between."""

from __future__ import annotations

from collections.abc import Callable

_STEP_DOWN = 0.05
"""Of a number that did not hold when it was tried again; at least one camera."""


def most_that_holds(holds: Callable[[int], bool], most: int, first: int = 1, within: float = 0.0) -> int:
    """The largest number in [0, most] that holds, where fewer cameras always hold too.

    first: the number to begin with; one near the answer saves trials. within: end where what held and what failed lie
    no farther apart than this share of what held; 0 finds the exact number.
    """
    good, failed = 0, most + 1
    n = max(1, min(first, most))
    while failed - good > max(1.0, within * good):
        if holds(n):
            good = n
        else:
            failed = n
        if failed > most:
            n = min(2 * good, most)
        elif good == 0:
            n = failed // 2
        else:
            n = (good + failed) // 2
    return good


def confirmed(n: int, holds: Callable[[int], bool]) -> int:
    """The same number where it holds once more, else the next smaller one that does; 0 for none.

    A search ends at the edge, where a single trial may have been lucky.
    """
    while n > 0 and not holds(n):
        n -= max(1, round(n * _STEP_DOWN))
    return max(n, 0)
