"""The one thread that brings the footage of all cameras to disk."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from streamer.footage.camera_footage import CameraFootage
from streamer.workers import Deadline, Worker

_log = logging.getLogger("streamer.footage")

_EVERY_S = 0.5  # so much of a recording is lost with the process, besides the last group of pictures


class FootageWriter:
    """Visits every camera twice a second. One whose footage fails with a bug is left out from then on, and said."""

    def __init__(
        self, cameras: Sequence[CameraFootage], on_failure: Callable[[], None], *, every_s: float = _EVERY_S
    ) -> None:
        self._cameras = list(cameras)
        self._every_s = every_s
        self._closing = threading.Event()
        self.worker = Worker("footage:write", self._run, on_failure)

    def start(self) -> None:
        """Begin."""
        self.worker.start()

    def close(self, within_s: float) -> bool:
        """Complete everything with what there is; false where the disk took longer than that."""
        self._closing.set()
        return self.worker.join(Deadline(within_s))

    def _run(self) -> None:
        while not self._closing.wait(self._every_s):
            self._visit(CameraFootage.write)
        self._visit(CameraFootage.finish)

    def _visit(self, work: Callable[[CameraFootage], None]) -> None:
        for camera in list(self._cameras):
            try:
                work(camera)
            except Exception:  # noqa: BLE001 - one camera never harms another
                _log.exception("camera %r: its footage failed and will not come back before a restart", camera.camera)
                self._cameras.remove(camera)
                camera.give_up()
