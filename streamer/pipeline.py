"""Frame to alert, in one read. This is the specification of the service: `replay` runs it as it stands here.

    frame ─▶ detector ─▶ detections ─▶ tracker ─▶ tracks ─▶ behaviour model ─▶ rules ─▶ evidence ─▶ book ─▶ changes

The service runs the same objects with threads between them, and a test holds it to this file, alert for alert.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from streamer.stages import AlertBook, BehaviourModel, Detector, FrameSource, Rule, Sink, Tracker
from streamer.types import AlertChange, Detections, Frame, FrameResult, Tracks


@dataclass(frozen=True, slots=True, eq=False)
class Followed:
    """A frame half-way: who is where. closed: alerts that ended because the frame begins a new session."""

    frame: Frame
    detections: Detections
    tracks: Tracks
    closed: tuple[AlertChange, ...]


class CameraPipeline:
    """Everything that remembers one camera: follow() takes its frames in order, judge() each one next; one thread."""

    def __init__(self, tracker: Tracker, rules: Sequence[Rule], book: AlertBook) -> None:
        self._tracker, self._rules, self._book = tracker, tuple(rules), book
        self._session: str | None = None
        self.seen_at: float | None = None  # when the last frame was captured

    def judged_by(self, rules: Sequence[Rule], book: AlertBook) -> CameraPipeline:
        """The same eyes with other rules and a book of their own: who was followed stays followed, in the same session.

        The old one is to be finished and not used again.
        """
        other = CameraPipeline(self._tracker, rules, book)
        other._session, other.seen_at = self._session, self.seen_at
        return other

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Those that judge it, for who carries their counts to another machine."""
        return self._rules

    def follow(self, frame: Frame, detections: Detections) -> Followed:
        """Who is where in this frame, by the ids that they had before."""
        closed = () if frame.session == self._session else self._begin_session(frame.session)
        self.seen_at = frame.captured_at
        return Followed(frame, detections, self._tracker.update(detections, frame.media_s), closed)

    def judge(self, followed: Followed) -> FrameResult:
        """What the frame says about the camera: the alert changes that follow from its tracks."""
        frame, tracks, changes = followed.frame, followed.tracks, [*followed.closed]
        for rule in self._rules:
            evidence = tuple(rule.judge(frame, tracks))
            changes += self._book.record(rule, evidence, frame)
        return FrameResult(frame, followed.detections, tracks, tuple(changes))

    def finish(self, why: str) -> list[AlertChange]:
        """Close what is open: no more frames will come."""
        return self._book.end_session(why)

    @property
    def alerted(self) -> bool:
        """Whether an alert about somebody is open."""
        return any(change.track_ids for change in self._book.open_alerts)

    def _begin_session(self, session: str) -> tuple[AlertChange, ...]:
        # Track ids and media time start anew with a connection: nothing that was measured before it goes on.
        # Before the first one nothing is ours to end: what is open then came from another machine (ADR 13).
        closed = [] if self._session is None else self._book.end_session("the camera's session ended")
        self._tracker.reset()
        for rule in self._rules:
            rule.reset()
        self._session = session
        return tuple(closed)


def analyse(
    batch: Sequence[tuple[CameraPipeline, Frame, Detections]], behaviour: BehaviourModel | None
) -> Iterator[FrameResult]:
    """What each frame of a batch says, in its order; at most one frame of a camera."""
    followed = [camera.follow(frame, detections) for camera, frame, detections in batch]
    if behaviour:
        scores = behaviour.score([(each.frame, each.detections, each.tracks) for each in followed])
        followed = [
            replace(each, tracks=replace(each.tracks, behaviour=score))
            for each, score in zip(followed, scores, strict=True)
        ]
    for (camera, _, _), each in zip(batch, followed, strict=True):
        yield camera.judge(each)


def replay(
    source: FrameSource, detector: Detector, camera: CameraPipeline, sink: Sink, behaviour: BehaviourModel | None = None
) -> None:
    """Every frame of a recording through the pipeline into the sink. No threads, no clock: same input, same output."""
    for frame in source.frames():
        [detections] = detector.detect([frame])
        for result in analyse([(camera, frame, detections)], behaviour):
            sink.publish(result)
    sink.announce(camera.finish("the recording ended"))
