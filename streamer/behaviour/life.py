"""What calibration and drift count: whole lives of tracks, and spells of the whole picture."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Literal

from streamer.behaviour.conformal import Hour

_FIRST_BELIEVED_AT = 365 * 86_400.0


@dataclass(frozen=True, slots=True)
class Life:
    """What has ended: its highest smoothed surprise, the hour it began in, and the track's id, where it was a track."""

    camera: str
    of: Literal["track", "scene"]
    hour: Hour
    peak: float
    track: int | None = None


def hour_of(captured_at: float, timezone: tzinfo) -> Hour:
    """The hour of the day at an epoch time; None for a recording without a date, whose time begins at 0."""
    return None if captured_at < _FIRST_BELIEVED_AT else datetime.fromtimestamp(captured_at, timezone).hour
