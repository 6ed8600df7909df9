"""The alerts that two configurations give on the same footage, side by side in order of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from streamer.expectations.pairing import largest_pairing, nearest_pairing
from streamer.expectations.seen import SeenAlert

Change = Literal["same", "changed", "only before", "only after"]

_NEAR_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """An alert of the first configuration, of the second, or one that both tell; how it changed, in words."""

    change: Change
    before: SeenAlert | None = None
    after: SeenAlert | None = None
    how: str = ""

    @property
    def at_s(self) -> float:
        """Its place in the order of time."""
        return min(each.opened_s for each in (self.before, self.after) if each)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came out for one video."""

    sides: tuple[Side, ...]

    @property
    def same(self) -> bool:
        """Both configurations tell the same."""
        return all(each.change == "same" for each in self.sides)

    @property
    def told(self) -> str:
        """'5 alerts the same, 1 changed, 2 only before, 1 only after'."""
        changes = [each.change for each in self.sides]
        first = f"{changes.count('same')} alert{'s' if changes.count('same') != 1 else ''} the same"
        others: tuple[Change, ...] = ("changed", "only before", "only after")
        return ", ".join([first, *(f"{changes.count(each)} {each}" for each in others if each in changes)])


def compare(
    before: Sequence[SeenAlert], after: Sequence[SeenAlert], tolerance_s: float, *, same_tracks: bool
) -> Comparison:
    """Alerts that two configurations gave; times that differ by no more than tolerance_s are the same.

    What has no equal is told as changed where the other side has the same kind of alert within ten seconds.
    same_tracks: both saw the same and followed it alike, so that an id is the same person on both sides.
    """

    def others(a: SeenAlert, b: SeenAlert) -> bool:
        return same_tracks and bool(a.track_ids and b.track_ids) and not set(a.track_ids) & set(b.track_ids)

    def equal(a: SeenAlert, b: SeenAlert) -> float | None:
        unlike = a.kind != b.kind or others(a, b) or _differences(a, b, tolerance_s)
        return None if unlike else abs(a.opened_s - b.opened_s)

    def akin(a: SeenAlert, b: SeenAlert) -> float | None:
        away_s = abs(a.opened_s - b.opened_s)
        if a.kind != b.kind or others(a, b) or away_s > _NEAR_S:
            return None
        return away_s + _NEAR_S * ((a.rule != b.rule) + (a.place != b.place))

    same = largest_pairing(before, after, equal)
    left = [i for i in range(len(before)) if i not in same]
    free = [j for j in range(len(after)) if j not in same.values()]
    near = nearest_pairing([before[i] for i in left], [after[j] for j in free], akin)
    changed = {left[i]: free[j] for i, j in near.items()}
    sides = [Side(change="same", before=before[i], after=after[j]) for i, j in same.items()]
    for i, j in changed.items():
        how = "; ".join(_differences(before[i], after[j], tolerance_s))
        sides.append(Side(change="changed", before=before[i], after=after[j], how=how))
    sides += [Side(change="only before", before=before[i]) for i in left if i not in changed]
    sides += [Side(change="only after", after=after[j]) for j in free if j not in changed.values()]
    return Comparison(tuple(sorted(sides, key=lambda each: each.at_s)))


def _differences(a: SeenAlert, b: SeenAlert, tolerance_s: float) -> list[str]:
    found = [
        f"{name} {was or 'none'} → {is_ or 'none'}"
        for name, was, is_ in (
            ("rule", a.rule, b.rule),
            ("place", a.place, b.place),
            ("label", a.label, b.label),
            ("severity", a.severity, b.severity),
        )
        if was != is_
    ]
    if abs(later_s := b.opened_s - a.opened_s) > tolerance_s:
        found.append(f"opens {later_s:+.1f} s")
    if (a.closed_s is None or a.cut) != (b.closed_s is None or b.cut):
        found.append("is now open to the end" if b.cut or b.closed_s is None else "now closes")
    elif a.closed_s is not None and b.closed_s is not None and abs(later_s := b.closed_s - a.closed_s) > tolerance_s:
        found.append(f"closes {later_s:+.1f} s")
    return found
