"""web.configuration.ConfigurationFile over the desk: no secret comes out, and not everything comes in."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import yaml
from pydantic import ValidationError

from streamer.assembly.configuration_desk import AppliedText, ConfigurationDesk, Stale
from streamer.assembly.source_policy import refused_over_api, refused_references, refused_source
from streamer.assembly.trial import Trials
from streamer.config import CameraConfig, Config
from streamer.config.cameras_text import settings_of, with_camera, without_camera
from streamer.config.history import digest
from streamer.config.plan import Plan, plan
from streamer.config.shown import restored, shown
from streamer.errors import ConfigError, redact
from streamer.web.configuration import (
    Applied,
    CameraSettings,
    ConfigurationRefused,
    PastConfiguration,
    Result,
    Standing,
    Step,
    Steps,
    Trial,
)

Settings = Mapping[str, Any]
_TRIED = "tried"


class ConfigurationOverApi:
    """What people and programs from elsewhere may do at the desk. allowed: web.allow_sources."""

    def __init__(self, desk: ConfigurationDesk, allowed: Collection[str]) -> None:
        self._desk, self._allowed = desk, frozenset(allowed)
        self._trials = Trials()

    def read(self) -> Standing:
        """The file as it may be shown, and whether the service runs by it."""
        with _told():
            text = self._desk.text()
        said, problems = None, list[str]()
        in_force, restart = False, tuple[str, ...]()
        try:
            said = shown(text, self._desk.path.name)
            steps = self._desk.plan(text)
            in_force, restart = not steps.changes, steps.restart
        except ConfigError as error:
            problems += map(redact, error.problems)
        return Standing(self._desk.path.name, said, digest(text), in_force, restart, problems)

    def plan(self, text: str) -> Steps:
        """What a text that was shown, and edited, would change."""
        with _told():
            before = self._desk.text()
            return _steps(self._planned(restored(text, before, self._desk.path.name), before))

    def apply(self, text: str, who: str, version: str | None) -> Applied:
        """Bring it in."""
        return self._edited(lambda before: restored(text, before, self._desk.path.name), who, "changed", version)

    def history(self) -> Sequence[PastConfiguration]:
        """What was in force before, the newest first."""
        return [
            PastConfiguration(each.number, each.at, each.who, each.why, each.sha256)
            for each in self._desk.history.entries()
        ]

    def past(self, number: int) -> str:
        """The text of an entry, as it may be shown."""
        with _told():
            return shown(self._desk.history.text(number))

    def rollback(self, number: int, who: str, version: str | None) -> Applied:
        """Bring in an old text: it was in force at this machine, so nothing in it is refused now."""
        with _told():
            return _applied(self._desk.rollback(number, who, version=version))

    def camera(self, camera: str) -> CameraSettings:
        """One camera's settings, as they may be shown."""
        with _told():
            text = self._desk.text()
            return CameraSettings(camera, settings_of(shown(text), camera), digest(text))

    def add_camera(self, camera: str, settings: Settings, who: str, version: str | None) -> Applied:
        """A new camera behind the others."""
        return self._edited(lambda text: self._with(text, camera, settings, new=True), who, f"added {camera}", version)

    def change_camera(self, camera: str, settings: Settings, who: str, version: str | None) -> Applied:
        """Other settings; what came back as it was shown stays."""
        return self._edited(
            lambda text: self._with(text, camera, settings, new=False), who, f"changed {camera}", version
        )

    def remove_camera(self, camera: str, who: str, version: str | None) -> Applied:
        """Take it out."""
        return self._edited(lambda text: without_camera(text, camera), who, f"removed {camera}", version)

    def plan_camera(self, camera: str, settings: Settings | None) -> Steps:
        """What that would change."""
        with _told():
            text = self._desk.text()
            after = (
                without_camera(text, camera)
                if settings is None
                else self._with(text, camera, settings, new=not _is_there(text, camera))
            )
            return _steps(self._planned(after, text))

    def plan_back(self, number: int) -> Steps:
        """What going back to an old text would change."""
        with _told():
            return _steps(self._desk.plan(self._desk.history.text(number)))

    def attempt(self, camera: str | None, settings: Settings) -> Trial:
        """Open it for some seconds."""
        with _told():
            text = self._desk.text()
            name = camera or _TRIED
            tried = {key: value for key, value in settings.items() if key not in ("rules", "trouble", "detect")}
            after = self._with(text, name, tried, new=not _is_there(text, name))
            self._refuse(refused_references(text, after, self._allowed))
            wanted = self._desk.checked(after).cameras[name]
            running = self._desk.in_force()
            self._refuse(refused_source(wanted, running, self._allowed))
            return self._trials.of(name, _as_private(wanted, running))

    def _with(self, text: str, camera: str, settings: Settings, *, new: bool) -> str:
        """The text with a camera's settings as they came back, with what was hidden in them."""
        if new == _is_there(text, camera):
            if new:
                raise ConfigError([f"there is a camera '{camera}' already"])
            raise LookupError(f"there is no camera '{camera[:80]}' in the file")
        return restored(with_camera(shown(text), camera, settings), text, self._desk.path.name)

    def _edited(self, edit: Callable[[str], str], who: str, why: str, version: str | None) -> Applied:
        with _told():
            before = self._desk.text()
            after = edit(before)
            self._planned(after, before)
            # Somebody who does not say what they saw changes what is there now, and nothing that comes between.
            return _applied(self._desk.apply(after, who, why, version=version or digest(before)))

    def _planned(self, after: str, before: str) -> Plan:
        self._refuse(refused_references(before, after, self._allowed))  # before any is read
        wanted = self._desk.checked(after)
        running = self._desk.in_force()
        self._refuse(refused_over_api(self._known(before, running), wanted, self._allowed))
        return plan(running, wanted)

    def _known(self, text: str, running: Config) -> Config:
        """What was allowed already: the file as a person wrote it, or where it is broken, what runs."""
        try:
            return self._desk.checked(text)
        except ConfigError:
            return running

    @staticmethod
    def _refuse(problems: Sequence[str]) -> None:
        if problems:
            raise ConfigError(problems)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Every way to fail as the console's own."""
    try:
        yield
    except Stale as error:
        raise ConfigurationRefused(error.problems, stale=True) from error
    except ConfigError as error:
        raise ConfigurationRefused([redact(problem) for problem in error.problems]) from error
    except LookupError as error:
        raise ConfigurationRefused([str(error)], missing=True) from error
    except (ValidationError, yaml.YAMLError) as error:
        raise ConfigurationRefused(["this is no configuration"]) from error
    except ValueError as error:
        raise ConfigurationRefused([redact(str(error))]) from error


def _is_there(text: str, camera: str) -> bool:
    try:
        settings_of(text, camera)
    except LookupError:
        return False
    return True


def _as_private(camera: CameraConfig, running: Config) -> CameraConfig:
    """What is hidden of a camera that runs is hidden of whatever is tried at its address."""
    same = (each for each in running.cameras.values() if each.url == camera.url and each.privacy.hides)
    hiding = next(same, None)
    return camera if hiding is None else camera.model_copy(update={"privacy": hiding.privacy})


def _steps(found: Plan) -> Steps:
    return Steps([Step(each.camera, each.what, each.keys) for each in found.changes], found.restart)


def _applied(done: AppliedText) -> Applied:
    results = [Result(each.camera, each.what, redact(each.problem) if each.problem else None) for each in done.outcomes]
    return Applied(done.done, results, done.restart, done.entry.number if done.entry else None)
