"""The footage of one camera: shown every packet, asked for clips by alerts, written to disk by a thread of its own.

    capture thread ─ packet() ─▶ PacketRing ◀─ since() ─ writer thread ─▶ clips/…, recordings/…
    publish thread ─ begin(), end() ─▶ clips that are wanted

The ring is the hand-off: the capture thread never waits. Where the disk is so slow that packets fall out of it before
they were written, the clip ends there and the segment is cut: counted, and said.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamer.errors import FootageError
from streamer.footage.clip_writer import ClipWish, ClipWriter, clip_path
from streamer.footage.mp4_file import Mp4File, OpenFile
from streamer.footage.reception import Reception
from streamer.footage.recording import Recorder
from streamer.footage.stream_header import StreamHeader
from streamer.packet_ring import PacketRing
from streamer.types import AlertChange, Clip

if TYPE_CHECKING:
    from av import Packet
    from av.video.stream import VideoStream

_log = logging.getLogger("streamer.footage")

MOST_BYTES = 32_000_000
"""Of packets in memory: 30 s of 8 Mbit/s. A camera that sends more has a shorter pre-roll."""

MOST_CLIPS = 16
"""At once, of one camera: each is a file of its own with mostly the same packets."""

ANALYSIS_LAG_S = 3.0
"""How late an alert may come, besides the time that its rule waits: decoding, the queue for the model, the writer."""

REASONS = ("disk", "behind", "codec", "nothing", "too_many", "internal")
"""Why footage is lost (docs/footage.md); shown from the start, so that the first loss is seen as a rise."""

Done = Callable[[Clip | None], None]


@dataclass(frozen=True, slots=True)
class ClipLimits:
    """From before_s before an alert began until after_s after it ended, and no longer than most_s."""

    before_s: float
    after_s: float
    most_s: float


@dataclass(slots=True)
class _Wanted:
    writer: ClipWriter
    done: Done


class CameraFootage:
    """Implements stages.PacketTap on the capture thread. begin() and end() from any other, write() and finish() from
    the writer's.

    folder          the data folder
    clips           None: no clips
    segment_s       how long a segment of the recording is; None: no recording
    opens_within_s  how long the camera's rules may hold an alert back: so much further back does the ring reach
    """

    def __init__(
        self,
        camera: str,
        folder: Path,
        *,
        clips: ClipLimits | None,
        segment_s: float | None = None,
        opens_within_s: float = 0.0,
        most_bytes: int = MOST_BYTES,
        open_file: OpenFile = Mp4File,
    ) -> None:
        self.camera = camera
        self._folder, self._limits, self._open_file = folder, clips, open_file
        self._keep_s = ANALYSIS_LAG_S + (clips.before_s + opens_within_s if clips else 0.0)
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._reception: Reception | None = None
        self._before: Reception | None = None  # the one before it, while its last alerts may still be on their way
        self._wanted: dict[str, _Wanted] = {}
        self._recorder = (
            None if segment_s is None else Recorder(camera, folder, segment_s=segment_s, open_file=open_file, tell=self)
        )
        self._written = 0
        self._failures: Counter[str] = Counter()
        self._told: set[str] = set()

    @property
    def makes_clips(self) -> bool:
        """Whether alerts of this camera have clips."""
        return self._limits is not None

    # --- stages.PacketTap, on the capture thread ------------------------------------------------------------------

    def opened(self, stream: VideoStream) -> None:
        """A connection begins."""
        header = None
        try:
            header = StreamHeader.of(stream)
        except FootageError as error:
            self.failed("codec", str(error))
        reception = Reception(header, PacketRing(self._keep_s, self._most_bytes))
        with self._lock:
            if self._reception is not None:
                self._reception.over = True
            self._before, self._reception = self._reception, reception

    def packet(self, packet: Packet[Any], stream_s: float) -> None:
        """The next packet."""
        if self._reception is not None:
            self._reception.add(packet, stream_s)

    def timed(self, captured_at_zero: float) -> None:
        """When stream time 0 was."""
        if self._reception is not None:
            self._reception.zero_at = captured_at_zero

    def closed(self) -> None:
        """The connection is over. Its packets stay until the next one begins: an alert may still be on its way."""
        if self._reception is not None:
            self._reception.over = True

    # --- asked by alerts ------------------------------------------------------------------------------------------

    def begin(self, opened: AlertChange, done: Done) -> None:
        """An alert opened: make its clip. done(clip) is called on the writer's thread, done(None) perhaps at once."""
        if (limits := self._limits) is None:
            return done(None)
        wish = ClipWish(
            alert_id=opened.id,
            camera=self.camera,
            kind=opened.kind,
            path=clip_path(opened),
            from_at=opened.started_at - limits.before_s,
            most_s=limits.most_s,
        )
        with self._lock:
            reception = self._reception
            if self._before is not None and reception is not None and not reception.knows(opened.started_at):
                reception = self._before
            if reception is None or reception.zero_at is None or reception.header is None:
                refusal = "codec" if reception and reception.header is None else "nothing"
            elif len(self._wanted) >= MOST_CLIPS:
                refusal = "too_many"
            else:
                writer = ClipWriter(wish, reception, reception.zero_at, self._folder, self._open_file)
                self._wanted[opened.id] = _Wanted(writer, done)
                self._hold()
                return None
        if refusal == "too_many":
            self.failed(refusal, f"alert {opened.id} has no clip: {MOST_CLIPS} clips of this camera are being written")
        elif refusal == "nothing":
            self.failed(refusal, f"alert {opened.id} has no clip: no packets of its time are held")
        else:
            self._failures[refusal] += 1  # said when the connection began
        return done(None)

    def end(self, alert_id: str, at: float) -> None:
        """An alert ended at this epoch time: its clip goes on for after_s."""
        with self._lock:
            wanted = self._wanted.get(alert_id)
        if wanted is not None and self._limits is not None:
            wanted.writer.end_at(at + self._limits.after_s)

    # --- on the writer's thread -----------------------------------------------------------------------------------

    def write(self) -> None:
        """Bring to disk what has come since the last time."""
        with self._lock:
            wanted, newest = list(self._wanted.values()), self._reception
        for each in wanted:
            self._write_clip(each, last=False)
        if self._recorder is not None:
            self._recorder.write_some(newest)
        with self._lock:
            if newest is not None and newest is self._reception and newest.lasted_s > ANALYSIS_LAG_S:
                self._before = None
            self._hold()

    def finish(self) -> None:
        """Nothing more will come: complete every clip and the segment with what there is."""
        self.write()
        with self._lock:
            wanted = list(self._wanted.values())
        for each in wanted:
            self._write_clip(each, last=True)
        if self._recorder is not None:
            self._recorder.close()

    def give_up(self) -> None:
        """Something is wrong with this object itself: nobody should wait for its clips."""
        with self._lock:
            wanted, self._wanted = list(self._wanted.values()), {}
        self._failures["internal"] += max(1, len(wanted))
        for each in wanted:
            each.writer.abandon()
            each.done(None)

    def rows(self) -> Iterable[tuple[str, tuple[str, ...], float]]:
        """For telemetry."""
        if self.makes_clips:
            yield "streamer_clips_total", (self.camera,), float(self._written)
        for reason in REASONS:
            yield "streamer_footage_failures_total", (self.camera, reason), float(self._failures[reason])

    @property
    def ring_bytes(self) -> int:
        """Packets in memory."""
        reception = self._reception
        return reception.ring.bytes if reception else 0

    # --- inside ---------------------------------------------------------------------------------------------------

    def _write_clip(self, wanted: _Wanted, *, last: bool) -> None:
        writer, clip = wanted.writer, None
        try:
            if not writer.write_some() and not last:
                return
            clip = writer.complete()
        except FootageError as error:
            writer.abandon()
            self.failed("disk", f"alert {writer.wish.alert_id} has no clip: {error}")
        else:
            self._count(writer, clip)
        with self._lock:
            del self._wanted[writer.wish.alert_id]
        wanted.done(clip)

    def _count(self, writer: ClipWriter, clip: Clip | None) -> None:
        if clip is None:
            self.failed("nothing", f"alert {writer.wish.alert_id} has no clip: no packets of its time are held")
            return
        self._written += 1
        self.succeeded()
        if writer.was_behind:
            self.failed("behind", f"the clip of alert {writer.wish.alert_id} ends early: the disk is too slow")

    def _hold(self) -> None:
        """Packets that are still to be written stay in the ring as long as its bytes allow; call it with the lock."""
        newest = self._reception
        if newest is None:
            return
        wanted_from = [each.writer.next_number for each in self._wanted.values() if each.writer.reception is newest]
        if self._recorder is not None and self._recorder.reception is newest:
            wanted_from.append(self._recorder.next_number)
        newest.ring.hold_from(min(wanted_from, default=None))

    def succeeded(self) -> None:
        """The disk took a file: that it refuses is news again."""
        self._told.discard("disk")

    def failed(self, reason: str, sentence: str) -> None:
        """Counted always; to the log when it is news."""
        self._failures[reason] += 1
        if reason in ("disk", "codec") and reason in self._told:
            return
        self._told.add(reason)
        _log.warning("camera %r: %s", self.camera, sentence, extra={"camera": self.camera})
