"""What was found in one frame."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from streamer.types import (
    Detections,
    Tracks,
)
from streamer.wire.json_values import (
    PX_DECIMALS,
    S_DECIMALS,
    SCORE_DECIMALS,
    dumps,
    rounded,
)
from streamer.wire.names import (
    FRAME_SCHEMA,
)

LOOKED_AT_FROM = 0.25
"""What is neither followed nor this sure is noise to whoever looks on; replay tells all of it."""


def frame_objects(detections: Detections, tracks: Tracks, least_score: float = 0.0) -> list[dict[str, Any]]:
    """One entry per detection, in the detector's order; track_id where a confirmed track took it in this frame.

    Those below least_score are left out unless they are followed. behaviour where a temporal model can say.
    """
    behaviour_of_row = _behaviours(tracks)
    track_of_row = dict(zip(tracks.detection_rows.tolist(), tracks.ids.tolist(), strict=True))
    # through float64: a float32 rounded and then written has eight digits too many
    scores = np.round(detections.scores.astype(np.float64), SCORE_DECIMALS).tolist()
    rows = [row for row, score in enumerate(scores) if score >= least_score or row in track_of_row]
    boxes = np.round(detections.boxes_xyxy[rows].astype(np.float64), PX_DECIMALS).tolist()
    class_ids, labels = detections.class_ids.tolist(), detections.labels
    return [
        {
            "box": box,
            "label": labels[class_ids[row]],
            "score": scores[row],
            "track_id": track_of_row.get(row),
            **behaviour_of_row.get(row, {}),
        }
        for row, box in zip(rows, boxes, strict=True)
    ]


def _behaviours(tracks: Tracks) -> dict[int, dict[str, Any]]:
    """Detection row → its `behaviour`, for those of which the temporal model can say something already."""
    said = tracks.behaviour
    if said is None or not said.labels:
        return {}
    probs = np.round(said.probs.astype(np.float64), SCORE_DECIMALS)
    found = {}
    for row, each, anomaly in zip(tracks.detection_rows.tolist(), probs, said.anomaly.tolist(), strict=True):
        if np.isfinite(each).all():
            label = said.labels[int(each.argmax())]
            of_labels = dict(zip(said.labels, each.tolist(), strict=True))
            found[row] = {"behaviour": {"label": label, "probs": of_labels, "anomaly": _score(anomaly)}}
    return found


def scene_of(tracks: Tracks) -> dict[str, Any]:
    """`scene` of a frame message where a temporal model looks at whole pictures; anomaly null while it is learned."""
    scene = tracks.behaviour.scene if tracks.behaviour else None
    return {"scene": {"fight": _score(scene.fight), "anomaly": _score(scene.anomaly)}} if scene else {}


def _score(value: float) -> float | None:
    return rounded(value, SCORE_DECIMALS) if math.isfinite(value) else None


def frame_body(
    *,
    camera: str,
    session: str,
    index: int,
    media_s: float,
    captured_at: float,
    source_wh: tuple[int, int],
    objects: Sequence[Mapping[str, Any]],
    scene: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The frame message of a detections stream as JSON values; boxes are pixels of the source picture.

    objects, scene: see frame_objects and scene_of.
    """
    return {
        "schema": FRAME_SCHEMA,
        "camera": camera,
        "session": session,
        "index": index,
        "media_s": rounded(media_s, S_DECIMALS),
        "captured_at": rounded(captured_at, S_DECIMALS),
        "size": [source_wh[0], source_wh[1]],
        "objects": list(objects),
        **(scene or {}),
    }


class Watched(Protocol):
    """One analysed frame and what was found in it."""

    @property
    def camera(self) -> str: ...
    @property
    def session(self) -> str: ...
    @property
    def index(self) -> int: ...
    @property
    def media_s(self) -> float: ...
    @property
    def captured_at(self) -> float: ...
    @property
    def source_wh(self) -> tuple[int, int]: ...
    @property
    def detections(self) -> Detections: ...
    @property
    def tracks(self) -> Tracks: ...


def watched_body(seen: Watched) -> dict[str, Any]:
    """The frame message for people who look on: without what is neither followed nor LOOKED_AT_FROM sure."""
    return frame_body(
        camera=seen.camera,
        session=seen.session,
        index=seen.index,
        media_s=seen.media_s,
        captured_at=seen.captured_at,
        source_wh=seen.source_wh,
        objects=frame_objects(seen.detections, seen.tracks, least_score=LOOKED_AT_FROM),
        scene=scene_of(seen.tracks),
    )


def frame_fields(body: Mapping[str, Any]) -> dict[str, str]:
    """The fields of a detections stream entry."""
    return {"schema": FRAME_SCHEMA, "camera": str(body["camera"]), "data": dumps(body)}
