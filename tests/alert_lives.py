"""Alert changes drawn for tests of delivery: single ones, and whole lives with known truth."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from streamer.types import AlertChange, ChangeType, Clip, Detections, Frame, FrameResult, Tracks

KINDS = ("intrusion", "loitering", "line_crossing", "camera.offline")
LABELS = ("person", "car")
CLIP = Clip(path="clips/2023-11-14/a1.mp4", sha256="0" * 64, bytes=1000, from_at=1e9, to_at=1e9 + 15, codec="h264")


def change(
    id: str = "a1",
    seq: int = 1,
    type: ChangeType = "opened",
    *,
    camera: str = "gate",
    kind: str = "intrusion",
    at: float = 1_700_000_000.0,
) -> AlertChange:
    """One alert change with everything filled in."""
    return AlertChange(
        id=id,
        seq=seq,
        type=type,
        camera=camera,
        session="s1",
        rule="no-entry",
        kind=kind,
        severity="warning",
        started_at=at,
        at=at + seq,
        media_s=float(seq),
        score=0.87,
        label="person",
        place="yard",
        track_ids=(7,),
        box=(0.1, 0.2, 0.3, 0.4),
        reason={"text": "person in yard", "measures": {"dwell_s": (10.4, 10.0)}, "trail": ((0.1, 0.5, 0.5),)},
        snapshot="snapshots/a1.jpg",
    )


def lives(rng: random.Random, session: str, *, most_open: int = 20, cameras: int = 4) -> Iterator[AlertChange]:
    """Alerts that open, go on and close, many at a time, for ever: each id's seq rises by one from 1 to its closing,
    or to the evidence that follows it."""
    open_now: dict[str, AlertChange] = {}
    number = 0
    while True:
        if not open_now or (len(open_now) < most_open and rng.random() < 0.3):
            number += 1
            opened = change(
                f"{session}-{number}", camera=f"cam{rng.randrange(cameras)}", kind=rng.choice(KINDS), at=float(number)
            )
            opened = replace(opened, session=session)
            open_now[opened.id] = opened
            yield opened
            continue
        last = rng.choice(list(open_now.values()))
        if rng.random() < 0.25:
            del open_now[last.id]
            closed = next_change(last, "closed")
            yield closed
            if rng.random() < 0.3:
                yield replace(closed, seq=closed.seq + 1, type="evidence", clip=CLIP)
        else:
            open_now[last.id] = next_change(last, "updated")
            yield open_now[last.id]


def next_change(last: AlertChange, type: ChangeType) -> AlertChange:
    """What may follow a change."""
    return replace(last, seq=last.seq + 1, type=type, at=last.at + 1.0)


class NoPicture:
    """A picture that nobody looks at."""

    def rgb(self) -> NDArray[np.uint8]:
        return np.zeros((2, 2, 3), np.uint8)


def result(
    changes: tuple[AlertChange, ...] = (), *, camera: str = "gate", index: int = 0, objects: int = 3, tracked: int = 2
) -> FrameResult:
    """An analysed frame with some objects, the first `tracked` of which a track took."""
    frame = Frame(
        camera, "s1", index, np.zeros((4, 4, 3), np.uint8), (640, 360), index / 5, 1e9 + index / 5, 0.0, NoPicture()
    )
    boxes = np.array([[10.123 * n, 20, 30.456 + 10 * n, 90] for n in range(objects)], np.float32).reshape(-1, 4)
    scores = np.linspace(0.9, 0.5, objects, dtype=np.float32)
    classes = np.arange(objects, dtype=np.int64) % 2
    rows = np.arange(tracked, dtype=np.int64)
    tracks = Tracks(
        ids=rows + 100,
        boxes_xyxy=boxes[:tracked],
        velocity_xy=np.zeros((tracked, 2), np.float32),
        age_s=np.zeros(tracked, np.float32),
        scores=scores[:tracked],
        class_ids=classes[:tracked],
        detection_rows=rows,
        labels=LABELS,
    )
    return FrameResult(frame, Detections(boxes, scores, classes, LABELS), tracks, changes)
