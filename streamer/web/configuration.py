"""The configuration as the console reads and changes it: texts without secrets, a step and a result per camera."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Standing:
    """The file now. version: names its text; in_force: the cameras run by just this. restart: the keys outside of
    `cameras` that wait for a restart. problems: why it could not be brought in, or shown; then text may be None.
    """

    file: str
    text: str | None
    version: str
    in_force: bool
    restart: Sequence[str] = ()
    problems: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One camera that would change. what: added, removed or changed; keys: of its settings, where it would change."""

    camera: str
    what: str
    keys: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Steps:
    """What a text would change; restart: keys outside of `cameras` that only a restart brings in."""

    cameras: Sequence[Step]
    restart: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one camera; problem: why it is as it was."""

    camera: str
    what: str
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Applied:
    """done: the text is in force and in the file; else all is as it was. number: of its entry in the history."""

    done: bool
    cameras: Sequence[Result]
    restart: Sequence[str] = ()
    number: int | None = None


@dataclass(frozen=True, slots=True)
class PastConfiguration:
    """An entry of the history; at: epoch seconds."""

    number: int
    at: float
    who: str
    why: str
    sha256: str


@dataclass(frozen=True, slots=True)
class CameraSettings:
    """A camera as the file has it, references not filled in, without secrets; version: of the whole file."""

    camera: str
    settings: Mapping[str, Any]
    version: str


@dataclass(frozen=True, slots=True)
class Trial:
    """What a camera that was opened for a moment showed. said: in a sentence; jpeg: its picture, where there is one
    that may be shown; ok: pictures came.
    """

    ok: bool
    said: str
    jpeg: bytes | None = None


class ConfigurationRefused(ValueError):
    """What was asked for cannot be; `problems` holds one sentence each. stale: others changed the file meanwhile;
    missing: there is no such camera or entry.
    """

    def __init__(self, problems: Sequence[str], *, stale: bool = False, missing: bool = False) -> None:
        super().__init__("\n".join(problems))
        self.problems, self.stale, self.missing = tuple(problems), stale, missing


class ConfigurationFile(Protocol):
    """Where the configuration is kept, and who brings it in. All raise ConfigurationRefused; all may block for seconds.

    version: of the file that somebody saw when they began to edit; another one is refused as stale. None: whatever is.
    """

    def read(self) -> Standing:
        """The file now."""
        ...

    def plan(self, text: str) -> Steps:
        """What a text would change; nothing is touched."""
        ...

    def apply(self, text: str, who: str, version: str | None) -> Applied:
        """Bring it in, and write it into the file."""
        ...

    def history(self) -> Sequence[PastConfiguration]:
        """What was in force before, the newest first."""
        ...

    def past(self, number: int) -> str:
        """The text of an entry."""
        ...

    def rollback(self, number: int, who: str, version: str | None) -> Applied:
        """Bring in an old text again."""
        ...

    def camera(self, camera: str) -> CameraSettings:
        """One camera's settings."""
        ...

    def add_camera(self, camera: str, settings: Mapping[str, Any], who: str, version: str | None) -> Applied:
        """A new camera."""
        ...

    def change_camera(self, camera: str, settings: Mapping[str, Any], who: str, version: str | None) -> Applied:
        """These are its settings from now on."""
        ...

    def remove_camera(self, camera: str, who: str, version: str | None) -> Applied:
        """It is watched no longer."""
        ...

    def plan_camera(self, camera: str, settings: Mapping[str, Any] | None) -> Steps:
        """What add, change or (None) remove would change."""
        ...

    def plan_back(self, number: int) -> Steps:
        """What a rollback would change."""
        ...

    def attempt(self, camera: str | None, settings: Mapping[str, Any]) -> Trial:
        """Open a camera with these settings for some seconds, beside all that runs. camera: whose they are, if any."""
        ...
