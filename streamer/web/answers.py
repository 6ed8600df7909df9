"""What the API answers, address by address, for its OpenAPI document: the routes hand on dicts as they come from files.

Not used to answer: a model that filtered every answer would cost time for each alert of a list. Tests hold real answers
to these (tests/fuzz/targets/api.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, Field, TypeAdapter

from streamer.web.configuration import Applied, CameraSettings, PastConfiguration, Standing, Steps

Points = list[Annotated[list[float], Field(min_length=2, max_length=2)]]
_DEFINED = "#/components/schemas/"


class Alert(BaseModel):
    """An alert in a list; number: its place, for the next page."""

    id: str
    number: int
    camera: str
    kind: str
    rule: str
    severity: str
    started_at: float
    ended_at: float | None
    score: float | None
    label: str | None
    place: str | None
    track_ids: list[int]
    snapshot: str | None
    text: str
    has_clip: bool
    acknowledged_at: float | None
    acknowledged_by: str | None
    silenced: bool


class WholeAlert(Alert):
    """message: streamer.alert/1; handlings: streamer.handling/1, oldest first."""

    message: dict[str, Any]
    handlings: list[dict[str, Any]]


class Counts(BaseModel):
    """How many alerts are here, open, and seen by nobody yet."""

    all: int
    open: int
    unacknowledged: int


class AlertPage(BaseModel):
    """before: for the next page; null where this is the last one."""

    alerts: list[Alert]
    before: int | None
    counts: Counts
    kinds: list[str]


class Acknowledged(BaseModel):
    """Those that were not acknowledged before."""

    acknowledged: list[str]


class OneSilence(BaseModel):
    """What disturbs nobody, until when, and whose wish that was."""

    number: int
    camera: str
    kind: str
    until: float
    by: str
    at: float


class Silences(BaseModel):
    """Those that are in force."""

    silences: list[OneSilence]


class CameraNow(BaseModel):
    """state: as in streamer.camera/1; null while nothing is known."""

    name: str
    zones: dict[str, Points]
    lines: dict[str, Points]
    rules: list[dict[str, Any]]
    analyse_fps: float | None
    state: dict[str, Any] | None


class Cameras(BaseModel):
    """All of them, in the order of the configuration."""

    cameras: list[CameraNow]


class Span(BaseModel):
    """When an alert began and ended."""

    id: str
    kind: str
    rule: str
    severity: str
    began: float = Field(alias="from")
    ended: float | None = Field(alias="to")
    acknowledged: bool


class Timeline(BaseModel):
    """The spans that reach into a time."""

    began: float = Field(alias="from")
    ended: float = Field(alias="to")
    alerts: list[Span]


class Woken(BaseModel):
    """Who is awake now, and for how long."""

    woken: list[str]
    for_s: float


class SavedPlaces(BaseModel):
    """used_by: the rules of each place; version: to be sent back with a change, null where there is no file."""

    zones: dict[str, Points]
    lines: dict[str, Points]
    used_by: dict[str, list[str]]
    version: str | None
    in_force: bool


class ShownPlaces(SavedPlaces):
    """read_only: why they cannot be changed here, or by whom one is."""

    read_only: str | None


class Line(BaseModel):
    """A line of the audit log, see docs/privacy.md."""

    n: int
    at: float
    time: str
    who: str
    role: str
    address: str
    did: str
    what: str
    cameras: list[str]
    outcome: str
    prev: str
    hash: str


class AuditPage(BaseModel):
    """Newest first; before: for the next page."""

    entries: list[Line]
    before: int | None


class PastList(BaseModel):
    """What was in force, the newest first."""

    history: list[PastConfiguration]


class PastText(BaseModel):
    """One of them."""

    number: int
    text: str


class Tried(BaseModel):
    """jpeg: in base64."""

    ok: bool
    said: str
    jpeg: str | None


class Problems(BaseModel):
    """Everything that is wrong, a sentence each."""

    problems: list[str]


class Misunderstood(BaseModel):
    """A value that was sent and cannot be: where, and what is wrong with it; never the value itself."""

    loc: list[str | int]
    msg: str
    type: str


class Refused(BaseModel):
    """Whatever was not done: why."""

    detail: str | Problems | list[Misunderstood]


_ANSWERS: Mapping[tuple[str, str], Any] = {
    ("get", "/api/alerts"): AlertPage,
    ("post", "/api/alerts/acknowledge"): Acknowledged,
    ("get", "/api/alerts/{alert_id}"): WholeAlert,
    ("post", "/api/alerts/{alert_id}/acknowledge"): WholeAlert,
    ("post", "/api/alerts/{alert_id}/comment"): WholeAlert,
    ("post", "/api/alerts/{alert_id}/silence"): Silences,
    ("get", "/api/silences"): Silences,
    ("delete", "/api/silences/{number}"): Silences,
    ("get", "/api/cameras"): Cameras,
    ("get", "/api/cameras/{camera}"): CameraNow,
    ("get", "/api/cameras/{camera}/timeline"): Timeline,
    ("post", "/api/cameras/{camera}/wake"): Woken,
    ("get", "/api/cameras/{camera}/places"): ShownPlaces,
    ("put", "/api/cameras/{camera}/places"): SavedPlaces,
    ("get", "/api/audit"): AuditPage,
    ("get", "/api/configuration"): Standing,
    ("put", "/api/configuration"): Applied,
    ("post", "/api/configuration/plan"): Steps,
    ("get", "/api/configuration/history"): PastList,
    ("get", "/api/configuration/history/{number}"): PastText,
    ("post", "/api/configuration/rollback"): Applied,
    ("post", "/api/configuration/try"): Tried,
    ("post", "/api/configuration/cameras"): Applied,
    ("get", "/api/configuration/cameras/{camera}"): CameraSettings,
    ("put", "/api/configuration/cameras/{camera}"): Applied,
    ("delete", "/api/configuration/cameras/{camera}"): Applied,
}

STREAMS: Mapping[str, str] = {
    "/api/events": "text/event-stream",
    "/api/live": "application/vnd.streamer.live",
    "/api/cameras/{camera}/live.mjpg": "multipart/x-mixed-replace",
    "/api/cameras/{camera}/live.mp4": "video/mp4",
    "/api/cameras/{camera}/video": "application/vnd.streamer.video",
}
"""What does not end by itself."""

_FILES: Mapping[str, str] = {
    "/api/alerts/{alert_id}/snapshot.jpg": "image/jpeg",
    "/api/alerts/{alert_id}/clip.mp4": "video/mp4",
    "/api/cameras/{camera}/picture.jpg": "image/jpeg",
}


def describe_answers(document: dict[str, Any]) -> None:
    """Put what every address answers, and how all refuse, into an OpenAPI document."""
    adapters = {each: TypeAdapter(each) for each in (*dict.fromkeys(_ANSWERS.values()), Refused)}
    references, shared = TypeAdapter.json_schemas(
        [(each, "serialization", adapter) for each, adapter in adapters.items()], ref_template=_DEFINED + "{model}"
    )
    schemas = document["components"]["schemas"]
    if twice := schemas.keys() & shared["$defs"].keys():
        raise RuntimeError(f"two parts of the OpenAPI document have one name: {sorted(twice)}")
    schemas.update(shared["$defs"])
    refused = {"description": "Not done, and why", "content": _json(references[Refused, "serialization"])}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            responses = operation["responses"]
            responses.pop("422", None)
            responses["default"] = refused
            if answer := _ANSWERS.get((method, path)):
                responses["200"]["content"] = _json(references[answer, "serialization"])
            elif media_type := STREAMS.get(path) or _FILES.get(path):
                responses["200"]["content"] = {media_type: {"schema": {"type": "string", "format": "binary"}}}
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)


def _json(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
