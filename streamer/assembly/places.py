"""Zones, lines and rules that people draw: brought in at the desk of the configuration, and in force at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from streamer.assembly.configuration_desk import ConfigurationDesk, Stale
from streamer.config import CameraConfig, Config
from streamer.config.history import digest
from streamer.config.places_text import with_places, with_rules
from streamer.errors import ConfigError, redact
from streamer.web.places import CameraPlaces, Drawn, PlacesRefused, Points


class ConfiguredPlaces:
    """web.places.PlacesFile over the desk's YAML file.

    Whatever is written has been read back and checked as `validate` does, and changes nothing but what was drawn.
    """

    def __init__(self, desk: ConfigurationDesk) -> None:
        self._desk = desk

    def read(self, camera: str) -> CameraPlaces:
        """As they stand in the file now. Raises PlacesRefused."""
        text = self._text()
        settings = self._checked(text).cameras.get(camera)
        if settings is None:
            raise PlacesRefused([f"camera '{camera}' is no longer in {self._desk.path.name}"])
        used: dict[str, list[str]] = {}
        for rule in settings.rules:
            if place := getattr(rule, "zone", None) or getattr(rule, "line", None):
                used.setdefault(place, []).append(rule.name)
        running = self._desk.in_force().cameras.get(camera)
        in_force = running is not None and _judged(settings) == _judged(running)
        return CameraPlaces(settings.zones, settings.lines, used, digest(text), in_force)

    def write(self, camera: str, drawn: Drawn, version: str, who: str) -> None:
        """Bring it in, and put it in its place. Raises PlacesRefused."""
        before = self._text()
        if digest(before) != version:
            raise _stale(self._desk.path.name)
        try:
            after = with_rules(with_places(before, camera, drawn.zones, drawn.lines), camera, drawn.rules)
        except ValueError as error:
            raise PlacesRefused([str(error)]) from error
        if not _says(self._checked(before), self._checked(after), camera, drawn):
            name = self._desk.path.name
            raise PlacesRefused([f"{name} is written in a way that only a person can change: edit it there"])
        try:
            done = self._desk.apply(after, who, f"zones and lines of {camera}", version=version)
        except Stale as error:
            raise _stale(self._desk.path.name) from error
        except ConfigError as error:
            raise PlacesRefused([redact(problem) for problem in error.problems]) from error
        if not done.done:
            raise PlacesRefused([redact(each.problem) for each in done.outcomes if each.problem])

    def _text(self) -> str:
        try:
            return self._desk.text()
        except ConfigError as error:
            raise PlacesRefused(error.problems) from error

    def _checked(self, text: str) -> Config:
        try:
            return self._desk.checked(text)
        except ConfigError as error:
            raise PlacesRefused([redact(problem) for problem in error.problems]) from error


def _stale(name: str) -> PlacesRefused:
    return PlacesRefused([f"{name} was changed by somebody else in the meantime: load the page again"], stale=True)


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
