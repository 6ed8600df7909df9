"""What a budget of false alerts allows: the one sentence that rules and calibration must read the same way."""

from __future__ import annotations


def share_of(false_alerts_per_day: float, tracks_per_day: float) -> float:
    """The p-value from which on down a track is worth an alert: so many of a day's normal tracks may get there."""
    return 1.0 if tracks_per_day <= false_alerts_per_day else false_alerts_per_day / tracks_per_day
