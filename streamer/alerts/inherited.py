"""Alerts that another machine had open when the camera came here: gone on with, or closed, with the reason in words.

Tracks do not travel: here everybody is seen for the first time, under other ids. So what an alert was about is looked
for again. What is about a place or the camera (a full zone, a dark picture) is the same thing when the same rule holds
for the same place. What is about somebody is the same where somebody of the same label, under the same rule and in the
same place, stands no farther from the last known box than the box is long. That may be wrong: a second person in the
first one's place is taken for the first, as a camera that blinked would. It is never silent: the change that goes on
says `continued`, and the one that closes says why.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from streamer.alerts.policy import AlertPolicy
from streamer.alerts.wording import Box, normalised_box
from streamer.types import AlertChange, Evidence

_SETTLE_S = 3.0  # until a tracker that has just begun follows whoever is there
_LONGEST_S = 120.0
_LEAST_REACH = 0.1  # of the picture's diagonal


@dataclass(frozen=True, slots=True)
class Legacy:
    """What one book leaves to the next: open alerts at their newest change, and when each rule closed its last one
    (epoch seconds)."""

    open: tuple[AlertChange, ...] = ()
    closed_at: Mapping[str, float] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Inherited:
    """One alert that waits for its subject to be seen again. moved: the sentence how it came here."""

    last: AlertChange
    moved: str
    since_s: float | None = None  # media time of the first frame that could have shown it

    def patience_s(self, policy: AlertPolicy) -> float:
        """How long the rule needs here to see again what it saw there: its own spans, on top of the tracker's."""
        spans: Any = self.last.reason.get("rule") or {}
        longest = max((float(v) for k, v in spans.items() if k.endswith("_s") and _is_span(v)), default=0.0)
        return min(_LONGEST_S, _SETTLE_S + policy.open_after_s + policy.clear_after_s + longest)


def found_again(
    inherited: Iterable[Inherited], held: Mapping[str, Evidence], source_wh: tuple[int, int] | None
) -> list[tuple[Inherited, str]]:
    """Which inherited alert goes on as which subject of this frame: each at most once, the nearest first."""
    near = [
        (likeness, n, alert, subject)
        for n, alert in enumerate(inherited)
        for subject, evidence in held.items()
        if (likeness := _likeness(alert.last, subject, evidence, source_wh)) is not None
    ]
    pairs: list[tuple[Inherited, str]] = []
    taken: set[object] = set()
    for _, _, alert, subject in sorted(near, key=lambda each: (-each[0], each[1], each[3])):
        if id(alert) not in taken and subject not in taken:
            taken |= {id(alert), subject}
            pairs.append((alert, subject))
    return pairs


def _likeness(last: AlertChange, subject: str, evidence: Evidence, source_wh: tuple[int, int] | None) -> float | None:
    """From 0 to 1, None where it cannot be the same thing."""
    if last.label != evidence.label or last.place != evidence.place:
        return None
    if not subject.startswith("track:"):
        return 1.0 if set(last.reason.get("measures") or ()) == set(evidence.measures) else None
    there, here = last.box, normalised_box(evidence.box_xyxy, source_wh)
    if there is None or here is None:
        return None
    reach = max(_LEAST_REACH, math.dist(there[:2], there[2:]))
    apart = math.dist(_middle(there), _middle(here))
    return 1.0 - apart / reach if apart <= reach else None


def _middle(box: Box) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def _is_span(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
