"""The one thread that brings the footage of all cameras to disk; cameras come and go meanwhile."""

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
        self,
        cameras: Sequence[CameraFootage],
        on_failure: Callable[[], None],
        *,
        every_s: float = _EVERY_S,
        name: str = "footage:write",
    ) -> None:
        self._cameras = list(cameras)
        self._leaving: dict[CameraFootage, threading.Event] = {}
        self._every_s = every_s
        self._stir = threading.Event()
        self._closing = False
        self.worker = Worker(name, self._run, on_failure)

    def start(self) -> None:
        """Begin."""
        self.worker.start()

    def add(self, camera: CameraFootage) -> None:
        """One camera more; from any thread."""
        self._cameras.append(camera)

    def finish(self, camera: CameraFootage, within_s: float) -> bool:
        """Complete one camera's footage with what there is, and leave it; false where the disk took longer than that.

        From any thread but the writer's; nothing more is shown to the camera's footage by now.
        """
        done = self._leaving[camera] = threading.Event()
        self._stir.set()
        deadline = Deadline(within_s)
        while not done.wait(min(self._every_s, deadline.remaining())):
            if not deadline.remaining() or not self.worker.alive:
                return done.is_set()
        return True

    def close(self, within_s: float) -> bool:
        """Complete everything with what there is; false where the disk took longer than that."""
        self._closing = True
        self._stir.set()
        return self.worker.join(Deadline(within_s))

    def _run(self) -> None:
        while True:
            self._stir.wait(self._every_s)
            self._stir.clear()
            if self._closing:
                break
            for camera in list(self._cameras):
                self._visit(camera, CameraFootage.write)
            self._let_go()
        for camera in list(self._cameras):
            self._visit(camera, CameraFootage.finish)
        self._let_go()

    def _let_go(self) -> None:
        for camera in list(self._leaving):
            if camera in self._cameras:
                self._visit(camera, CameraFootage.finish)
            if camera in self._cameras:
                self._cameras.remove(camera)
            self._leaving.pop(camera).set()

    def _visit(self, camera: CameraFootage, work: Callable[[CameraFootage], None]) -> None:
        try:
            work(camera)
        except Exception:  # noqa: BLE001 - one camera never harms another
            _log.exception("camera %r: its footage failed and will not come back before a restart", camera.camera)
            self._cameras.remove(camera)
            camera.give_up()
