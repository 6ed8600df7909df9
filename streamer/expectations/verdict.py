"""The alerts of a replay against what was expected of it: a pure comparison, told in order of time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from streamer.expectations.model import AtMost, Expected, Never, VideoExpectations, Which
from streamer.expectations.moments import short, shown
from streamer.expectations.pairing import largest_pairing, nearest_pairing
from streamer.expectations.seen import Box, SeenAlert

Outcome = Literal["as expected", "differs", "missing", "unexpected", "forbidden", "too many", "kept", "allowed"]
GOOD: tuple[Outcome, ...] = ("as expected", "kept", "allowed")

_SLACK_S = 1e-6  # what is written to a thousandth is not quite that in floating point
_NEAR_S = 5.0
_NEAR_TOLERANCES = 3.0
"""How far an alert may be from where it was expected to be told as the same one in another place or at another time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the comparison.

    entry: where in the video's expectations it is written, as ('alerts', 2); None: nothing is written of it
    at_s: its place in the order of time
    wanted, seen: both sides, where there are; why: in words, where it is not plain
    """

    outcome: Outcome
    at_s: float
    entry: tuple[str, int] | None = None
    wanted: Which | None = None
    seen: SeenAlert | None = None
    why: str = ""

    @property
    def good(self) -> bool:
        """Whether it is as it should be."""
        return self.outcome in GOOD


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came out for one video."""

    findings: tuple[Finding, ...]

    @property
    def good(self) -> bool:
        """Everything is as expected."""
        return all(each.good for each in self.findings)

    @property
    def told(self) -> str:
        """'2 of 3 alerts as expected; 1 missing: loiterer at 0:12; 1 unexpected: loitering in yard at 0:41'."""
        listed = [each for each in self.findings if each.entry and each.entry[0] == "alerts"]
        found = sum(each.good for each in listed)
        parts = [f"{found} of {len(listed)} alert{'s' if len(listed) != 1 else ''} as expected"]
        for outcome in ("differs", "missing", "unexpected", "forbidden", "too many"):
            such = [each for each in self.findings if each.outcome == outcome]
            if such:
                word = "differing" if outcome == "differs" else outcome
                parts.append(f"{len(such)} {word}: {_named(such)}")
        return "; ".join(parts)


def judge(wanted: VideoExpectations, tolerance_s: float, seen: Sequence[SeenAlert], length_s: float) -> Verdict:
    """What was seen in a video of this length against what was expected; tolerance_s where an alert has none.

    An alert is one of those listed, or none of them: as many as can be are paired within their tolerances. Of what is
    left, a listed alert and one of the same rule or kind nearby are told as one that differs.
    """

    def within(one: Expected, alert: SeenAlert) -> float | None:
        return None if _differences(one, alert, tolerance_s) else abs(one.opens - alert.opened_s)

    def nearby(one: Expected, alert: SeenAlert) -> float | None:
        reach_s = max(_NEAR_S, _NEAR_TOLERANCES * (one.tolerance_s or tolerance_s))
        away_s = abs(one.opens - alert.opened_s)
        same = (one.rule or alert.rule, one.kind or alert.kind) == (alert.rule, alert.kind)
        return away_s if same and away_s <= reach_s else None

    pairs = largest_pairing(wanted.alerts, seen, within)
    left = [i for i in range(len(wanted.alerts)) if i not in pairs]
    free = [j for j in range(len(seen)) if j not in pairs.values()]
    near = nearest_pairing([wanted.alerts[i] for i in left], [seen[j] for j in free], nearby)
    moved = {left[i]: free[j] for i, j in near.items()}

    findings: list[Finding] = []
    for i, one in enumerate(wanted.alerts):
        entry = ("alerts", i)
        if i in pairs:
            alert = seen[pairs[i]]
            findings.append(Finding(outcome="as expected", at_s=alert.opened_s, entry=entry, wanted=one, seen=alert))
        elif i in moved:
            alert = seen[moved[i]]
            why = "; ".join(_differences(one, alert, tolerance_s))
            findings.append(
                Finding(outcome="differs", at_s=alert.opened_s, entry=entry, wanted=one, seen=alert, why=why)
            )
        else:
            why = f"the video ends at {shown(length_s)}" if one.opens > length_s + _SLACK_S else ""
            findings.append(Finding(outcome="missing", at_s=one.opens, entry=entry, wanted=one, why=why))
    listed = {*pairs.values(), *moved.values()}
    findings += _unlisted(wanted, [alert for j, alert in enumerate(seen) if j not in listed])
    findings += _counts(wanted.at_most, seen, length_s)
    return Verdict(tuple(sorted(findings, key=lambda each: each.at_s)))


def _unlisted(wanted: VideoExpectations, alerts: Sequence[SeenAlert]) -> Iterator[Finding]:
    """What is said of alerts that are not listed, and whether each `never` was kept."""
    broken: set[int] = set()
    for alert in alerts:
        breaks = [i for i, never in enumerate(wanted.never) if _forbids(never, alert)]
        broken |= set(breaks)
        if breaks:
            never = wanted.never[breaks[0]]
            why = f"never: {never.described}{_window(never)}"
            entry = ("never", breaks[0])
            yield Finding(outcome="forbidden", at_s=alert.opened_s, entry=entry, wanted=never, seen=alert, why=why)
        elif wanted.others == "allowed" or any(_is_meant(each, alert) for each in wanted.at_most):
            yield Finding(outcome="allowed", at_s=alert.opened_s, seen=alert)
        else:
            yield Finding(outcome="unexpected", at_s=alert.opened_s, seen=alert, why=alert.text)
    for i, never in enumerate(wanted.never):
        if i not in broken:
            why = f"never: {never.described}{_window(never)}"
            yield Finding(outcome="kept", at_s=never.start, entry=("never", i), wanted=never, why=why)


def _counts(limits: Sequence[AtMost], seen: Sequence[SeenAlert], length_s: float) -> Iterator[Finding]:
    for i, limit in enumerate(limits):
        times_s = sorted(alert.opened_s for alert in seen if _is_meant(limit, alert))
        over = len(times_s) > limit.count
        why = f"{len(times_s)} of at most {limit.count}: {limit.described}"
        at_s = times_s[limit.count] if over else length_s
        yield Finding(outcome="too many" if over else "kept", at_s=at_s, entry=("at_most", i), wanted=limit, why=why)


def _differences(one: Expected, alert: SeenAlert, tolerance_s: float) -> list[str]:
    """Why an alert is not the expected one, in words; empty: it is."""
    limit_s = one.tolerance_s or tolerance_s
    found = [
        f"{name} '{is_}' instead of '{wish}'"
        for name, wish, is_ in (
            ("rule", one.rule, alert.rule),
            ("kind", one.kind, alert.kind),
            ("place", one.place, alert.place),
            ("label", one.label, alert.label),
            ("severity", one.severity, alert.severity),
        )
        if wish is not None and wish != is_
    ]
    if abs(one.opens - alert.opened_s) > limit_s + _SLACK_S:
        found.append(f"opens {_late(alert.opened_s - one.opens)} (± {limit_s:g} s allowed)")
    if one.closes is not None:
        if alert.cut or alert.closed_s is None:
            if alert.closed_s is None or one.closes < alert.closed_s - limit_s - _SLACK_S:
                found.append(f"still open at the video's end instead of closed at {shown(one.closes)}")
        elif abs(one.closes - alert.closed_s) > limit_s + _SLACK_S:
            found.append(f"closes {_late(alert.closed_s - one.closes)} (± {limit_s:g} s allowed)")
    if one.box is not None:
        shared = 0.0 if alert.box is None else overlap(one.box, alert.box)
        if shared < one.overlap:
            found.append(f"box overlaps the expected one by {shared:.2f} (at least {one.overlap:g})")
    return found


def overlap(a: Box, b: Box) -> float:
    """Intersection over union of two boxes in [0, 1]; 0 where neither has any area."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(0.0, width) * max(0.0, height)
    both = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    return shared / both if both > 0 else 0.0


def _is_meant(which: Which, alert: SeenAlert) -> bool:
    asked = ((which.rule, alert.rule), (which.kind, alert.kind), (which.place, alert.place), (which.label, alert.label))
    return all(wish is None or wish == is_ for wish, is_ in asked)


def _forbids(never: Never, alert: SeenAlert) -> bool:
    after = alert.opened_s >= never.start - _SLACK_S
    return _is_meant(never, alert) and after and (never.end is None or alert.opened_s <= never.end + _SLACK_S)


def _window(never: Never) -> str:
    if never.end is None:
        return f" from {shown(never.start)} on" if never.start else ""
    return f" from {shown(never.start)} to {shown(never.end)}"


def _late(by_s: float) -> str:
    return f"{abs(by_s):.1f} s {'late' if by_s > 0 else 'early'}"


def _named(findings: Sequence[Finding], most: int = 3) -> str:
    names = []
    for each in findings[:most]:
        name = each.seen.described if each.seen else each.wanted.described if each.wanted else ""
        names.append(f"{name} at {short(each.at_s)}")
    more = len(findings) - most
    return ", ".join(names) + (f" and {more} more" if more > 0 else "")
