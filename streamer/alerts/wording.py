"""How an alert is written down: its id, its reason and its numbers, the same text on every machine.

Everything here is a pure function of what is described, so the same recording gives the same messages to the byte.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from typing import Any

from streamer.types import Evidence

TRAIL_LENGTH = 32
Box = tuple[float, float, float, float]


def alert_id(*, camera: str, session: str, rule: str, kind: str, subject: str, started_media_s: float) -> str:
    """An id that is computed from what it describes: 'gate-3f9c…', 20 hexadecimal digits after the camera.

    A condition that begins for one subject of one rule begins at most once per millisecond of a session.
    """
    parts = (camera, session, rule, kind, subject, str(round(started_media_s * 1000)))
    # Lengths in front: no two lists of parts read the same when they are joined.
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return f"{slug(camera)}-{hashlib.sha256(text.encode()).hexdigest()[:20]}"


def slug(name: str) -> str:
    """A name as part of an id, a key or a file name: lower-case letters, digits, '_' and '-', at most 32."""
    return re.sub(r"[^a-z0-9_]+", "-", name.lower()).strip("-")[:32] or "camera"


def normalised_box(box_xyxy: Box | None, source_wh: tuple[int, int] | None) -> Box | None:
    """Source pixels → fractions of the picture in [0, 1], to four decimals."""
    if box_xyxy is None or source_wh is None:
        return None
    (x1, y1, x2, y2), (width, height) = box_xyxy, source_wh
    return _share(x1 / width), _share(y1 / height), _share(x2 / width), _share(y2 / height)


def reason_of(evidence: Evidence, *, settings: Mapping[str, Any], model_hash: str, config_hash: str) -> dict[str, Any]:
    """Why, JSON-ready: what it says on the wire under `reason`."""
    return {
        "text": evidence.text,
        "measures": {
            name: {"value": rounded(value), "limit": rounded(limit)}
            for name, (value, limit) in evidence.measures.items()
        },
        "trail": [[rounded(t), _share(x), _share(y)] for t, x, y in evidence.trail[-TRAIL_LENGTH:]],
        **evidence.details,
        "rule": dict(settings),
        "model": model_hash,
        "config": config_hash,
    }


def rounded(value: float) -> float:
    """To a thousandth, never −0.0; milliseconds, scores and measures need no more. JSON knows no infinity: capped."""
    if not math.isfinite(value):
        return math.copysign(1e9, value) if value == value else 0.0
    return round(float(value), 3) + 0.0


def _share(value: float) -> float:
    return round(min(1.0, max(0.0, float(value))), 4) + 0.0
