"""The state of a camera."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from streamer.wire.json_values import (
    S_DECIMALS,
    plain,
    rounded,
)
from streamer.wire.names import (
    CAMERA_SCHEMA,
)


def camera_body(camera: str, at: float, state: Mapping[str, Any]) -> dict[str, Any]:
    """The camera message as JSON values: a reading of the camera's state at epoch seconds `at`."""
    return {"schema": CAMERA_SCHEMA, "camera": camera, "at": rounded(at, S_DECIMALS), **plain(state)}
