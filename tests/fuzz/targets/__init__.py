"""Every door through which bytes come in from outside, by name: what is tried against each, see target.py."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

from tests.fuzz.target import Target

TARGETS: Mapping[str, str] = {
    "configuration": "configuration:ConfigurationText",
    "camera_edits": "configuration:CameraEdits",
    "place_edits": "configuration:PlaceEdits",
    "manifests": "models:Manifests",
    "models": "models:ModelFiles",
    "wire": "messages:WireMessages",
    "client": "messages:ClientAnswers",
    "letters": "messages:CrewLetters",
    "bitstreams": "video:Bitstreams",
    "rtsp": "rtsp:RtspAnswers",
    "http": "console:ConsoleRequests",
    "api": "api:ApiOperations",
    "outbox": "books:DamagedOutbox",
    "history": "books:DamagedHistory",
    "audit": "books:DamagedAudit",
}
"""Name → module and class below this package; loaded when it is made, so that each child loads only what it tries."""


def made(name: str, folder: Path) -> Target:
    """The target of this name, with a folder for its files."""
    module, _, kind = TARGETS[name].partition(":")
    target: Target = getattr(import_module(f"{__name__}.{module}"), kind)(folder)
    return target
