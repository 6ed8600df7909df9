"""A scratch copy of a configuration: its rules, zones, model and limits, with everything around them our own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from streamer.config import Config

_OF_THE_SOURCE = {
    "url", "format", "options", "transport", "pace", "loop", "footage_url", "decode_on", "priority",
}  # fmt: skip
_REPLACED = {"cameras", "redis", "webhooks", "jsonl", "http", "web", "data_dir", "capture"}
LONGEST_STALL_S, LONGEST_CONNECT_S, LONGEST_OFFLINE_S = 5.0, 5.0, 10.0
"""Limits that are longer in the configuration are shortened to these: a drill waits for each of them many times."""
LEAST_AGE_S = 5.0
"""Frames may be so old before they are dropped: a drill shares the machine with what it drills."""
ZONE, RULE = "drill-picture", "drill-anybody"


def scratch_of(config: Config) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """(settings of cameras, the rest), without addresses, receivers and folders.

    A rule that raises an alert for whatever is seen is added, or a drill would have no alerts to lose.
    """
    dumped = config.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    cameras = [camera_for_drills(camera) for camera in dumped["cameras"].values()]
    settings = {key: value for key, value in dumped.items() if key not in _REPLACED}
    inference = dict(settings.get("inference") or {})
    inference["max_age_s"] = max(inference.get("max_age_s", 0.0), LEAST_AGE_S)
    return cameras, {**settings, "inference": inference}


def camera_for_drills(camera: Mapping[str, Any]) -> dict[str, Any]:
    """A camera's settings, without where it is, impatient, and with something to tell."""
    kept = {key: value for key, value in camera.items() if key not in _OF_THE_SOURCE}
    if "analyse_fps" in kept and kept["analyse_fps"] is None:
        kept["analyse_fps"] = "all"
    trouble = dict(kept.get("trouble") or {})
    whole = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]
    talkative = {"name": RULE, "kind": "intrusion", "zone": ZONE, "update_every_s": 1.0, "clear_after_s": 0.5}
    return {
        **kept,
        "stall_after_s": min(kept.get("stall_after_s", LONGEST_STALL_S), LONGEST_STALL_S),
        "connect_timeout_s": min(kept.get("connect_timeout_s", LONGEST_CONNECT_S), LONGEST_CONNECT_S),
        "trouble": {
            **trouble,
            "offline_after_s": min(trouble.get("offline_after_s") or LONGEST_OFFLINE_S, LONGEST_OFFLINE_S),
            "clock_skew_s": min(trouble.get("clock_skew_s") or 60.0, 60.0),
        },
        "zones": {**kept.get("zones", {}), ZONE: whole},
        "rules": [*kept.get("rules", []), talkative],
    }
