"""What each room promises to the pipeline. No stage knows about threads, queues, configuration or metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from streamer.fit import Fit, InputFit
from streamer.ledger import CameraState
from streamer.types import (
    AlertChange,
    BehaviourScores,
    Colours,
    Detections,
    Evidence,
    Frame,
    FrameResult,
    OnDevice,
    Tracks,
)

if TYPE_CHECKING:
    import numpy as np
    from av import Packet, VideoFrame
    from av.video.stream import VideoStream
    from numpy.typing import NDArray


def nothing() -> None:
    """What is to be done where there is nothing to do."""


class FrameSource(Protocol):
    """One camera, or one recording, as frames that are to be analysed."""

    @property
    def camera(self) -> str:
        """The camera's id."""
        ...

    @property
    def demand_paced(self) -> bool:
        """True for a recording that waits for its consumer: nothing of it may be dropped, and it has an end."""
        ...

    def frames(self) -> Iterator[Frame]:
        """Yield frames in order until the recording ends or close() is called; one thread at a time, called once.

        A live source reconnects by itself and raises nothing for trouble that may pass. It counts in its ledger
        every frame that it did not yield.
        """
        ...

    def close(self) -> None:
        """Read no more: frames() ends soon, behind what was read until then; callable from any thread, returns at once.

        Who wants nothing more of it leaves off iterating.
        """
        ...


class PacketTap(Protocol):
    """Is shown every packet of one camera, decoded or not: for footage. On its capture thread; blocks and raises never.

    Times of packets are seconds on the container's own timeline.
    """

    def opened(self, stream: VideoStream) -> None:
        """A connection begins, before its first packet. The stream is lent for this call: keep nothing of it."""
        ...

    def packet(self, packet: Packet[Any], stream_s: float) -> None:
        """The next packet of the connection, not to be changed: others read it as well. Key frames tell themselves."""
        ...

    def timed(self, captured_at_zero: float) -> None:
        """Stream time 0 was at this epoch time, as far as is known by now; told again as the estimate improves."""
        ...

    def closed(self) -> None:
        """The connection is over."""
        ...


class PictureShrinker(Protocol):
    """Makes pictures small in the memory of the device that decoded them; shared by all cameras decoded there."""

    def shrink(self, frame: VideoFrame, fit: Fit, colours: Colours) -> tuple[NDArray[np.uint8], OnDevice]:
        """uint8 (h, w, 3), RGB, fit.content_wh: in this machine's memory, and where the picture is; any thread.

        frame: NV12 in the device's memory, stored upright.
        """
        ...


class Detector(Protocol):
    """A stateless model, shared by all cameras."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names; class_ids index it."""
        ...

    @property
    def input_fit(self) -> InputFit:
        """How pictures are laid into its input: what frames must be converted to."""
        ...

    def detect(self, frames: Sequence[Frame], before_run: Callable[[], None] = nothing) -> list[Detections]:
        """One Detections per frame, boxes in source pixels. Raises InferenceError.

        before_run(): called when the pictures are laid out and the net is about to run, which lets go of the
        interpreter for long: who wakes others does it then. Not called where nothing is run.
        """
        ...


class Tracker(Protocol):
    """Follows the objects of one camera session; private to one camera."""

    def update(self, detections: Detections, at_s: float) -> Tracks:
        """Tracks after a frame at media time at_s, which rises from call to call."""
        ...

    def reset(self) -> None:
        """Forget everything: a new session begins, ids start again from 1."""
        ...


class BehaviourModel(Protocol):
    """Temporal models that look at all tracks of all cameras of a batch at once; shared by all cameras."""

    def score(self, seen: Sequence[tuple[Frame, Detections, Tracks]]) -> list[BehaviourScores]:
        """One for each frame, at most one frame of a camera; what it must remember it keeps per camera and session."""
        ...


class Rule(Protocol):
    """Judges one condition on one camera; keeps what it must remember about its subjects."""

    name: str
    kind: str

    def judge(self, frame: Frame, tracks: Tracks) -> Iterable[Evidence]:
        """Evidence for every subject whose condition holds in this frame (see Evidence.momentary)."""
        ...

    def reset(self) -> None:
        """A new session begins: track ids mean something else now."""
        ...


class AlertBook(Protocol):
    """Turns evidence, frame by frame, into the life of alerts; private to one camera."""

    def record(self, rule: Rule, evidence: Sequence[Evidence], frame: Frame) -> list[AlertChange]:
        """The changes that this rule's evidence in this frame brings: opened, updated, closed."""
        ...

    @property
    def open_alerts(self) -> tuple[AlertChange, ...]:
        """The newest change of every alert that is open."""
        ...

    def end_session(self, why: str) -> list[AlertChange]:
        """Close everything that is open, at the last moment that was seen."""
        ...


class LinkWatch(Protocol):
    """Turns the state of a camera's connection into alerts; needs no frames. Private to one camera."""

    def tick(self, state: CameraState, now_s: float, now: float) -> list[AlertChange]:
        """The changes at monotonic time now_s, epoch time now."""
        ...

    def finish(self, why: str) -> list[AlertChange]:
        """Close what is open: nobody watches any more."""
        ...


class Sink(Protocol):
    """Receives results; must not lose alert changes, may let frame results go."""

    def publish(self, result: FrameResult) -> None:
        """Take one frame's result. Returns once the alert changes in it are durable."""
        ...

    def announce(self, changes: Sequence[AlertChange]) -> None:
        """Take alert changes that belong to no frame (a camera went offline). Durable on return."""
        ...

    def close(self) -> None:
        """Deliver or keep what is pending and release everything."""
        ...
