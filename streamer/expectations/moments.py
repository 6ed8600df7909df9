"""Places in a video, as people write them: 0:41.2 or 1:02:03, and as seconds from its beginning."""

from __future__ import annotations

import math
import re

_WRITTEN = re.compile(r"(?:(\d+):)?(\d+):([0-5]?\d(?:\.\d*)?)")
_DECIMALS = 6  # 1:10.04 is 70.04, whatever floating point makes of the sum


def seconds_of(written: object) -> float:
    """Seconds from the video's beginning of 41.2, '41.2', '0:41.2' or '1:02:03'. Raises ValueError for what is none.

    YAML 1.1 reads 1:02.5 as a number of base sixty, which is 62.5: those come as numbers already.
    """
    if isinstance(written, int | float) and not isinstance(written, bool) and math.isfinite(written) and written >= 0:
        return round(float(written), _DECIMALS)
    if isinstance(written, str):
        if match := _WRITTEN.fullmatch(written.strip()):
            return round(int(match[1] or 0) * 3600 + int(match[2]) * 60 + float(match[3]), _DECIMALS)
        if re.fullmatch(r"\d+(\.\d*)?", written.strip()):
            return round(float(written), _DECIMALS)
    raise ValueError(f"should be a time in the video such as 0:41.2 or 41.2; got {written!r}")


def shown(at_s: float) -> str:
    """0:41.2; 1:02:03.5: to a thousandth, at least one decimal, and read back as the same time."""
    thousandths = max(0, round(at_s * 1000))
    whole_s, rest = divmod(thousandths, 1000)
    minutes, seconds = divmod(whole_s, 60)
    decimals = f"{rest:03d}".rstrip("0") or "0"
    hours, minutes = divmod(minutes, 60)
    front = f"{hours}:{minutes:02d}" if hours else f"{minutes}"
    return f"{front}:{seconds:02d}.{decimals}"


def short(at_s: float) -> str:
    """0:41; 1:02:03: as a player shows it."""
    return shown(math.floor(max(0.0, at_s) + 1e-6)).removesuffix(".0")
