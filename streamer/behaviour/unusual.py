"""What is farthest from normal, in words: the last features of a track, or of a picture, against normal ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Range = tuple[float, float, float]
"""What 1 %, 50 % and 99 % of normal steps stay below."""
QUANTILES = (0.01, 0.5, 0.99)
MOST_WORDS = 3

_LEAST_SPEED = 0.25
_COUNTS = {2: "twice", 3: "three times", 4: "four times", 5: "five times", 6: "six times"}


@dataclass(frozen=True, slots=True)
class _Phrase:
    """How being above (or below) what is normal is said; {times} and {value} are filled in, {usual} is its bound."""

    feature: str
    above: str | None = None
    below: str | None = None
    in_logs: bool = False  # log(1 + value)


# One for each thing that can be seen; features that say the same over another time stay silent.
PHRASES = (
    _Phrase("speed_1", above="{times} as fast as usual{here}"),
    _Phrase("peak_speed_3", above="for a moment faster than nearly everybody{here}"),
    _Phrase("straightness", below="moves about without getting anywhere"),
    _Phrase(
        "acceleration", above="speeds up more than is usual{here}", below="stops more suddenly than is usual{here}"
    ),
    _Phrase("turning", above="turns more sharply than is usual{here}"),
    _Phrase("down_1", above="moves down the picture faster than is usual{here}"),
    _Phrase("aspect_from_usual", above="suddenly wider for its height than before"),
    _Phrase("height_change_1", below="suddenly much lower"),
    _Phrase("height_of_body", below="much lower than it is long"),
    _Phrase("wobble_1", above="its outline changes faster than is usual{here}"),
    _Phrase("longest_still_s", above="still for {value:.0f} s (usual{here}: up to {usual:.0f} s)", in_logs=True),
    _Phrase("approach", above="comes at somebody faster than is usual{here}"),
    _Phrase("relative_speed", above="moves against somebody close faster than is usual{here}"),
    _Phrase("overlap", above="closer to somebody than is usual{here}"),
    _Phrase("crowd", above="in a denser crowd than is usual{here}"),
    _Phrase("neighbour_low", below="beside somebody who is low down"),
    # Of whole pictures.
    _Phrase("turmoil_peak_middle", above="motion that goes every way at once in one place"),
    _Phrase("flow_fastest", above="something moves faster than is usual{here}"),
    _Phrase("flow_change", above="motion turns from one moment to the next"),
    _Phrase("moving_share", above="more of the picture moves than is usual{here}"),
)


class Unusual:
    """Words for rows of features. usual: feature → Range; features without one, or without words, stay silent."""

    def __init__(self, features: tuple[str, ...], usual: Mapping[str, Range], *, here: bool) -> None:
        known = [each for each in PHRASES if each.feature in usual and each.feature in features]
        self._phrases = known
        self._columns = np.array([features.index(each.feature) for each in known], np.intp)
        bounds = np.array([usual[each.feature] for each in known], np.float32).reshape(-1, 3).T
        self._low, self._middle, self._high = bounds
        # A feature that hardly ever moves would be infinitely far from normal at its first stir.
        self._up, self._down = (np.maximum(side, 0.05) for side in (bounds[2] - bounds[1], bounds[1] - bounds[0]))
        self._says_up = np.array([each.above is not None for each in known], np.bool_)
        self._says_down = np.array([each.below is not None for each in known], np.bool_)
        self._here = " here" if here else ""

    def words(self, features: NDArray[np.float32]) -> list[tuple[str, ...]]:
        """For each row of float32 (m, F) what lies outside the normal range, the farthest first, MOST_WORDS at most."""
        values = features[:, self._columns]
        above = np.where(self._says_up, (values - self._high) / self._up, 0.0)
        below = np.where(self._says_down, (self._low - values) / self._down, 0.0)
        far = np.maximum(above, below)
        told: list[tuple[str, ...]] = [()] * len(values)
        for row in np.flatnonzero((far > 0).any(axis=1)):
            order = [column for column in np.argsort(-far[row], kind="stable")[:MOST_WORDS] if far[row, column] > 0]
            told[row] = tuple(self._say(c, float(values[row, c]), bool(above[row, c] > 0)) for c in order)
        return told

    def _say(self, column: int, value: float, is_above: bool) -> str:
        phrase, usual = self._phrases[column], float(self._high[column])
        text = (phrase.above if is_above else phrase.below) or ""
        if phrase.in_logs:
            value, usual = float(np.expm1(value)), float(np.expm1(usual))
        if "{times}" not in text:
            return text.format(value=value, usual=usual, here=self._here)
        middle = float(self._middle[column])
        if middle < _LEAST_SPEED or value < 1.5 * middle:  # most stand here: a multiple of nothing says nothing
            return f"faster than nearly everybody{self._here}"
        times = round(value / middle)
        return text.format(times=_COUNTS.get(times, f"{times} times"), here=self._here)
