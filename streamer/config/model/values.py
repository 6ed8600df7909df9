"""What values of a configuration may be: times, shares, points, names, secrets."""

from __future__ import annotations

import contextlib
import re
from datetime import time
from typing import Annotated, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, SecretStr

from streamer.shapes import check_line, check_polygon

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
PositiveSeconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Score = Annotated[float, Field(ge=0, le=1)]
Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
NodeLabel = Annotated[str, Field(pattern=r"^[A-Za-z0-9_./-]+=[A-Za-z0-9_.-]+$")]
Coordinate = Annotated[float, Field(allow_inf_nan=False)]
Point = tuple[Coordinate, Coordinate]
Severity = Literal["info", "warning", "critical"]
LEAST_TOKEN = 16


def _polygon(points: list[Point]) -> list[Point]:
    if problem := check_polygon(points):
        raise ValueError(problem)
    return points


def _line(points: list[Point]) -> list[Point]:
    if problem := check_line(points):
        raise ValueError(problem)
    return points


def _zone_name(name: str) -> str:
    if name not in available_timezones():
        raise ValueError(f"there is no time zone '{name}'; it should be a name such as Europe/Berlin or UTC")
    return name


def _clock_time(value: object) -> object:
    # YAML 1.1 reads 22:00 as the sexagesimal number 1320: take it as what the person meant.
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 24 * 60:
        return time(value // 60 % 24, value % 60)
    return value


def _rate(value: object) -> float | None:
    if value == "all":
        return None
    number = value
    if isinstance(value, str):  # from a reference such as ${FPS}
        with contextlib.suppress(ValueError):
            number = float(value)
    if isinstance(number, int | float) and not isinstance(number, bool) and 0 < number <= 240:
        return float(number)
    raise ValueError(f"should be frames a second, above 0 and at most 240, or 'all'; got {value!r}")


def _token(secret: SecretStr) -> SecretStr:
    token = secret.get_secret_value()
    if len(token) < LEAST_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
        raise ValueError(f"should have at least {LEAST_TOKEN} characters, ASCII without spaces; is its variable set?")
    return secret


def _password_hash(secret: SecretStr) -> SecretStr:
    if not re.fullmatch(r"scrypt\$\d+\$\d+\$\d+\$[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=]+", secret.get_secret_value()):
        raise ValueError("should be what `streamer user hash` prints, which begins with scrypt$; never a password")
    return secret


Polygon = Annotated[list[Point], AfterValidator(_polygon)]
Line = Annotated[list[Point], AfterValidator(_line)]
ClockTime = Annotated[time, BeforeValidator(_clock_time)]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
ZoneName = Annotated[str, AfterValidator(_zone_name)]
AnalyseRate = Annotated[float | None, PlainValidator(_rate)]
Token = Annotated[SecretStr, AfterValidator(_token)]
PasswordHash = Annotated[SecretStr, AfterValidator(_password_hash)]


class Strict(BaseModel):
    """Unknown keys are refused, values are not guessed, and nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
