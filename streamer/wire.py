"""What leaves the house: the messages on the wire, their names, and the Redis keys under which they lie.

docs/wire.md describes them for integrators, the JSON Schemas beside this file (`streamer schema NAME`) for programs.
Changes are additive: keys are added, never removed, renamed or retyped. Who reads ignores keys that it does not know.

One clash of words is settled here. On a stream the *field* `type` says opened | updated | closed | evidence, or what
a person did about an alert. In the JSON body the same thing is called `change`, so that a line of a recording can put
"type":"alert" or "type":"frame" in front.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import Any, Literal, Protocol, cast

import numpy as np

from streamer.types import (
    SEVERITIES,
    AlertChange,
    ChangeType,
    Clip,
    Detections,
    FrameResult,
    Handling,
    HandlingType,
    Tracks,
)

ALERT_SCHEMA = "streamer.alert/1"
EVIDENCE_SCHEMA = "streamer.evidence/1"
HANDLING_SCHEMA = "streamer.handling/1"
FRAME_SCHEMA = "streamer.frame/1"
CAMERA_SCHEMA = "streamer.camera/1"
COMMAND_SCHEMA = "streamer.command/1"
SchemaName = Literal["alert", "evidence", "handling", "frame", "camera", "command"]
SCHEMA_NAMES: tuple[SchemaName, ...] = ("alert", "evidence", "handling", "frame", "camera", "command")
CANARY_KIND = "canary.probe"
"""Kind of the alerts by which the service proves to itself that alerts arrive: nothing for people (docs/wire.md)."""
HANDLING_TYPES: tuple[HandlingType, ...] = ("acknowledged", "commented", "silenced")

_CHANGE_TYPES: Mapping[str, tuple[ChangeType, ...]] = {
    ALERT_SCHEMA: ("opened", "updated", "closed"),
    EVIDENCE_SCHEMA: ("evidence",),
}
LOOKED_AT_FROM = 0.25
"""What is neither followed nor this sure is noise to whoever looks on; replay tells all of it."""
_S_DECIMALS = 3  # times: a millisecond
_PX_DECIMALS = 2
_UNIT_DECIMALS = 5  # normalised coordinates: a hundredth of a pixel at 1000 pixels
_SCORE_DECIMALS = 4
_MEASURE_DECIMALS = 4


@dataclass(frozen=True, slots=True)
class Keys:
    """Where things lie in Redis. A prefix in braces ('{streamer}') keeps them in one slot of a Redis Cluster.

    sharded: over a whole cluster. What must be written in one step (alerts and their books, leases of cameras) lies in
    the prefix's slot, and what is much (live feeds) in the slot of its camera: the words in braces say which.
    """

    prefix: str = "streamer"
    sharded: bool = False

    @property
    def _together(self) -> str:
        return f"{{{self.prefix}}}" if self.sharded else self.prefix

    def _of_camera(self, camera: str) -> str:
        return f"{{{camera}}}" if self.sharded else camera

    @property
    def alerts(self) -> str:
        """Stream of alert changes."""
        return f"{self._together}:alerts"

    @property
    def open_alerts(self) -> str:
        """Hash id → alert message: what is open now, for those who join late."""
        return f"{self._together}:alerts:open"

    @property
    def cameras(self) -> str:
        """Hash camera → camera message."""
        return f"{self._together}:cameras"

    @property
    def recent(self) -> str:
        """Hash id → highest seq of alerts published lately; together with `recent_before` a bounded memory."""
        return f"{self._together}:alerts:recent"

    @property
    def recent_before(self) -> str:
        """The generation before `recent`."""
        return f"{self._together}:alerts:recent:before"

    @property
    def commands(self) -> str:
        """Stream of what others ask of the service."""
        return f"{self._together}:commands"

    @property
    def leases(self) -> str:
        """Hash camera → 'EPOCH UNTIL_MS OWNER': which node may speak for it, see docs/wire.md."""
        return f"{self._together}:leases"

    @property
    def handovers(self) -> str:
        """Hash camera → handover message: what its next owner needs to know."""
        return f"{self._together}:handovers"

    @property
    def cluster(self) -> Keys:
        """What a cluster knows of itself, in a slot of its own: the lease of its placement, and its `state`."""
        return replace(self, prefix=f"{self.prefix}:cluster")

    @property
    def state(self) -> str:
        """Hash of a cluster: configuration, shares, beats and drains, see streamer/cluster/state.py."""
        return f"{self._together}:state"

    def detections(self, camera: str) -> str:
        """Stream of frame messages of one camera."""
        return f"{self.prefix}:detections:{self._of_camera(camera)}"

    def fence(self, camera: str) -> str:
        """The highest epoch that the live feed of a camera has seen; in the slot of its stream."""
        return f"{self.prefix}:fence:{self._of_camera(camera)}"

    def outbox(self, line: str) -> str:
        """Hash with the last outbox row that came through on one line (outbox to receiver)."""
        return f"{self._together}:outbox:{line}"

    def dead_letters(self, group: str) -> str:
        """Stream of what a consumer group could not handle."""
        return f"{self._together}:alerts:dead:{group}"


# --- alerts -----------------------------------------------------------------------------------------------------------


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
        "started_at": _rounded(change.started_at, _S_DECIMALS),
        "at": _rounded(change.at, _S_DECIMALS),
        "media_s": _rounded(change.media_s, _S_DECIMALS),
        "score": _rounded(change.score, _SCORE_DECIMALS),
        "label": change.label,
        "place": change.place,
        "track_ids": [int(track_id) for track_id in change.track_ids],
        "box": None if change.box is None else [_rounded(edge, _UNIT_DECIMALS) for edge in change.box],
        "reason": _plain(change.reason),
        "snapshot": change.snapshot,
        "clip": None if change.clip is None else _clip_body(change.clip),
    }


def _clip_body(clip: Clip) -> dict[str, Any]:
    return {
        "path": clip.path,
        "sha256": clip.sha256,
        "bytes": clip.bytes,
        "from": _rounded(clip.from_at, _S_DECIMALS),
        "to": _rounded(clip.to_at, _S_DECIMALS),
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
    message = body if isinstance(body, Mapping) else _parsed(body)
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
        id=_text(message, "id"),
        seq=seq,
        type=change,
        camera=_text(message, "camera"),
        session=_text(message, "session"),
        rule=_text(message, "rule"),
        kind=_text(message, "kind"),
        severity=severity,
        started_at=_number(message, "started_at"),
        at=_number(message, "at"),
        media_s=_number(message, "media_s"),
        score=_number(message, "score"),
        label=message.get("label"),
        place=message.get("place"),
        track_ids=tuple(int(track_id) for track_id in message.get("track_ids") or ()),
        box=None if box is None else (_finite(box[0]), _finite(box[1]), _finite(box[2]), _finite(box[3])),
        reason=dict(message.get("reason") or {}),
        snapshot=message.get("snapshot"),
        clip=_clip(message.get("clip")),
    )


def _clip(said: Mapping[str, Any] | None) -> Clip | None:
    if said is None:
        return None
    return Clip(
        path=_text(said, "path"),
        sha256=_text(said, "sha256"),
        bytes=int(said["bytes"]),
        from_at=_number(said, "from"),
        to_at=_number(said, "to"),
        codec=_text(said, "codec"),
    )


# --- what people did about alerts -------------------------------------------------------------------------------------


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
        "at": _rounded(handling.at, _S_DECIMALS),
        "text": handling.text,
        "until": None if handling.until is None else _rounded(handling.until, _S_DECIMALS),
    }


def decode_handling(message: Mapping[str, Any]) -> Handling:
    """What a person did, out of a message; unknown keys are ignored. Raises ValueError saying what is wrong."""
    try:
        change, severity, until = message["change"], message["severity"], message.get("until")
        if message.get("schema") != HANDLING_SCHEMA or change not in HANDLING_TYPES or severity not in SEVERITIES:
            raise ValueError(f"not a handling message: {message.get('schema')!r}, {change!r}, {severity!r}")
        return Handling(
            id=_text(message, "id"),
            type=change,
            alert=_text(message, "alert"),
            camera=_text(message, "camera"),
            kind=_text(message, "kind"),
            severity=severity,
            by=_text(message, "by"),
            at=_number(message, "at"),
            text=message.get("text"),
            until=None if until is None else _finite(until),
        )
    except (KeyError, TypeError, OverflowError) as error:
        raise ValueError(f"not a handling message: {error}") from error


def encode_message(message: AlertChange | Handling) -> str:
    """What goes through the outbox, as one line of compact JSON."""
    return dumps(handling_body(message)) if isinstance(message, Handling) else encode_alert(message)


def decode_message(body: str | bytes) -> AlertChange | Handling:
    """What went through the outbox. Raises ValueError saying what is wrong."""
    message = _parsed(body)
    return decode_handling(message) if message.get("schema") == HANDLING_SCHEMA else decode_alert(message)


# --- frames -----------------------------------------------------------------------------------------------------------


def frame_objects(detections: Detections, tracks: Tracks, least_score: float = 0.0) -> list[dict[str, Any]]:
    """One entry per detection, in the detector's order; track_id where a confirmed track took it in this frame.

    Those below least_score are left out unless they are followed. behaviour where a temporal model can say.
    """
    behaviour_of_row = _behaviours(tracks)
    track_of_row = dict(zip(tracks.detection_rows.tolist(), tracks.ids.tolist(), strict=True))
    # through float64: a float32 rounded and then written has eight digits too many
    scores = np.round(detections.scores.astype(np.float64), _SCORE_DECIMALS).tolist()
    rows = [row for row, score in enumerate(scores) if score >= least_score or row in track_of_row]
    boxes = np.round(detections.boxes_xyxy[rows].astype(np.float64), _PX_DECIMALS).tolist()
    class_ids, labels = detections.class_ids.tolist(), detections.labels
    return [
        {
            "box": box,
            "label": labels[class_ids[row]],
            "score": scores[row],
            "track_id": track_of_row.get(row),
            **behaviour_of_row.get(row, {}),
        }
        for row, box in zip(rows, boxes, strict=True)
    ]


def _behaviours(tracks: Tracks) -> dict[int, dict[str, Any]]:
    """Detection row → its `behaviour`, for those of which the temporal model can say something already."""
    said = tracks.behaviour
    if said is None or not said.labels:
        return {}
    probs = np.round(said.probs.astype(np.float64), _SCORE_DECIMALS)
    found = {}
    for row, each, anomaly in zip(tracks.detection_rows.tolist(), probs, said.anomaly.tolist(), strict=True):
        if np.isfinite(each).all():
            label = said.labels[int(each.argmax())]
            of_labels = dict(zip(said.labels, each.tolist(), strict=True))
            found[row] = {"behaviour": {"label": label, "probs": of_labels, "anomaly": _score(anomaly)}}
    return found


def scene_of(tracks: Tracks) -> dict[str, Any]:
    """`scene` of a frame message where a temporal model looks at whole pictures; anomaly null while it is learned."""
    scene = tracks.behaviour.scene if tracks.behaviour else None
    return {"scene": {"fight": _score(scene.fight), "anomaly": _score(scene.anomaly)}} if scene else {}


def _score(value: float) -> float | None:
    return _rounded(value, _SCORE_DECIMALS) if math.isfinite(value) else None


def frame_body(
    *,
    camera: str,
    session: str,
    index: int,
    media_s: float,
    captured_at: float,
    source_wh: tuple[int, int],
    objects: Sequence[Mapping[str, Any]],
    scene: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The frame message of a detections stream as JSON values; boxes are pixels of the source picture.

    objects, scene: see frame_objects and scene_of.
    """
    return {
        "schema": FRAME_SCHEMA,
        "camera": camera,
        "session": session,
        "index": index,
        "media_s": _rounded(media_s, _S_DECIMALS),
        "captured_at": _rounded(captured_at, _S_DECIMALS),
        "size": [source_wh[0], source_wh[1]],
        "objects": list(objects),
        **(scene or {}),
    }


class Watched(Protocol):
    """One analysed frame and what was found in it."""

    @property
    def camera(self) -> str: ...
    @property
    def session(self) -> str: ...
    @property
    def index(self) -> int: ...
    @property
    def media_s(self) -> float: ...
    @property
    def captured_at(self) -> float: ...
    @property
    def source_wh(self) -> tuple[int, int]: ...
    @property
    def detections(self) -> Detections: ...
    @property
    def tracks(self) -> Tracks: ...


def watched_body(seen: Watched) -> dict[str, Any]:
    """The frame message for people who look on: without what is neither followed nor LOOKED_AT_FROM sure."""
    return frame_body(
        camera=seen.camera,
        session=seen.session,
        index=seen.index,
        media_s=seen.media_s,
        captured_at=seen.captured_at,
        source_wh=seen.source_wh,
        objects=frame_objects(seen.detections, seen.tracks, least_score=LOOKED_AT_FROM),
        scene=scene_of(seen.tracks),
    )


def frame_fields(body: Mapping[str, Any]) -> dict[str, str]:
    """The fields of a detections stream entry."""
    return {"schema": FRAME_SCHEMA, "camera": str(body["camera"]), "data": dumps(body)}


# --- cameras ----------------------------------------------------------------------------------------------------------


def camera_body(camera: str, at: float, state: Mapping[str, Any]) -> dict[str, Any]:
    """The camera message as JSON values: a reading of the camera's state at epoch seconds `at`."""
    plain: dict[str, Any] = _plain(state)
    return {"schema": CAMERA_SCHEMA, "camera": camera, "at": _rounded(at, _S_DECIMALS), **plain}


# --- lines of a recording ---------------------------------------------------------------------------------------------


def replay_alert_line(change: AlertChange) -> str:
    """One alert change as a line of `replay --out` and of `tail --json`, without the line's end."""
    return dumps({"type": "alert", **alert_body(change)})


def replay_frame_line(result: FrameResult) -> str:
    """One analysed frame as a line of `replay --out`, without the line's end."""
    frame = result.frame
    return dumps(
        {
            "type": "frame",
            "camera": frame.camera,
            "index": frame.index,
            "media_s": _rounded(frame.media_s, _S_DECIMALS),
            "objects": frame_objects(result.detections, result.tracks),
            **scene_of(result.tracks),
        }
    )


# --- schemas and JSON -------------------------------------------------------------------------------------------------


def json_schema(name: SchemaName) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a message."""
    text = files("streamer").joinpath("schemas", f"{name}.json").read_text("utf-8")
    return cast(dict[str, Any], json.loads(text))


def dumps(body: Mapping[str, Any]) -> str:
    """Compact JSON in the order given, as every message is written.

    ASCII only: redis-cli shows other bytes as escapes anyway, and a half character in a camera's error text must
    not make a message that no receiver can encode.
    """
    return json.dumps(body, allow_nan=False, separators=(",", ":"))


def _parsed(body: str | bytes) -> Mapping[str, Any]:
    try:
        message = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not an alert message: not JSON ({error})") from error
    if not isinstance(message, dict):
        raise ValueError(f"not an alert message: a JSON {type(message).__name__} where an object is expected")
    return message


def _text(message: Mapping[str, Any], key: str) -> str:
    value = message[key]
    if not isinstance(value, str):
        raise ValueError(f"not an alert message: {key} is {value!r}, expected text")
    return value


def _number(message: Mapping[str, Any], key: str) -> float:
    try:
        return _finite(message[key])
    except ValueError as error:
        raise ValueError(f"not an alert message: {key} is {str(message[key])[:60]!r}, expected a number") from error


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{number} is no number")
    return number


def _rounded(value: float, decimals: int) -> float:
    value = round(float(value), decimals)
    if not math.isfinite(value):
        raise ValueError(f"{value} cannot be written to the wire: JSON knows finite numbers only")
    return value + 0.0  # −0.0 and 0.0 are one number, and must be one text


def _plain(value: Any) -> Any:
    """Any reason as JSON values: numpy scalars unpacked, measures rounded, numbers that JSON lacks as null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return round(value, _MEASURE_DECIMALS) + 0.0 if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    return str(value)
