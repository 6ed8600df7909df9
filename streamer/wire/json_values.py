"""JSON as it is written and read here: finite numbers, times in whole milliseconds."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

S_DECIMALS = 3  # times: a millisecond
PX_DECIMALS = 2
UNIT_DECIMALS = 5  # normalised coordinates: a hundredth of a pixel at 1000 pixels
SCORE_DECIMALS = 4
MEASURE_DECIMALS = 4


def dumps(body: Mapping[str, Any]) -> str:
    """Compact JSON in the order given, as every message is written.

    ASCII only: redis-cli shows other bytes as escapes anyway, and a half character in a camera's error text must
    not make a message that no receiver can encode.
    """
    return json.dumps(body, allow_nan=False, separators=(",", ":"))


def parsed(body: str | bytes) -> Mapping[str, Any]:
    try:
        message = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not an alert message: not JSON ({error})") from error
    if not isinstance(message, dict):
        raise ValueError(f"not an alert message: a JSON {type(message).__name__} where an object is expected")
    return message


def text(message: Mapping[str, Any], key: str) -> str:
    value = message[key]
    if not isinstance(value, str):
        raise ValueError(f"not an alert message: {key} is {value!r}, expected text")
    return value


def number(message: Mapping[str, Any], key: str) -> float:
    try:
        return finite(message[key])
    except ValueError as error:
        raise ValueError(f"not an alert message: {key} is {str(message[key])[:60]!r}, expected a number") from error


def finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{number} is no number")
    return number


def rounded(value: float, decimals: int) -> float:
    value = round(float(value), decimals)
    if not math.isfinite(value):
        raise ValueError(f"{value} cannot be written to the wire: JSON knows finite numbers only")
    return value + 0.0  # −0.0 and 0.0 are one number, and must be one text


def plain(value: Any) -> Any:
    """Any reason as JSON values: numpy scalars unpacked, measures rounded, numbers that JSON lacks as null."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return round(value, MEASURE_DECIMALS) + 0.0 if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    return str(value)
