"""Clips and recordings of a configuration: which cameras have them, what brings them to disk, and from which stream."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from streamer.assembly.camera import camera_options
from streamer.assembly.crew import Crew
from streamer.assembly.crew_equipment import FootageOrders
from streamer.assembly.rules import policies
from streamer.capture import is_live
from streamer.capture.packets_only import PacketSource
from streamer.clock import Clock
from streamer.config import CameraConfig, Config
from streamer.crew.remote_footage import RemoteFootage
from streamer.errors import ConfigError
from streamer.footage.camera_footage import CameraFootage, ClipLimits
from streamer.footage.keeper import FootageKeeper, Keep
from streamer.footage.writer import FootageWriter
from streamer.stages import PacketTap
from streamer.telemetry.metrics import Reading
from streamer.workers import Deadline, Worker

_log = logging.getLogger("streamer.assembly")

MOST_OPENING_S = 10.0
"""An alert that takes longer to open has a clip whose beginning is later: packets of a minute are too much memory."""


@dataclass(frozen=True, slots=True)
class Footage:
    """What makes clips and recordings of a service. here: of cameras whose packets are in this process."""

    cameras: Mapping[str, CameraFootage | RemoteFootage]
    here: Mapping[str, CameraFootage]
    writer: FootageWriter
    keeper: FootageKeeper
    crew: Crew | None

    def close(self, within_s: float) -> bool:
        """Complete everything that is being written, wherever; false where that took longer."""
        deadline = Deadline(within_s)
        elsewhere = self.crew is None or self.crew.finish_footage(within_s)
        return self.writer.close(deadline.remaining()) and elsewhere

    @property
    def workers(self) -> tuple[Worker, ...]:
        """Its threads, for those who report a dead one."""
        return (self.writer.worker, self.keeper.worker)

    def rows(self) -> Iterable[Reading]:
        """For telemetry."""
        for camera in self.cameras.values():
            yield from camera.rows()
        yield from self.keeper.rows()
        yield "streamer_footage_bytes", ("memory",), float(sum(each.ring_bytes for each in self.cameras.values()))


def start_footage(
    config: Config, clock: Clock, on_failure: Callable[[], None], crew: Crew | None = None
) -> Footage | None:
    """The footage of every camera that has any, its threads running; None where none has.

    Of a camera that the crew reads it is made there, unless it comes from a stream of its own.
    """
    wanted = {name: made for name, camera in config.cameras.items() if (made := _orders(name, camera, config))}
    if not wanted:
        return None
    cameras: dict[str, CameraFootage | RemoteFootage] = {}
    here: dict[str, CameraFootage] = {}
    for name, orders in wanted.items():
        if crew is not None and name in crew and config.cameras[name].footage_url is None:
            cameras[name] = crew.footage(name, orders)
        else:
            cameras[name] = here[name] = orders.made(name)
    keep = config.keep
    keeper = FootageKeeper(
        config.data_dir,
        clips=Keep(keep.clips_days, int(keep.clips_mb * 1e6)),
        recordings=Keep(keep.recordings_days, int(keep.recordings_mb * 1e6)),
        clock=clock,
    )
    footage = Footage(cameras, here, FootageWriter(tuple(here.values()), on_failure), keeper, crew)
    for worker in footage.workers:
        worker.start()
    return footage


def tap_of(name: str, camera: CameraConfig, footage: Footage | None) -> PacketTap | None:
    """What the camera's analysed stream is shown to; nothing where its footage comes from another one."""
    return footage.here.get(name) if footage and camera.footage_url is None else None


def check_main_streams(config: Config, origin: str) -> None:
    """Raises ConfigError for a `footage_url` that is no live address; `origin` names the configuration."""
    problems = [
        f"{origin}: cameras.{name}.footage_url: should be the address of a live stream, such as rtsp://camera/main"
        for name, camera in config.cameras.items()
        if camera.footage_url is not None and not is_live(camera.footage_url)
    ]
    if problems:
        raise ConfigError(problems)


@contextmanager
def reading_main_streams(config: Config, footage: Footage, clock: Clock) -> Iterator[None]:
    """Every `footage_url` is read while inside, on a thread each; ended in two seconds, or left behind."""
    readers = {
        name: PacketSource(camera_options(name, _main_stream(camera)), footage.here[name], clock)
        for name, camera in config.cameras.items()
        if camera.footage_url is not None and name in footage.here
    }
    workers = [Worker(f"footage:{name}", _guarded(name, reader), lambda: None) for name, reader in readers.items()]
    for worker in workers:
        worker.start()
    try:
        yield
    finally:
        for reader in readers.values():
            reader.close()
        deadline = Deadline(2.0)
        for worker in workers:
            if not worker.join(deadline):
                _log.warning("%s did not end in time and was left behind", worker.name)


def _guarded(name: str, reader: PacketSource) -> Callable[[], None]:
    def run() -> None:
        try:
            reader.run()
        except Exception:  # noqa: BLE001 - one camera never harms another, and footage never its analysis
            _log.exception("camera %r: its main stream failed and will not come back before a restart", name)

    return run


def _main_stream(camera: CameraConfig) -> CameraConfig:
    """The camera with its main stream in the place of the analysed one."""
    return camera.model_copy(update={"url": camera.footage_url, "format": None, "pace": "live"})


def _orders(name: str, camera: CameraConfig, config: Config) -> FootageOrders | None:
    if camera.clips is None and camera.record is None:
        return None
    if camera_options(name, camera).pace == "demand":
        if camera.model_fields_set & {"clips", "record", "footage_url"}:
            _log.warning(
                "camera %r: clips and recordings are of live cameras; of a file set 'pace: realtime' to try them", name
            )
        return None
    clips = camera.clips
    limits = ClipLimits(clips.before_s, clips.after_s, clips.most_s) if clips else None
    opens_within_s = max((policy.open_after_s for policy in policies(camera).values()), default=0.0)
    return FootageOrders(
        config.data_dir,
        clips=limits,
        segment_s=camera.record.segment_s if camera.record else None,
        opens_within_s=min(opens_within_s, MOST_OPENING_S),
    )
