"""Lines of a recording: `replay --out` and `tail --json`."""

from __future__ import annotations

from streamer.types import (
    AlertChange,
    FrameResult,
)
from streamer.wire.alerts import alert_body
from streamer.wire.frames import frame_objects, scene_of
from streamer.wire.json_values import (
    S_DECIMALS,
    dumps,
    rounded,
)


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
            "media_s": rounded(frame.media_s, S_DECIMALS),
            "objects": frame_objects(result.detections, result.tracks),
            **scene_of(result.tracks),
        }
    )
