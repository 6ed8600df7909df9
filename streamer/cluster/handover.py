"""What a camera takes along when it moves: open alerts, counts, cooldowns. Written on leaving, or pieced together after
a crash.

It lies in the hash `handovers` in the slot of the leases, one message per camera, written by the same script that gives
the lease back. A node that lives writes it now and then without open alerts: these are in Redis anyway, always as new
as what was told, in the hash of open alerts that the publishing script keeps.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from streamer.types import AlertChange
from streamer.wire import alert_body, decode_alert, dumps

HANDOVER_SCHEMA = "streamer.handover/1"


@dataclass(frozen=True, slots=True)
class LastSeen:
    """The last frame that an owner analysed. skew_s: by how much the camera's clock, of which captured_at then is, is
    ahead of that of the owner's machine; None: captured_at is of the machine's own."""

    captured_at: float
    skew_s: float | None = None


@dataclass(frozen=True, slots=True)
class Handover:
    """What the next owner of a camera needs to know.

    at         epoch seconds at which it was written, by the writer's clock
    why        a sentence for the alerts that go on or end because of it
    open       the newest change of every open alert
    counts     rule → name → count, of rules that count on (line crossings)
    closed_at  rule → epoch seconds at which its last alert closed: its cooldown goes on
    seen       where the next owner goes on, if it has listened meanwhile; None: nobody knows, its owner died
    """

    camera: str
    at: float
    why: str
    open: tuple[AlertChange, ...] = ()
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    closed_at: Mapping[str, float] = field(default_factory=dict)
    seen: LastSeen | None = None


def encode_handover(handover: Handover) -> str:
    """As one line of compact JSON."""
    return dumps(
        {
            "schema": HANDOVER_SCHEMA,
            "camera": handover.camera,
            "at": round(handover.at, 3),
            "why": handover.why,
            "open": [alert_body(change) for change in handover.open],
            "counts": {rule: dict(counts) for rule, counts in handover.counts.items()},
            "closed_at": {rule: round(at, 3) for rule, at in handover.closed_at.items()},
            "seen": handover.seen and [handover.seen.captured_at, handover.seen.skew_s],
        }
    )


def decode_handover(text: str | bytes) -> Handover:
    """Out of a message; unknown keys are ignored. Raises ValueError saying what is wrong."""
    try:
        message = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not a handover: not JSON ({error})") from error
    schema = message.get("schema") if isinstance(message, Mapping) else None
    if schema != HANDOVER_SCHEMA:
        raise ValueError(f"not a handover: schema is {schema!r}, this reader understands {HANDOVER_SCHEMA!r}")
    try:
        return Handover(
            camera=str(message["camera"]),
            at=float(message["at"]),
            why=str(message["why"]),
            open=tuple(decode_alert(body) for body in message["open"]),
            counts={rule: {name: int(n) for name, n in counts.items()} for rule, counts in message["counts"].items()},
            closed_at={rule: float(at) for rule, at in message["closed_at"].items()},
            seen=_last_seen(message.get("seen")),
        )
    except (KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"not a handover: {error!r}") from error


def _last_seen(said: Any) -> LastSeen | None:
    if said is None:
        return None
    captured_at, skew_s = said
    return LastSeen(float(captured_at), None if skew_s is None else float(skew_s))


def pieced_together(
    camera: str,
    before: Handover | None,
    open_now: Iterable[AlertChange],
    since: Iterable[AlertChange],
    why: str,
    at: float,
) -> Handover:
    """What a node that died would have handed over, as far as it can be known.

    before: the last that it wrote; open_now: what Redis holds as open; since: what was told of the camera after
    `before` was written, in order. Counts are what the latest crossing said, so that those which alerted are all in;
    those that did not alert (another direction than the rule asks for) are lost since `before`.
    """
    found = before or Handover(camera, at, why)
    counts = {rule: dict(of_rule) for rule, of_rule in found.counts.items()}
    closed_at = dict(found.closed_at)
    for change in since:
        if change.type == "closed":
            closed_at[change.rule] = max(change.at, closed_at.get(change.rule, change.at))
        if said := _counts_in(change):
            of_rule = counts.setdefault(change.rule, {})
            of_rule.update({name: max(n, of_rule.get(name, 0)) for name, n in said.items()})
    return replace(found, at=at, why=why, open=tuple(open_now), counts=counts, closed_at=closed_at)


def _counts_in(change: AlertChange) -> dict[str, int]:
    """The counts that a line crossing says in its measures, each a pair or {'value', 'limit'}."""
    if change.kind != "line_crossing":
        return {}
    measures: Any = change.reason.get("measures") or {}
    values = {name: each["value"] if isinstance(each, Mapping) else each[0] for name, each in measures.items()}
    return {name: int(value) for name, value in values.items() if name in ("forward", "backward")}
