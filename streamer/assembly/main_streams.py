"""Streams of cameras that are read for their footage alone (`footage_url`), each on a thread of its own."""

from __future__ import annotations

import logging
from collections.abc import Callable

from streamer.assembly.camera import camera_options
from streamer.capture.packets_only import PacketSource
from streamer.clock import Clock
from streamer.config import CameraConfig
from streamer.stages import PacketTap
from streamer.workers import Deadline, Worker

_log = logging.getLogger("streamer.assembly")

_ENDS_WITHIN_S = 2.0


class MainStreams:
    """Begun and ended camera by camera; one that does not end in two seconds is left behind."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._read: dict[str, tuple[PacketSource, Worker]] = {}

    def begin(self, name: str, camera: CameraConfig, tap: PacketTap) -> None:
        """Read a camera's main stream."""
        reader = PacketSource(camera_options(name, _main_stream(camera)), tap, self._clock)
        worker = Worker(f"footage:{name}", _guarded(name, reader), lambda: None)
        self._read[name] = reader, worker
        worker.start()

    def end(self, name: str) -> None:
        """It is read no more; nothing happens where it was not."""
        self._end([name] if name in self._read else [])

    def close(self) -> None:
        """End all."""
        self._end(list(self._read))

    def _end(self, names: list[str]) -> None:
        ending = [self._read.pop(name) for name in names]
        for reader, _ in ending:
            reader.close()
        deadline = Deadline(_ENDS_WITHIN_S)
        for _, worker in ending:
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
