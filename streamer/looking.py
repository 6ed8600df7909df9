"""A batch before the model, which may be on another node: what was seen, and what nobody looked at."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from streamer.errors import Unanswered
from streamer.ledger import Drop
from streamer.stages import Detector, nothing
from streamer.types import Detections, Frame


def looked_at(
    detector: Detector,
    frames: Sequence[Frame],
    before_run: Callable[[], None],
    *,
    waits: Callable[[Frame], bool],
    lose: Callable[[Frame, Drop], None],
) -> tuple[tuple[Frame, Detections], ...]:
    """What the detector finds, in order. A frame that nobody looked at is lost: that is not "nothing is in it".

    waits: whether it is of a recording that waits for its consumer. Such a one loses nothing because it was asked about
    together with a camera's: it is asked about again.
    """
    try:
        return tuple(zip(frames, detector.detect(frames, before_run), strict=True))
    except Unanswered as unanswered:
        patient = [frame for frame in frames if waits(frame)]
        again = len(patient) < len(frames)
        for frame in frames:
            if not (again and waits(frame)):
                lose(frame, Drop(unanswered.reason))
        return looked_at(detector, patient, nothing, waits=waits, lose=lose) if again and patient else ()
