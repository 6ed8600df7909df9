"""Clips and recordings of a configuration: which cameras have them, what brings them to disk, and from which stream."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from streamer.assembly.camera import camera_options
from streamer.assembly.crew import Crew
from streamer.assembly.crew_equipment import FootageOrders
from streamer.assembly.main_streams import MainStreams
from streamer.assembly.privacy import raw_pictures_allowed, redacts_clips
from streamer.assembly.rules import policies
from streamer.capture import is_live
from streamer.capture.convert import DecodedPicture
from streamer.clock import Clock
from streamer.config import CameraConfig, Config
from streamer.crew.remote_footage import RemoteFootage
from streamer.errors import ConfigError
from streamer.footage.camera_footage import CameraFootage, ClipLimits
from streamer.footage.keeper import FootageKeeper, Keep
from streamer.footage.mp4_file import Mp4File
from streamer.footage.redacted_file import RedactedFiles
from streamer.footage.writer import FootageWriter
from streamer.privacy.veils import VeilBook
from streamer.telemetry.metrics import Reading
from streamer.workers import Deadline, Worker

_log = logging.getLogger("streamer.assembly")

MOST_OPENING_S = 10.0
"""An alert that takes longer to open has a clip whose beginning is later: packets of a minute are too much memory."""


MOST_WAITING_S = 120.0
"""So long the veils of a camera are remembered for clips that are still being redacted."""

Made = CameraFootage | RemoteFootage


class Footage:
    """What makes clips and recordings of a service, its threads running. cameras: those that have any now."""

    def __init__(self, config: Config, clock: Clock, on_failure: Callable[[], None], crew: Crew | None = None) -> None:
        keep = config.keep
        self.cameras: dict[str, Made] = {}
        self.writer = FootageWriter((), on_failure)
        # Decoding, redacting and encoding takes most of a core: nobody else's footage waits for it.
        self.redactor = FootageWriter((), on_failure, name="footage:redact")
        self.veils = VeilBook(MOST_WAITING_S)
        self.keeper = FootageKeeper(
            config.data_dir,
            clips=Keep(keep.clips_days, int(keep.clips_mb * 1e6)),
            recordings=Keep(keep.recordings_days, int(keep.recordings_mb * 1e6)),
            clock=clock,
        )
        self._writers: dict[str, FootageWriter] = {}
        self._main_streams, self._crew = MainStreams(clock), crew
        for worker in self.workers:
            worker.start()

    def take(self, name: str, camera: CameraConfig, footage: Made) -> None:
        """From now on alerts of this camera have clips, and what is recorded of it goes to disk."""
        self.cameras[name] = footage
        if isinstance(footage, CameraFootage):
            self._writer_of(name, camera).add(footage)
            if camera.footage_url is not None:
                self._main_streams.begin(name, camera, footage)

    def made(self, name: str, orders: FootageOrders) -> CameraFootage:
        """The footage of a camera whose packets are in this process."""
        files = RedactedFiles(self.veils.of(name), DecodedPicture) if orders.redacted else Mp4File
        return orders.made(name, files)

    def _writer_of(self, name: str, camera: CameraConfig) -> FootageWriter:
        self._writers[name] = self.redactor if redacts_clips(camera) else self.writer
        return self._writers[name]

    def let_go(self, name: str, footage: Made, leave_crew: Callable[[], bool], within_s: float) -> bool:
        """Complete what is being written of a camera that has ended, and forget it; false where that took longer."""
        self._main_streams.end(name)
        writer = self._writers.pop(name, self.writer)
        here = not isinstance(footage, CameraFootage) or writer.finish(footage, within_s)
        elsewhere = leave_crew()
        self.cameras.pop(name, None)
        return here and elsewhere

    def close(self, within_s: float) -> bool:
        """Complete everything that is being written, wherever; false where that took longer."""
        deadline = Deadline(within_s)
        elsewhere = self._crew is None or self._crew.finish_footage(within_s)
        redacted = self.redactor.close(deadline.remaining())
        return self.writer.close(deadline.remaining()) and redacted and elsewhere

    def close_main_streams(self) -> None:
        """End all connections of its own."""
        self._main_streams.close()

    @property
    def workers(self) -> tuple[Worker, ...]:
        """Its threads, for those who report a dead one."""
        return (self.writer.worker, self.redactor.worker, self.keeper.worker)

    def rows(self) -> Iterable[Reading]:
        """For telemetry."""
        cameras = tuple(self.cameras.values())
        for camera in cameras:
            yield from camera.rows()
        yield from self.keeper.rows()
        yield "streamer_footage_bytes", ("memory",), float(sum(each.ring_bytes for each in cameras))


def check_main_streams(config: Config, origin: str) -> None:
    """Raises ConfigError for a `footage_url` that is no live address; `origin` names the configuration."""
    problems = [
        f"{origin}: cameras.{name}.footage_url: should be the address of a live stream, such as rtsp://camera/main"
        for name, camera in config.cameras.items()
        if camera.footage_url is not None and not is_live(camera.footage_url)
    ]
    if problems:
        raise ConfigError(problems)


def footage_orders(name: str, camera: CameraConfig, config: Config) -> FootageOrders | None:
    """What is made of a camera's packets; None: nothing."""
    redacted = redacts_clips(camera)
    clips = camera.clips if raw_pictures_allowed(camera) or redacted else None
    if clips is None and camera.record is None:
        return None
    if camera_options(name, camera).pace == "demand":
        if camera.model_fields_set & {"clips", "record", "footage_url"}:
            _log.warning(
                "camera %r: clips and recordings are of live cameras; of a file set 'pace: realtime' to try them", name
            )
        return None
    limits = ClipLimits(clips.before_s, clips.after_s, clips.most_s) if clips else None
    opens_within_s = max((policy.open_after_s for policy in policies(camera).values()), default=0.0)
    return FootageOrders(
        config.data_dir,
        clips=limits,
        segment_s=camera.record.segment_s if camera.record else None,
        opens_within_s=min(opens_within_s, MOST_OPENING_S),
        redacted=redacted,
    )
