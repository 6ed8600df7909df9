"""The console of a configuration: what it is shown, what it may ask for, and where zones that people draw are kept."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamer.board import CameraStates
from streamer.clock import Clock
from streamer.config import Config, parse_config
from streamer.config.places_text import with_places
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
from streamer.web.places import CameraPlaces, PlacesRefused, Points
from streamer.web.sessions import Account, Sessions, Token

_log = logging.getLogger("streamer.assembly")

BACKUP = ".before-console"


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
        """The console is served while inside. Raises ConfigError where it cannot be."""
        from streamer.web.server import ConsoleServer  # the extra 'web'

        web = self.config.web
        assert web is not None
        parts = _parts(self, lambda: _states(service), desk)
        server = ConsoleServer(parts, web.host, web.port, cert=web.cert, key=web.key)
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
        _log.error("no console: %s is not installed (pip install 'streamer[web]'); the watching goes on", missing)
        yield None
        return
    shelf = AlertShelf(config.data_dir / "console.db", keep=config.web.keep_alerts)
    shelf.nobody_watched(clock.now())
    console = Console(ControlRoom(shelf, Pictures(), News(), clock, delivery.handled), config, clock, origin)
    try:
        yield console
    finally:
        console.room.close()


class ConfiguredPlaces:
    """web.places.PlacesFile over the YAML file; what is written takes effect at the next start.

    Whatever is written has been read back and checked as `validate` does, and changes nothing but these places. The
    file as it was before stays beside it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, camera: str) -> CameraPlaces:
        """As they stand in the file now. Raises PlacesRefused."""
        text = self._text()
        settings = self._checked(text).cameras.get(camera)
        if settings is None:
            raise PlacesRefused([f"camera '{camera}' is no longer in {self._path.name}"])
        used: dict[str, list[str]] = {}
        for rule in settings.rules:
            if place := getattr(rule, "zone", None) or getattr(rule, "line", None):
                used.setdefault(place, []).append(rule.name)
        return CameraPlaces(settings.zones, settings.lines, used, _version(text))

    def write(self, camera: str, zones: Mapping[str, Points], lines: Mapping[str, Points], version: str) -> bool:
        """Put them in their place; they take effect at the next start. Raises PlacesRefused."""
        before = self._text()
        if _version(before) != version:
            raise PlacesRefused(
                [f"{self._path.name} was changed by somebody else in the meantime: load the page again"], stale=True
            )
        try:
            after = with_places(before, camera, zones, lines)
        except ValueError as error:
            raise PlacesRefused([str(error)]) from error
        self._compare(self._checked(before), self._checked(after), camera, zones, lines)
        try:
            shutil.copy2(self._path, self._path.with_name(self._path.name + BACKUP))
            _replace(self._path, after)
        except OSError as error:
            raise PlacesRefused([f"{self._path} cannot be written: {error.strerror or error}"]) from error
        _log.info("zones and lines of camera %r were changed in %s", camera, self._path)
        return False

    def _text(self) -> str:
        try:
            return self._path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise PlacesRefused([f"{self._path} cannot be read: {error}"]) from error

    def _checked(self, text: str) -> Config:
        try:
            return parse_config(text, self._path.name)
        except ConfigError as error:
            raise PlacesRefused(error.problems) from error

    def _compare(
        self, before: Config, after: Config, camera: str, zones: Mapping[str, Points], lines: Mapping[str, Points]
    ) -> None:
        """Aliases, merges and odd layouts: where the text does not say what was meant, nothing is written."""
        wanted = {"zones": _rounded(zones), "lines": _rounded(lines)}
        meant = before.cameras[camera].model_copy(update=wanted)
        same = before.model_copy(update={"cameras": {**before.cameras, camera: meant}})
        if after.model_dump(mode="json") != same.model_dump(mode="json"):
            raise PlacesRefused([f"{self._path.name} is written in a way that only a person can change: edit it there"])


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
        places=ConfiguredPlaces(file) if file.is_file() else None,
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


def _rounded(shapes: Mapping[str, Points]) -> dict[str, list[tuple[float, float]]]:
    return {name: [(round(x, 4), round(y, 4)) for x, y in points] for name, points in shapes.items()}


def _version(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _replace(path: Path, text: str) -> None:
    """The whole file or none of it, with the rights that it had."""
    mode = path.stat().st_mode & 0o777
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, mode)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
