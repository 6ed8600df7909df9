"""Zones, lines and rules that people draw, kept in the configuration file; they take effect at the next start."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from streamer.config import CameraConfig, Config, parse_config
from streamer.config.places_text import with_places, with_rules
from streamer.errors import ConfigError
from streamer.web.places import CameraPlaces, Drawn, PlacesRefused, Points

_log = logging.getLogger("streamer.assembly")

BACKUP = ".before-console"


class ConfiguredPlaces:
    """web.places.PlacesFile over the YAML file of a service that runs with `running`.

    Whatever is written has been read back and checked as `validate` does, and changes nothing but what was drawn. The
    file as it was before stays beside it.
    """

    def __init__(self, path: Path, running: Config) -> None:
        self._path, self._running = path, running

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
        in_force = _judged(settings) == _judged(self._running.cameras[camera])
        return CameraPlaces(settings.zones, settings.lines, used, _version(text), in_force)

    def write(self, camera: str, drawn: Drawn, version: str) -> None:
        """Put it in its place; it takes effect at the next start. Raises PlacesRefused."""
        before = self._text()
        if _version(before) != version:
            raise PlacesRefused(
                [f"{self._path.name} was changed by somebody else in the meantime: load the page again"], stale=True
            )
        try:
            after = with_rules(with_places(before, camera, drawn.zones, drawn.lines), camera, drawn.rules)
        except ValueError as error:
            raise PlacesRefused([str(error)]) from error
        if not _says(self._checked(before), self._checked(after), camera, drawn):
            raise PlacesRefused([f"{self._path.name} is written in a way that only a person can change: edit it there"])
        try:
            shutil.copy2(self._path, self._path.with_name(self._path.name + BACKUP))
            _replace(self._path, after)
        except OSError as error:
            raise PlacesRefused([f"{self._path} cannot be written: {error.strerror or error}"]) from error
        _log.info("zones and lines of camera %r were changed in %s", camera, self._path)

    def _text(self) -> str:
        try:
            return self._path.read_bytes().decode()  # line ends as they are
        except (OSError, UnicodeDecodeError) as error:
            raise PlacesRefused([f"{self._path} cannot be read: {error}"]) from error

    def _checked(self, text: str) -> Config:
        try:
            return parse_config(text, self._path.name)
        except ConfigError as error:
            raise PlacesRefused(error.problems) from error


def _says(before: Config, after: Config, camera: str, drawn: Drawn) -> bool:
    """Whether a text says what was meant and nothing else: aliases, merges and odd layouts may play tricks."""
    was, now = before.cameras[camera], after.cameras[camera]
    new_rules = now.rules[len(was.rules) :]
    meant = {"zones": _rounded(drawn.zones), "lines": _rounded(drawn.lines), "rules": [*was.rules, *new_rules]}
    same = before.model_copy(update={"cameras": {**before.cameras, camera: was.model_copy(update=meant)}})
    return len(new_rules) == len(drawn.rules) and after.model_dump(mode="json") == same.model_dump(mode="json")


def _judged(camera: CameraConfig) -> dict[str, Any]:
    return camera.model_dump(mode="json", include={"zones", "lines", "rules"})


def _rounded(shapes: Mapping[str, Points]) -> dict[str, list[tuple[float, float]]]:
    return {name: [(round(x, 4), round(y, 4)) for x, y in points] for name, points in shapes.items()}


def _version(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _replace(path: Path, text: str) -> None:
    """The whole file or none of it, with the rights that it had."""
    mode = path.stat().st_mode & 0o777
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, mode)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
