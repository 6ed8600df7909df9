"""Frame to alert, in one read. This is the specification of the service: `replay` runs it as it stands here.

    frame ─▶ detector ─▶ detections ─▶ tracker ─▶ tracks ─▶ each rule ─▶ evidence ─▶ alert book ─▶ alert changes

The service runs the same objects with threads between them, and a test holds it to this file, alert for alert.
A temporal model that looks at all tracks of a batch at once has its place between tracks and rules.
"""

from __future__ import annotations

from collections.abc import Sequence

from streamer.stages import AlertBook, Detector, FrameSource, Rule, Sink, Tracker
from streamer.types import AlertChange, Detections, Frame, FrameResult


class CameraPipeline:
    """Everything that remembers one camera. Give step() its frames in order, from one thread."""

    def __init__(self, tracker: Tracker, rules: Sequence[Rule], book: AlertBook) -> None:
        self._tracker, self._rules, self._book = tracker, tuple(rules), book
        self._session: str | None = None

    def step(self, frame: Frame, detections: Detections) -> FrameResult:
        """What this frame says about the camera: its tracks, and the alert changes that follow."""
        changes: list[AlertChange] = []
        if frame.session != self._session:
            changes += self._begin_session(frame.session)
        tracks = self._tracker.update(detections, frame.media_s)
        for rule in self._rules:
            evidence = tuple(rule.judge(frame, tracks))
            changes += self._book.record(rule, evidence, frame)
        return FrameResult(frame, detections, tracks, tuple(changes))

    def finish(self, why: str) -> list[AlertChange]:
        """Close what is open: no more frames will come."""
        return self._book.end_session(why)

    def _begin_session(self, session: str) -> list[AlertChange]:
        # Track ids and media time start anew with a connection: nothing that was measured before it goes on.
        closed = self._book.end_session("the camera's session ended")
        self._tracker.reset()
        for rule in self._rules:
            rule.reset()
        self._session = session
        return closed


def replay(source: FrameSource, detector: Detector, camera: CameraPipeline, sink: Sink) -> None:
    """Every frame of a recording through the pipeline into the sink. No threads, no clock: same input, same output."""
    for frame in source.frames():
        [detections] = detector.detect([frame])
        sink.publish(camera.step(frame, detections))
    sink.announce(camera.finish("the recording ended"))
