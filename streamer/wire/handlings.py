"""What people did about alerts, and whatever may come out of an outbox."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from streamer.types import (
    SEVERITIES,
    AlertChange,
    Handling,
)
from streamer.wire.alerts import decode_alert, encode_alert
from streamer.wire.json_values import (
    S_DECIMALS,
    dumps,
    finite,
    number,
    parsed,
    rounded,
    text,
)
from streamer.wire.names import (
    HANDLING_SCHEMA,
    HANDLING_TYPES,
)


def handling_body(handling: Handling) -> dict[str, Any]:
    """The message as JSON values, in the order in which it is written."""
    return {
        "schema": HANDLING_SCHEMA,
        "id": handling.id,
        "change": handling.type,
        "seq": handling.seq,
        "alert": handling.alert,
        "camera": handling.camera,
        "kind": handling.kind,
        "severity": handling.severity,
        "by": handling.by,
        "at": rounded(handling.at, S_DECIMALS),
        "text": handling.text,
        "until": None if handling.until is None else rounded(handling.until, S_DECIMALS),
    }


def decode_handling(message: Mapping[str, Any]) -> Handling:
    """What a person did, out of a message; unknown keys are ignored. Raises ValueError saying what is wrong."""
    try:
        change, severity, until = message["change"], message["severity"], message.get("until")
        if message.get("schema") != HANDLING_SCHEMA or change not in HANDLING_TYPES or severity not in SEVERITIES:
            raise ValueError(f"not a handling message: {message.get('schema')!r}, {change!r}, {severity!r}")
        return Handling(
            id=text(message, "id"),
            type=change,
            alert=text(message, "alert"),
            camera=text(message, "camera"),
            kind=text(message, "kind"),
            severity=severity,
            by=text(message, "by"),
            at=number(message, "at"),
            text=message.get("text"),
            until=None if until is None else finite(until),
        )
    except (KeyError, TypeError, OverflowError) as error:
        raise ValueError(f"not a handling message: {error}") from error


def encode_message(message: AlertChange | Handling) -> str:
    """What goes through the outbox, as one line of compact JSON."""
    return dumps(handling_body(message)) if isinstance(message, Handling) else encode_alert(message)


def decode_message(body: str | bytes) -> AlertChange | Handling:
    """What went through the outbox. Raises ValueError saying what is wrong."""
    message = parsed(body)
    return decode_handling(message) if message.get("schema") == HANDLING_SCHEMA else decode_alert(message)
