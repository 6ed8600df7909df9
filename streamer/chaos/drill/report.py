"""Outcomes of drills as a table for people, and as numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from streamer.chaos.drill.programme import Stay
from streamer.chaos.drill.trial import Outcome


def figures(outcomes: Sequence[Outcome], stays: Iterable[Stay]) -> dict[str, Any]:
    """The run in numbers; recovery_p99_s: the longest where there are fewer than a hundred of a fault."""
    whole = list(stays)
    by_fault = _by_fault(outcomes)
    return {
        "faults": len(by_fault),
        "survived": sum(all(outcome.survived for outcome in of) for of in by_fault.values()),
        "in_time": sum(all(outcome.in_time for outcome in of) for of in by_fault.values()),
        "trials": len(outcomes),
        "alerts": sum(stay.audit.sent for stay in whole),
        "lost": sum(stay.audit.lost for stay in whole),
        "doubled": sum(stay.audit.doubled for stay in whole),
        "out_of_order": sum(stay.audit.out_of_order for stay in whole),
        "dropped_by_cameras_that_nobody_harmed": sum(outcome.others_dropped for outcome in outcomes),
        "recovery_p99_s": {name: _p99(of) for name, of in by_fault.items()},
    }


def table(outcomes: Sequence[Outcome]) -> str:
    """The matrix in Markdown, a line for each fault, in the order in which they first came."""
    lines = [
        "| fault | what happens | what answers it | well again within (promised) | lost |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, of in _by_fault(outcomes).items():
        first = of[0]
        longest = _p99(of)
        again = "**never**" if longest is None else f"{longest:.1f} s ({first.recover_within_s:g} s)"
        alerts = f"alerts: {sum(each.lost for each in of)} lost, {sum(each.doubled for each in of)} doubled"
        lost = f"{alerts}; {first.may_lose}"
        answer = "; ".join(first.expected) or "goes on"
        if not all(each.survived for each in of):
            answer = f"**failed**: {'; '.join(problem for each in of for problem in each.problems)}"
        lines.append(f"| {name} | {first.cause} | {answer.replace('|', ' or ')} | {again} | {lost} |")
    return "\n".join(lines)


def _by_fault(outcomes: Sequence[Outcome]) -> Mapping[str, list[Outcome]]:
    found: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        found.setdefault(outcome.fault, []).append(outcome)
    return found


def _p99(outcomes: Sequence[Outcome]) -> float | None:
    times = sorted(outcome.recovery_s for outcome in outcomes if outcome.recovery_s is not None)
    if len(times) < len(outcomes):
        return None
    return times[min(len(times) - 1, int(0.99 * len(times)))]
