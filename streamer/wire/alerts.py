"""Alerts and evidence: there and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from streamer.types import (
    SEVERITIES,
    AlertChange,
    ChangeType,
    Clip,
)
from streamer.wire.json_values import (
    S_DECIMALS,
    SCORE_DECIMALS,
    UNIT_DECIMALS,
    dumps,
    finite,
    number,
    parsed,
    plain,
    rounded,
    text,
)
from streamer.wire.names import (
    ALERT_SCHEMA,
    EVIDENCE_SCHEMA,
    HANDLING_SCHEMA,
    HANDLING_TYPES,
)

_CHANGE_TYPES: Mapping[str, tuple[ChangeType, ...]] = {
    ALERT_SCHEMA: ("opened", "updated", "closed"),
    EVIDENCE_SCHEMA: ("evidence",),
}


def alert_schema(change: str) -> str:
    """Under which schema a change of this type travels.

    Evidence has its own: streamer.alert/1 promised three kinds of change, and who reads it must never meet a fourth.
    So has what a person did about an alert.
    """
    if change in HANDLING_TYPES:
        return HANDLING_SCHEMA
    return EVIDENCE_SCHEMA if change == "evidence" else ALERT_SCHEMA


def alert_body(change: AlertChange) -> dict[str, Any]:
    """The alert message as JSON values, in the order in which it is written."""
    return {
        "schema": alert_schema(change.type),
        "id": change.id,
        "change": change.type,
        "seq": change.seq,
        "camera": change.camera,
        "session": change.session,
        "rule": change.rule,
        "kind": change.kind,
        "severity": change.severity,
        "started_at": rounded(change.started_at, S_DECIMALS),
        "at": rounded(change.at, S_DECIMALS),
        "media_s": rounded(change.media_s, S_DECIMALS),
        "score": rounded(change.score, SCORE_DECIMALS),
        "label": change.label,
        "place": change.place,
        "track_ids": [int(track_id) for track_id in change.track_ids],
        "box": None if change.box is None else [rounded(edge, UNIT_DECIMALS) for edge in change.box],
        "reason": plain(change.reason),
        "snapshot": change.snapshot,
        "clip": None if change.clip is None else _clip_body(change.clip),
    }


def _clip_body(clip: Clip) -> dict[str, Any]:
    return {
        "path": clip.path,
        "sha256": clip.sha256,
        "bytes": clip.bytes,
        "from": rounded(clip.from_at, S_DECIMALS),
        "to": rounded(clip.to_at, S_DECIMALS),
        "codec": clip.codec,
    }


def encode_alert(change: AlertChange) -> str:
    """The alert message as one line of compact JSON."""
    return dumps(alert_body(change))


def alert_fields(body: str, change: AlertChange) -> dict[str, str]:
    """The fields of a stream entry around an encoded message: what a consumer may filter by without parsing."""
    return {
        "schema": alert_schema(change.type),
        "id": change.id,
        "type": change.type,
        "seq": str(change.seq),
        "camera": change.camera,
        "kind": change.kind,
        "severity": change.severity,
        "data": body,
    }


def decode_alert(body: str | bytes | Mapping[str, Any]) -> AlertChange:
    """The alert change in a message; unknown keys are ignored. Raises ValueError saying what is wrong."""
    message = body if isinstance(body, Mapping) else parsed(body)
    schema = message.get("schema")
    if schema not in (ALERT_SCHEMA, EVIDENCE_SCHEMA):
        raise ValueError(
            f"not an alert message: schema is {schema!r}, this reader understands {ALERT_SCHEMA!r} "
            f"and {EVIDENCE_SCHEMA!r}"
        )
    try:
        return _alert(message, _CHANGE_TYPES[schema])
    except KeyError as error:
        raise ValueError(f"not an alert message: key {error} is missing") from error
    except (TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"not an alert message: {error}") from error


def _alert(message: Mapping[str, Any], types: Sequence[ChangeType]) -> AlertChange:
    change, severity, box = message["change"], message["severity"], message.get("box")
    if change not in types:
        raise ValueError(f"not an alert message: change is {change!r}, expected one of {', '.join(types)}")
    if severity not in SEVERITIES:
        raise ValueError(f"not an alert message: severity is {severity!r}, expected one of {', '.join(SEVERITIES)}")
    if box is not None and len(box) != 4:
        raise ValueError(f"not an alert message: box has {len(box)} numbers, expected 4")
    seq = message["seq"]
    if not isinstance(seq, int) or isinstance(seq, bool) or seq < 1:
        raise ValueError(f"not an alert message: seq is {seq!r}, expected a whole number from 1")
    return AlertChange(
        id=text(message, "id"),
        seq=seq,
        type=change,
        camera=text(message, "camera"),
        session=text(message, "session"),
        rule=text(message, "rule"),
        kind=text(message, "kind"),
        severity=severity,
        started_at=number(message, "started_at"),
        at=number(message, "at"),
        media_s=number(message, "media_s"),
        score=number(message, "score"),
        label=message.get("label"),
        place=message.get("place"),
        track_ids=tuple(int(track_id) for track_id in message.get("track_ids") or ()),
        box=None if box is None else (finite(box[0]), finite(box[1]), finite(box[2]), finite(box[3])),
        reason=dict(message.get("reason") or {}),
        snapshot=message.get("snapshot"),
        clip=_clip(message.get("clip")),
    )


def _clip(said: Mapping[str, Any] | None) -> Clip | None:
    if said is None:
        return None
    return Clip(
        path=text(said, "path"),
        sha256=text(said, "sha256"),
        bytes=int(said["bytes"]),
        from_at=number(said, "from"),
        to_at=number(said, "to"),
        codec=text(said, "codec"),
    )
