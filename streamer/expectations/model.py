"""What a file of expectations may say: every key, its unit, its limits and its default. Unknown keys are refused.

Times are places in the video. Names of rules, kinds, places and labels are those of alerts, see docs/wire.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PlainValidator, model_validator

from streamer.config.model import Identifier, PositiveSeconds, Severity, Strict
from streamer.expectations.moments import seconds_of

Moment = Annotated[float, PlainValidator(seconds_of)]
Share = Annotated[float, Field(ge=0, le=1)]
NormalisedBox = tuple[Share, Share, Share, Share]

TOLERANCE_S = 1.0
OVERLAP = 0.3


class Which(Strict):
    """Which alerts are meant: all that agree with what is said."""

    rule: str | None = None
    kind: str | None = None
    place: str | None = None
    label: str | None = None

    @property
    def described(self) -> str:
        """'yard-loitering in yard', 'any alert'."""
        name = self.rule or self.kind or "any alert"
        label = f" of {self.label}" if self.label else ""
        return f"{name}{label}{f' in {self.place}' if self.place else ''}"


class Expected(Which):
    """One alert that should open at about this time, and about there."""

    opens: Moment
    closes: Moment | None = None
    tolerance_s: PositiveSeconds | None = None  # of opens and closes; None: the file's
    severity: Severity | None = None
    box: NormalisedBox | None = None  # where it opens, normalised: left, top, right, bottom
    overlap: Annotated[float, Field(gt=0, le=1)] = OVERLAP  # intersection over union with the box, at least

    @model_validator(mode="after")
    def _can_be_meant(self) -> Expected:
        if self.rule is None and self.kind is None:
            raise ValueError("an alert needs 'rule' or 'kind', to say which one is expected")
        if self.closes is not None and self.closes < self.opens:
            raise ValueError("'closes' is before 'opens'")
        if self.box is not None and not (self.box[0] < self.box[2] and self.box[1] < self.box[3]):
            raise ValueError("'box' should be [left, top, right, bottom], in parts of the picture from 0 to 1")
        if self.box is None and "overlap" in self.model_fields_set:
            raise ValueError("'overlap' is that with a 'box': it needs one")
        return self


class Never(Which):
    """No such alert opens between these times, besides those that are expected."""

    start: Moment = Field(0.0, alias="from")
    end: Moment | None = Field(None, alias="to")  # None: the video's end

    @model_validator(mode="after")
    def _has_room(self) -> Never:
        if self.end is not None and self.end < self.start:
            raise ValueError("'to' is before 'from'")
        return self


class AtMost(Which):
    """Such alerts may open so often in the whole video; expected or not."""

    count: Annotated[int, Field(ge=0)]


class VideoExpectations(Strict):
    """One video through one camera's rules."""

    video: Path
    camera: Identifier | None = None  # None: the configuration has one only
    alerts: tuple[Expected, ...] = ()
    never: tuple[Never, ...] = ()
    at_most: tuple[AtMost, ...] = ()
    others: Literal["refused", "allowed"] = "refused"  # alerts that nothing here speaks of


class Expectations(Strict):
    """The whole file."""

    config: Path | None = None
    tolerance_s: PositiveSeconds = TOLERANCE_S
    videos: Annotated[list[VideoExpectations], Field(min_length=1)]
