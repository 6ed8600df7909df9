"""Who lives: nodes whose beat was heard to change lately, by the listener's own clock and nobody else's."""

from __future__ import annotations

from collections.abc import Mapping

SILENT_AFTER_S = 3.0
"""Six beats. A lease runs out after four: whoever is silent for so long is about to lose its cameras anyway."""
_MOST_AT_ONCE_S = 1.0


class Vigil:
    """Remembers when each node was heard last, in seconds of listening.

    From one look to the next at most a second counts: where the listener itself was away (Redis, a machine that stood
    still), that nobody was heard was not the nodes' fault, and all of them have time to be heard again.
    """

    def __init__(self, silent_after_s: float = SILENT_AFTER_S) -> None:
        self._silent_after_s = silent_after_s
        self._heard: dict[str, tuple[tuple[str, int, int], float]] = {}
        self._listened_s = 0.0
        self._looked_s: float | None = None

    def hear(self, beats: Mapping[str, tuple[str, int, int]], now_s: float) -> frozenset[str]:
        """Take in what every node said last (anything that changes with each beat); returns those that live."""
        passed_s = 0.0 if self._looked_s is None else now_s - self._looked_s
        self._looked_s = now_s
        self._listened_s += min(passed_s, _MOST_AT_ONCE_S)
        heard = {}
        for node, said in beats.items():
            before = self._heard.get(node)
            heard[node] = before if before is not None and before[0] == said else (said, self._listened_s)
        self._heard = heard
        return frozenset(node for node, (_, at_s) in heard.items() if self._listened_s - at_s <= self._silent_after_s)
