"""One line of the audit log, and the chain that it is part of.

Each line is a JSON object with its number `n`, what happened, `prev` (the hash of the line before it) and `hash`: the
SHA-256 of all its other fields as canonical JSON (keys sorted, no spaces, ASCII). A line that is changed, taken out or
put in breaks the chain there. Whoever can write all of it can also make a new chain: keep heads (number and hash of
the last line) elsewhere to notice that, see `streamer audit verify --head`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

START = "0" * 64
"""prev of the first line of all."""

MOST_TEXT = 500


@dataclass(frozen=True, slots=True)
class Act:
    """Somebody did something. who: as they log in; role: as the console knows it, or `shell`; address: from where.

    did: a verb in the past; what: to what, in words, never a secret; cameras: which it was about; outcome: `done`,
    `begun`, `ended`, `refused`, `failed`.
    """

    who: str
    role: str
    address: str
    did: str
    what: str
    cameras: tuple[str, ...] = ()
    outcome: str = "done"


@dataclass(frozen=True, slots=True)
class Head:
    """The last line: its number and its hash."""

    n: int = 0
    hash: str = START


def line_of(act: Act, at: float, head: Head) -> tuple[str, Head]:
    """The next line after this head, without its newline, and the new head."""
    body: dict[str, Any] = {
        "n": head.n + 1,
        "at": round(at, 3),
        "time": datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds"),
        "who": _cut(act.who),
        "role": _cut(act.role),
        "address": _cut(act.address),
        "did": _cut(act.did),
        "what": _cut(act.what),
        "cameras": [_cut(each) for each in act.cameras],
        "outcome": _cut(act.outcome),
        "prev": head.hash,
    }
    sealed = hash_of(body)
    return json.dumps({**body, "hash": sealed}), Head(head.n + 1, sealed)


def hash_of(body: Mapping[str, Any]) -> str:
    """SHA-256 in hex over everything but `hash`."""
    text = json.dumps({key: body[key] for key in sorted(body) if key != "hash"}, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def read_line(line: str) -> dict[str, Any] | None:
    """A line's fields; None where it is not one."""
    try:
        body = json.loads(line)
    except ValueError:
        return None
    if not isinstance(body, dict) or not isinstance(body.get("n"), int) or not isinstance(body.get("hash"), str):
        return None
    return body


def _cut(text: str) -> str:
    return text if len(text) <= MOST_TEXT else f"{text[:MOST_TEXT]}…"
