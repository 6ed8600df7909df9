"""Where drills happen: a scratch service with a Redis, cameras, a network, a disk and a clock of its own.

with Ground(folder, clips, plan) as ground:
    ground.do(fault.target, fault.command, camera)
    ground.mend(fault.target, camera)
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import yaml

from streamer.chaos.camera.coded_clip import CodedClip
from streamer.chaos.camera.server import ScriptedCamera
from streamer.chaos.disk import FailingDisk, SmallDisk
from streamer.chaos.drill.faults import Target
from streamer.chaos.drill.onlooker import Onlooker
from streamer.chaos.drill.signs import total
from streamer.chaos.errors import ChaosError
from streamer.chaos.process import SupervisedProcess, limit_files, limit_open_files, wait_until
from streamer.chaos.proxy import FaultProxy
from streamer.chaos.redis_server import RedisServer
from streamer.chaos.wall_clock import WallClock
from streamer.demo.servers import free_port

LOGIN = "drill:gate-7"
STARTS_WITHIN_S = 90.0
_REPAIRED_WITHIN_S = 60.0
_LEFT_BYTES = 4 * 2**20  # less than evidence leaves to alerts

Disk = SmallDisk | FailingDisk | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be there.

    cameras     name → its settings in the configuration, without an address
    proxied     cameras that are reached through a network that can fail
    settings    the rest of the configuration
    disk        the one under the data folder: a makeshift limit (None), 'small' or 'failing'
    own_clock   the machine's clock, as the service sees it, can be set
    """

    cameras: Mapping[str, Mapping[str, Any]]
    proxied: frozenset[str] = frozenset()
    settings: Mapping[str, Any] = field(default_factory=dict)
    disk: str | None = None
    own_clock: bool = False


class Ground:
    """Everything runs inside its `with` block and is gone behind it. One thread breaks and mends at a time, but for
    cameras and networks, each of which may have a thread of its own."""

    def __init__(self, folder: Path, clips: Sequence[CodedClip], plan: Plan) -> None:
        self.folder, self._clips, self.plan = folder, clips, plan
        self.cameras: dict[str, ScriptedCamera] = {}
        self._networks: dict[str, FaultProxy] = {}
        self._stack = contextlib.ExitStack()
        self._lift: Callable[[], None] = lambda: None
        self.redis: RedisServer
        self.service: SupervisedProcess
        self.onlooker: Onlooker
        self._disk: Disk = None
        self._clock: WallClock | None = None

    @property
    def log(self) -> Path:
        """What the service says."""
        return self.folder / "service.log"

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self._begin(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._lift()
        self._stack.close()

    def _begin(self, stack: contextlib.ExitStack) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.redis = stack.enter_context(RedisServer(self.folder / "redis"))
        for name in self.plan.cameras:
            camera = stack.enter_context(ScriptedCamera(self._clips, login=LOGIN))
            self.cameras[name] = camera
            if name in self.plan.proxied:
                self._networks[name] = stack.enter_context(FaultProxy(camera.port))
        data = self.folder / "data"
        if self.plan.disk is not None:
            disk: SmallDisk | FailingDisk = SmallDisk(data) if self.plan.disk == "small" else FailingDisk(data)
            stack.enter_context(disk)
            self._disk = disk
        port = free_port()
        config = self.folder / "drill.yaml"
        config.write_text(yaml.safe_dump(self._configuration(data, port)), encoding="utf-8")
        module = ["-m", "streamer"]
        if self.plan.own_clock:
            self._clock = WallClock(self.folder / "clock")
            module = ["-m", "streamer.chaos.wall_clock", str(self._clock.path)]
        command = [sys.executable, *module, "run", str(config), "--log-level", "info"]
        self.service = SupervisedProcess(command, self.log, {"NO_COLOR": "1"})
        stack.callback(self.service.stop)
        page = f"http://127.0.0.1:{port}/metrics"
        self.onlooker = stack.enter_context(
            Onlooker(self.redis.url, list(self.cameras), page, self.log, data / "outbox.db")
        )
        self.service.start()

    @property
    def clock_ahead_s(self) -> float:
        """How far the machine's clock, as the service sees it, is from the true one."""
        return 0.0 if self._clock is None else self._clock.ahead_s

    def wait_until_all_are_watched(self, within_s: float = STARTS_WITHIN_S) -> float:
        """Until a result of every camera was seen on the live feed. Raises ChaosError with the end of the log."""
        try:
            return wait_until(
                lambda: all(self.onlooker.frames(name) for name in self.cameras), within_s, "the service watches all"
            )
        except ChaosError as error:
            raise ChaosError(f"{error}; its log ends: {self.onlooker.log_since(0)[-2000:]}") from error

    def received(self, camera: str) -> int:
        """How many pictures of this camera the service has in its books."""
        labels = {"camera": camera, "outcome": "received"}
        return int(total(self.onlooker.metrics(), "streamer_frames_total", labels) or 0)

    # --- breaking and mending -----------------------------------------------------------------------------------------

    def do(self, target: Target, command: str, camera: str) -> None:
        """Bring the fault about; `camera` is the one it is about, where it is about one. Raises ChaosError."""
        match target:
            case "camera":
                self.cameras[camera].do(command)
            case "network":
                self._networks[camera].do(command)
            case "redis":
                self.redis.do(command)
            case "service":
                self._do_to_service(command)
            case "member":
                self._do_to_member(command)
            case "disk":
                self._do_to_disk(command)
            case "clock":
                if self._clock is None:
                    raise ChaosError("this ground has no clock of its own")
                self._clock.set(float(command))

    def mend(self, target: Target, camera: str) -> None:
        """The cause is gone."""
        match target:
            case "camera":
                self.cameras[camera].do("go")
            case "network":
                self._networks[camera].do("go")
            case "redis":
                self.redis.do("go")
            case "service" | "member":
                self._lift()
                with contextlib.suppress(ChaosError):  # between two lives nothing is halted
                    self.service.signal(signal.SIGCONT)
            case "disk":
                self._mend_disk()
            case "clock":
                return  # it was set, and time goes on

    def _do_to_service(self, command: str) -> None:
        match command:
            case "kill":
                self.service.signal(signal.SIGKILL)
            case "halt":
                self.service.signal(signal.SIGSTOP)
            case "files":
                self._lift = limit_open_files(self.service.pid, spare=None)
                for camera in self.cameras.values():
                    camera.do("reset")
            case _:
                raise ChaosError(f"a service knows no '{command}'; it knows kill, halt, files")

    def _do_to_member(self, command: str) -> None:
        members = self.service.members
        if not members:
            raise ChaosError("the service has no capture process: set capture.processes to 1")
        os.kill(members[0], signal.SIGKILL if command == "kill" else signal.SIGSTOP)

    def _do_to_disk(self, command: str) -> None:
        match self._disk, command:
            case SmallDisk() as disk, "full":
                disk.fill()
            case SmallDisk() as disk, "evidence":
                disk.fill(but_bytes=_LEFT_BYTES)
            case FailingDisk() as disk, "fail":
                disk.fail()
            case None, "full":
                self._lift = limit_files(self.service.pid, 1)
            case _:
                raise ChaosError(f"this ground's disk cannot be made to '{command}'")

    def _mend_disk(self) -> None:
        match self._disk:
            case SmallDisk() as disk:
                disk.free()
            case FailingDisk() as disk:
                wait_until(lambda: _is_done(disk.repair), _REPAIRED_WITHIN_S, "nobody uses the failed disk")
            case None:
                self._lift()

    # --- the configuration --------------------------------------------------------------------------------------------

    def _configuration(self, data: Path, port: int) -> dict[str, Any]:
        cameras = {}
        for name, settings in self.plan.cameras.items():
            url = self.cameras[name].url
            if name in self._networks:
                url = url.replace(f":{self.cameras[name].port}/", f":{self._networks[name].port}/")
            cameras[name] = {**settings, "url": url}
        return {
            **self.plan.settings,
            "redis": {"url": self.redis.url},
            "http": {"port": port},
            "web": None,
            "data_dir": str(data),
            "cameras": cameras,
        }


def _is_done(work: Callable[[], None]) -> bool:
    try:
        work()
    except ChaosError:
        return False
    return True
