"""What a fault must be answered with: an alert, a metric that moves, a line in the log, an end of the process."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from streamer.types import AlertChange

Samples = Mapping[tuple[str, tuple[tuple[str, str], ...]], float]
"""One reading of /metrics: (name, sorted labels) → value."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that was seen of the service since the fault began. before, now: metrics; log: what it wrote since."""

    camera: str
    alerts: Sequence[AlertChange]
    before: Samples
    now: Samples
    log: str
    exits: Sequence[int]


class Sign(Protocol):
    """Something to be seen from outside."""

    def is_seen(self, evidence: Evidence) -> bool:
        """Whether it is there."""
        ...

    def told(self) -> str:
        """In the words of the table."""
        ...


@dataclass(frozen=True, slots=True)
class AlertSign:
    """An alert of this kind about the camera that has the fault."""

    kind: str
    change: str = "opened"

    def is_seen(self, evidence: Evidence) -> bool:
        """Whether it was received."""
        return any(
            (alert.camera, alert.kind, alert.type) == (evidence.camera, self.kind, self.change)
            for alert in evidence.alerts
        )

    def told(self) -> str:
        """`camera.offline` opened."""
        return f"alert `{self.kind}` {self.change}"


@dataclass(frozen=True, slots=True)
class MetricSign:
    """A metric that rose by so much since the fault began, or that is at least, or at most, so much now.

    labels: {camera} stands for the one that has the fault. Samples that match are added up.
    """

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    rises_by: float | None = None
    at_least: float | None = None
    at_most: float | None = None

    def is_seen(self, evidence: Evidence) -> bool:
        """Whether it is so now."""
        labels = {label: value.format(camera=evidence.camera) for label, value in self.labels.items()}
        now = total(evidence.now, self.name, labels)
        if now is None:
            return False
        if self.rises_by is not None:
            return now - (total(evidence.before, self.name, labels) or 0.0) >= self.rises_by
        if self.at_least is not None:
            return now >= self.at_least
        return self.at_most is None or now <= self.at_most

    def told(self) -> str:
        """`streamer_camera_up` at most 0."""
        shown = ",".join(f"{label}={value}" for label, value in self.labels.items() if value != "{camera}")
        name = f"`{self.name}{{{shown}}}`" if shown else f"`{self.name}`"
        if self.rises_by is not None:
            return f"{name} rises"
        bound, word = (self.at_least, "≥") if self.at_least is not None else (self.at_most, "≤")
        return f"{name} {word} {bound:g}"


@dataclass(frozen=True, slots=True)
class LogSign:
    """A line in the log that matches; {camera} stands for the one that has the fault."""

    pattern: str

    def is_seen(self, evidence: Evidence) -> bool:
        """Whether it was written."""
        pattern = self.pattern.replace("{camera}", re.escape(evidence.camera))
        return re.search(pattern, evidence.log) is not None

    def told(self) -> str:
        """Log “…”."""
        return f"log “{re.sub(r'^.*[{]camera[}].?: ', '', self.pattern).replace('.*', '…')}”"


@dataclass(frozen=True, slots=True)
class ExitSign:
    """The process ended with this code, to be started again by whoever looks after it."""

    code: int

    def is_seen(self, evidence: Evidence) -> bool:
        """Whether it did."""
        return self.code in evidence.exits

    def told(self) -> str:
        """Exit code 1."""
        return f"exit code {self.code}" if self.code >= 0 else f"killed by signal {-self.code}"


def total(samples: Samples, name: str, labels: Mapping[str, str]) -> float | None:
    """The sum of all samples of this name whose labels include these; None where there is none."""
    wanted = set(labels.items())
    found = [value for (each, has), value in samples.items() if each == name and wanted <= set(has)]
    return sum(found) if found else None
