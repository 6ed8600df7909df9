"""The console of a configuration: what it is shown, what it may ask for, and where zones that people draw are kept."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from streamer.assembly.audit import entries_of, told_to
from streamer.assembly.changing import Changing
from streamer.assembly.configuration_api import ConfigurationOverApi
from streamer.assembly.configuration_desk import ConfigurationDesk
from streamer.assembly.places import ConfiguredPlaces
from streamer.assembly.privacy import raw_pictures_allowed
from streamer.assembly.video import LiveVideos
from streamer.audit.trail import AuditTrail
from streamer.board import CameraStates
from streamer.clock import Clock
from streamer.config import CameraConfig, Config
from streamer.config.model import WebConfig
from streamer.control.desk import WakeDesk
from streamer.errors import ConfigError
from streamer.service import Service
from streamer.sinks.delivery import Delivery
from streamer.stages import Sink
from streamer.surroundings import Surroundings
from streamer.web.access import Role
from streamer.web.alert_shelf import AlertShelf
from streamer.web.control_room import ControlRoom, Overlooked
from streamer.web.news import News
from streamer.web.parts import CameraAbout, ConsoleParts
from streamer.web.pictures import Pictures
from streamer.web.server import ConsoleServer
from streamer.web.sessions import Account, Sessions, Token

_log = logging.getLogger("streamer.assembly")


@dataclass(frozen=True, slots=True)
class Console:
    """The room in which people watch; its doors open when the service is there."""

    room: ControlRoom
    config: Config
    clock: Clock
    origin: str
    videos: LiveVideos
    trail: AuditTrail

    def overlooking(self, stored: Sink) -> Sink:
        """The sink that stores, overlooked by the console."""
        return Overlooked(stored, self.room)

    def forget(self, camera: str) -> None:
        """The camera is gone: what it showed last is shown no more."""
        self.videos.forget(camera)
        self.room.pictures.forget(camera)

    @contextlib.contextmanager
    def serving(
        self, service: Service, desk: WakeDesk, changing: Changing, configuration: ConfigurationDesk | None
    ) -> Iterator[None]:
        """The console is served while inside. Raises ConfigError where one that was configured cannot be.

        configuration: None where there is no file that could be changed.
        """
        web = self.config.web
        assert web is not None
        parts = _parts(self, lambda: _states(service), desk, changing, configuration)
        if configuration is not None:
            configuration.on_change(lambda: self.room.news.tell("configuration", {"cameras": list(parts.cameras)}))
        try:
            server = ConsoleServer(parts, web.host, web.port, cert=web.cert, key=web.key)
        except ConfigError as error:
            if web != WebConfig():
                raise
            _log.warning("no console: %s", error)
            yield
            return
        try:
            yield
        finally:
            server.close()


@contextlib.contextmanager
def open_console(
    config: Config, clock: Clock, origin: str, delivery: Delivery, trail: AuditTrail
) -> Iterator[Console | None]:
    """The console of a configuration that has one; None, with a sentence in the log, where its parts are missing.

    `origin` is the configuration's file, where zones that people draw are written.
    """
    if config.web is None:
        yield None
        return
    if missing := _missing():
        level = logging.INFO if config.web == WebConfig() else logging.ERROR  # nobody asked for it, or somebody did
        _log.log(level, "no console: %s is not installed (pip install 'streamer[web]'); the watching goes on", missing)
        yield None
        return
    shelf = AlertShelf(config.data_dir / "console.db", keep=config.web.keep_alerts)
    shelf.nobody_watched(clock.now())
    room = ControlRoom(shelf, Pictures(), News(), clock, delivery.handled)
    console = Console(room, config, clock, origin, LiveVideos(clock), trail)
    try:
        yield console
    finally:
        console.videos.close()
        console.room.close()


def with_video(around: Surroundings, camera: CameraConfig, console: Console | None) -> Surroundings:
    """A camera's surroundings with what people watch of it, where there is a console to watch it at."""
    return around if console is None else console.videos.around(around, camera)


def _missing() -> str | None:
    """Of the extra 'web'. Looked for, not imported: that takes a third of a second, which the console's thread has."""
    return next((name for name in ("fastapi", "uvicorn") if find_spec(name) is None), None)


def _parts(
    console: Console, states: Any, desk: WakeDesk, changing: Changing, configuration: ConfigurationDesk | None
) -> ConsoleParts:
    config, web = console.config, console.config.web
    assert web is not None
    accounts = {
        name: Account(Role.named(user.role), user.password.get_secret_value()) for name, user in web.users.items()
    }
    tokens = {name: Token(Role.named(each.role), each.token.get_secret_value()) for name, each in web.tokens.items()}
    cameras = RunningCameras(changing.in_force)
    return ConsoleParts(
        cameras=cameras,
        states=states,
        room=console.room,
        sessions=Sessions(accounts, tokens, console.clock, last_s=web.session_hours * 3600),
        folder=config.data_dir,
        wake=desk.wake,
        places=ConfiguredPlaces(configuration) if configuration else None,
        configuration=ConfigurationOverApi(configuration, web.allow_sources) if configuration else None,
        clock=console.clock,
        secure=web.cert is not None,
        host=web.host,
        session_s=web.session_hours * 3600,
        video=console.videos.get,
        raw_pictures_allowed=cameras.raw_pictures_allowed,
        audit=told_to(console.trail),
        audit_entries=entries_of(config.data_dir),
    )


class RunningCameras(Mapping[str, CameraAbout]):
    """What the configuration in force says about each camera: others may be there a moment later."""

    def __init__(self, in_force: Callable[[], Config]) -> None:
        self._in_force = in_force

    def __getitem__(self, name: str) -> CameraAbout:
        return _about(name, self._in_force())

    def __iter__(self) -> Iterator[str]:
        return iter(self._in_force().cameras)

    def __len__(self) -> int:
        return len(self._in_force().cameras)

    def raw_pictures_allowed(self, name: str) -> bool:
        """Whether its packets may be shown as they came."""
        camera = self._in_force().cameras.get(name)
        return camera is not None and raw_pictures_allowed(camera)


def _states(service: Service) -> CameraStates:
    cameras: Any = service.ready().details["cameras"]
    states: CameraStates = cameras
    return states


def _about(name: str, config: Config) -> CameraAbout:
    camera = config.cameras[name]
    rules = [
        {
            "name": rule.name,
            "kind": rule.kind,
            "severity": rule.severity,
            "place": getattr(rule, "zone", None) or getattr(rule, "line", None),
        }
        for rule in camera.rules
    ]
    return CameraAbout(name, camera.zones, camera.lines, rules, camera.analyse_fps)
