"""What can be watched for: one class for each kind of rule."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from streamer.config.model.values import (
    ClockTime,
    Day,
    Identifier,
    PositiveSeconds,
    Score,
    Seconds,
    Severity,
    Strict,
)


class ScheduleConfig(Strict):
    """When a rule is awake: on these days between `from` and `to`; over midnight where `to` is before `from`."""

    days: Annotated[list[Day], Field(min_length=1)] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    start: ClockTime = Field(alias="from")
    end: ClockTime = Field(alias="to")


class RuleCommon(Strict):
    """What every rule can say."""

    name: Identifier
    severity: Severity = "warning"
    schedule: list[ScheduleConfig] = []
    open_after_s: Seconds = 0.0
    clear_after_s: Seconds = 2.0  # what it is about was gone for so long: the alert ends
    cooldown_s: Seconds = 0.0  # after an alert of the same person or thing none is raised for so long
    update_every_s: PositiveSeconds = 5.0  # while an alert is open, how often it is told at most
    max_open: Annotated[int, Field(ge=1)] = 100  # alerts of this rule at once


class TrackRule(RuleCommon):
    """A rule about tracked objects: which of them, and which point of their box counts."""

    labels: Annotated[list[str], Field(min_length=1)] | None = None
    min_score: Score = 0.0  # what the detector is less sure of does not count
    anchor: Literal["bottom", "centre"] = "bottom"  # which point of a box must be in the zone


class Intrusion(TrackRule):
    """Somebody is in the zone."""

    kind: Literal["intrusion"]
    zone: Identifier


class Loitering(TrackRule):
    """Somebody stays in the zone."""

    kind: Literal["loitering"]
    zone: Identifier
    dwell_s: PositiveSeconds  # longer than this is loitering


class LineCrossing(TrackRule):
    """Somebody crosses the line; counts both directions."""

    kind: Literal["line_crossing"]
    line: Identifier
    direction: Literal["both", "forward", "backward"] = "both"


class Occupancy(TrackRule):
    """More than `above` or fewer than `below` objects are in the zone."""

    kind: Literal["occupancy"]
    zone: Identifier
    above: Annotated[int, Field(ge=0)] | None = None
    below: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Occupancy:
        if self.above is None and self.below is None:
            raise ValueError("an occupancy rule needs 'above: N' or 'below: N'")
        return self


class WrongDirection(TrackRule):
    """Somebody moves against the heading of the zone."""

    kind: Literal["wrong_direction"]
    zone: Identifier
    heading_deg: Annotated[float, Field(ge=0, lt=360)]
    tolerance_deg: Annotated[float, Field(gt=0, lt=180)] = 90.0  # how far off the heading is still right
    min_speed: Annotated[float, Field(gt=0)] = 0.05  # slower has no direction; picture heights a second


class Stopped(TrackRule):
    """A vehicle stands still in the zone."""

    kind: Literal["stopped"]
    zone: Identifier
    still_s: PositiveSeconds  # longer than this is stopped
    max_speed: Annotated[float, Field(gt=0)] = 0.02  # slower counts as still; picture heights a second
    labels: Annotated[list[str], Field(min_length=1)] | None = ["car", "bus", "truck", "motorcycle"]


class Speeding(TrackRule):
    """Something moves faster than allowed through the zone."""

    kind: Literal["speeding"]
    zone: Identifier
    max_speed: Annotated[float, Field(gt=0)]  # metres per second where the zone is measured, else picture heights
    heading_deg: Annotated[float, Field(ge=0, lt=360)] | None = None
    zone_length_m: Annotated[float, Field(gt=0)] | None = None
    zone_width_m: Annotated[float, Field(gt=0)] | None = None


class Behaviour(TrackRule):
    """Somebody falls, runs or fights, as far as the temporal models can tell; in one zone or anywhere."""

    kind: Literal["behaviour.fallen", "behaviour.running", "behaviour.fighting"]
    zone: Identifier | None = None
    above: Annotated[float, Field(gt=0, le=1)] = 0.6
    below: Annotated[float, Field(gt=0, le=1)] = 0.4
    open_after_s: Seconds = 0.4
    labels: Annotated[list[str], Field(min_length=1)] | None = ["person"]

    @model_validator(mode="after")
    def _in_order(self) -> Behaviour:
        if self.below > self.above:
            raise ValueError(f"'below: {self.below:g}' must not be more than 'above: {self.above:g}'")
        return self


class Anomaly(TrackRule):
    """Somebody moves as hardly anybody does at this camera; raises nothing before `streamer calibrate` has run."""

    kind: Literal["behaviour.anomaly"]
    zone: Identifier | None = None
    false_alerts_per_day: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 2.0
    open_after_s: Seconds = 0.4
    labels: Annotated[list[str], Field(min_length=1)] | None = ["person"]


RuleConfig = Annotated[
    Intrusion | Loitering | LineCrossing | Occupancy | WrongDirection | Stopped | Speeding | Behaviour | Anomaly,
    Field(discriminator="kind"),
]
