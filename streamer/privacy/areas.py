"""Which places of a picture hold somebody: of what was found in it, and of what was found there a moment ago; pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamer.privacy.policy import CameraPrivacy
from streamer.types import Boxes, FrameResult

_PERSON = "person"
# Of a standing person's box: a head is a seventh of its height and as much of its width as shoulders leave. A wide box
# is of somebody who sits, bends, lies, or is cut by the edge: the head may be anywhere in it.
_HEAD_HEIGHTS, _HEAD_WIDTHS = 0.3, 0.9
_MORE_WIDTH, _MORE_HEIGHT = 0.15, 0.15
_BOX_MORE = 0.08
_COVERED = 0.9
NO_ID = -1


@dataclass(frozen=True, slots=True, eq=False)
class Areas:
    """N places. boxes float32 (N, 4), normalised xyxy, also over the edges; ids int64 (N,): whose track, or NO_ID."""

    boxes: Boxes
    ids: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ids)


NOWHERE = Areas(np.zeros((0, 4), np.float32), np.zeros(0, np.int64))
EVERYWHERE = Areas(np.array([[0, 0, 1, 1]], np.float32), np.full(1, NO_ID))


def joined(*parts: Areas) -> Areas:
    """All of them."""
    return Areas(np.concatenate([each.boxes for each in parts]), np.concatenate([each.ids for each in parts]))


def swept(*parts: Areas) -> Areas:
    """Where everybody was on the way: of each track the hull of all its places, and all that are of none."""
    all_of_them = joined(*parts)
    tracked = all_of_them.ids != NO_ID
    ids, group = np.unique(all_of_them.ids[tracked], return_inverse=True)
    boxes = all_of_them.boxes[tracked]
    hulls = np.tile(np.array([np.inf, np.inf, -np.inf, -np.inf], np.float32), (len(ids), 1))
    np.minimum.at(hulls[:, :2], group, boxes[:, :2])
    np.maximum.at(hulls[:, 2:], group, boxes[:, 2:])
    return joined(Areas(hulls, ids), Areas(all_of_them.boxes[~tracked], all_of_them.ids[~tracked]))


def found(result: FrameResult, policy: CameraPrivacy) -> Areas:
    """What is to be hidden of this frame: of every track, and of every detection from the least score on."""
    detections, tracks = result.detections, result.tracks
    wanted = detections.scores >= policy.least_score
    boxes = np.concatenate([tracks.boxes_xyxy, detections.boxes_xyxy[wanted]])
    ids = np.concatenate([tracks.ids, np.full(int(wanted.sum()), NO_ID)])
    labels = [
        *(tracks.labels[each] for each in tracks.class_ids),
        *(detections.labels[each] for each in detections.class_ids[wanted]),
    ]
    rows = [row for row, label in enumerate(labels) if label in policy.labels]
    if not rows:
        return NOWHERE
    people = np.array([labels[row] == _PERSON for row in rows])
    chosen = boxes[rows].astype(np.float32)
    heads = people & (policy.redact == "heads")
    hidden = np.where(heads[:, None], heads_of(chosen), _larger(chosen))
    whole = np.array([*result.frame.source_wh, *result.frame.source_wh], np.float32)
    areas = Areas((hidden / whole).astype(np.float32), ids[rows])
    followed = _of_tracks(areas)
    return joined(followed, _uncovered(_of_nobody(areas), followed))


def heads_of(boxes: Boxes) -> Boxes:
    """Where the head may be in each box of a person, xyxy in pixels: its upper part, larger on all sides."""
    x0, y0, x1, y1 = boxes.T
    width, height = x1 - x0, y1 - y0
    head = np.minimum(height, np.maximum(_HEAD_HEIGHTS * height, _HEAD_WIDTHS * width))
    more_x, more_y = _MORE_WIDTH * width, _MORE_HEIGHT * head
    return np.stack([x0 - more_x, y0 - more_y, x1 + more_x, y0 + head + more_y], axis=1)


def _larger(boxes: Boxes) -> Boxes:
    more = _BOX_MORE * (boxes[:, 2:] - boxes[:, :2])
    return np.concatenate([boxes[:, :2] - more, boxes[:, 2:] + more], axis=1)


class Lingering:
    """Remembers the places of one camera for a while; one thread.

    A place stays hidden for linger_s after the last box there. Of a track that is seen again, all the way that it made
    in this time is.
    """

    def __init__(self, linger_s: float) -> None:
        self._linger_s = linger_s
        self._session: str | None = None
        self._kept: deque[tuple[float, Areas]] = deque()

    def with_(self, now: Areas, session: str, media_s: float) -> Areas:
        """These places of this frame, and those of a moment ago that they do not cover."""
        if session != self._session:
            self._session = session
            self._kept.clear()
        while self._kept and not 0 <= media_s - self._kept[0][0] <= self._linger_s:
            self._kept.popleft()
        places = [now, *(earlier for _, earlier in reversed(self._kept))]
        hidden = swept(*(_of_tracks(each) for each in places))
        for each in places:
            hidden = joined(hidden, _uncovered(_of_nobody(each), hidden))
        self._kept.append((media_s, now))
        return hidden


def _of_tracks(areas: Areas) -> Areas:
    return Areas(areas.boxes[areas.ids != NO_ID], areas.ids[areas.ids != NO_ID])


def _of_nobody(areas: Areas) -> Areas:
    return Areas(areas.boxes[areas.ids == NO_ID], areas.ids[areas.ids == NO_ID])


def _uncovered(boxes: Areas, by: Areas) -> Areas:
    """Those of which a single other one does not cover nearly all."""
    if not len(boxes) or not len(by):
        return boxes
    low = np.maximum(boxes.boxes[:, None, :2], by.boxes[None, :, :2])
    high = np.minimum(boxes.boxes[:, None, 2:], by.boxes[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    area = (boxes.boxes[:, 2:] - boxes.boxes[:, :2]).prod(axis=1)
    bare = shared.max(axis=1) < _COVERED * area
    return Areas(boxes.boxes[bare], boxes.ids[bare])
