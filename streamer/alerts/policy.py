"""How patient and how talkative the alerts of one rule are."""

from __future__ import annotations

from dataclasses import dataclass

from streamer.types import SEVERITIES, Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertPolicy:
    """Hysteresis, cooldown and limits of one rule's alerts; all spans in seconds of media time.

    open_after_s    the condition must have held so long before an alert opens; a momentary one opens at once
    gap_s           a lapse up to so long does not interrupt a condition that is not an alert yet
    clear_after_s   the condition must be gone for so long before the alert closes
    cooldown_s      after an alert of this rule closed, no other opens for so long; what still holds then opens
    update_every_s  an open alert says what has changed at most so often
    max_open        more alerts than this are never open at once
    """

    severity: Severity = "warning"
    open_after_s: float = 0.0
    gap_s: float = 0.5
    clear_after_s: float = 2.0
    cooldown_s: float = 0.0
    update_every_s: float = 5.0
    max_open: int = 100

    def __post_init__(self) -> None:
        if self.severity not in SEVERITIES:
            raise ValueError(f"severity: '{self.severity}' is none of {', '.join(SEVERITIES)}")
        for name in ("open_after_s", "gap_s", "clear_after_s", "cooldown_s", "update_every_s"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative; got {getattr(self, name):g}")
        if self.max_open < 1:
            raise ValueError(f"max_open: at least 1, or the rule could never alert; got {self.max_open}")
