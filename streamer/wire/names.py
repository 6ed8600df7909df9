"""What messages are called, and their schemas."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any, Literal, cast

from streamer.types import HandlingType

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


def json_schema(name: SchemaName) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a message."""
    text = files("streamer").joinpath("schemas", f"{name}.json").read_text("utf-8")
    return cast(dict[str, Any], json.loads(text))
