"""The console of a configuration: what it is shown, what it may ask for, and where zones that people draw are kept."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamer.assembly.places import ConfiguredPlaces
from streamer.board import CameraStates
from streamer.clock import Clock
from streamer.config import Config
from streamer.config.model import WebConfig
from streamer.control.desk import WakeDesk
from streamer.errors import ConfigError
from streamer.service import Service
from streamer.sinks.delivery import Delivery
from streamer.stages import Sink
from streamer.web.access import Role
from streamer.web.alert_shelf import AlertShelf
from streamer.web.control_room import ControlRoom, Overlooked
from streamer.web.news import News
from streamer.web.parts import CameraAbout, ConsoleParts
from streamer.web.pictures import Pictures
from streamer.web.sessions import Account, Sessions, Token

_log = logging.getLogger("streamer.assembly")


@dataclass(frozen=True, slots=True)
class Console:
    """The room in which people watch; its doors open when the service is there."""

    room: ControlRoom
    config: Config
    clock: Clock
    origin: str

    def overlooking(self, stored: Sink) -> Sink:
        """The sink that stores, overlooked by the console."""
        return Overlooked(stored, self.room)

    @contextlib.contextmanager
    def serving(self, service: Service, desk: WakeDesk) -> Iterator[None]:
        """The console is served while inside. Raises ConfigError where one that was configured cannot be."""
        from streamer.web.server import ConsoleServer  # the extra 'web'

        web = self.config.web
        assert web is not None
        parts = _parts(self, lambda: _states(service), desk)
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
def open_console(config: Config, clock: Clock, origin: str, delivery: Delivery) -> Iterator[Console | None]:
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
    console = Console(ControlRoom(shelf, Pictures(), News(), clock, delivery.handled), config, clock, origin)
    try:
        yield console
    finally:
        console.room.close()


def check_web(config: Config, origin: str) -> None:
    """Raises ConfigError for a configured console whose certificate is not there; `origin` names the configuration."""
    web = config.web
    files = {"cert": web.cert, "key": web.key} if web else {}
    problems = [f"{origin}: web.{name}: there is no file {path}" for name, path in files.items() if _is_gone(path)]
    if problems:
        raise ConfigError(problems)


def _is_gone(path: Path | None) -> bool:
    return path is not None and not path.is_file()


def _missing() -> str | None:
    for name in ("fastapi", "uvicorn"):
        try:
            __import__(name)
        except ImportError:
            return name
    return None


def _parts(console: Console, states: Any, desk: WakeDesk) -> ConsoleParts:
    config, web = console.config, console.config.web
    assert web is not None
    accounts = {
        name: Account(Role.named(user.role), user.password.get_secret_value()) for name, user in web.users.items()
    }
    tokens = {name: Token(Role.named(each.role), each.token.get_secret_value()) for name, each in web.tokens.items()}
    file = Path(console.origin)
    return ConsoleParts(
        cameras={name: _about(name, config) for name in config.cameras},
        states=states,
        room=console.room,
        sessions=Sessions(accounts, tokens, console.clock, last_s=web.session_hours * 3600),
        folder=config.data_dir,
        wake=desk.wake,
        places=ConfiguredPlaces(file, config) if file.is_file() else None,
        clock=console.clock,
        secure=web.cert is not None,
        host=web.host,
        session_s=web.session_hours * 3600,
    )


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
