"""The desk at which the running configuration is changed, whoever asks: a file that is watched, a person, a program.

Checks come first, then the service, then the file: what the desk writes has been in force, and the file is
written whole or not at all. Where one camera cannot be changed all are put back: what ran before runs on.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from streamer.assembly.certificate import check_web
from streamer.assembly.changing import Changing, Outcome
from streamer.assembly.decoding import check_decoding
from streamer.assembly.footage import check_main_streams
from streamer.clock import Clock
from streamer.config import Config
from streamer.config.history import Entry, History, Prepared, digest
from streamer.config.load import config_of, read_text
from streamer.config.plan import Plan, plan
from streamer.errors import ConfigError

_log = logging.getLogger("streamer.assembly")

FOLDER = "configurations"
"""Of the history, in the data folder."""


class Stale(ConfigError):
    """The file is not the one that somebody saw when they began to edit."""


@dataclass(frozen=True, slots=True)
class AppliedText:
    """done: the text is in force; else everything is as it was, and outcomes say why.

    restart: keys that wait for a restart; entry: in the history, None where nothing was to do.
    """

    done: bool
    outcomes: Sequence[Outcome] = ()
    restart: Sequence[str] = ()
    entry: Entry | None = None


def open_desk(
    origin: str, changing: Changing, config: Config, clock: Clock, overruling: Callable[[Config], Config]
) -> ConfigurationDesk | None:
    """The desk of the file that `origin` names; None where the configuration did not come from a file."""
    path = Path(origin)
    if not path.is_file():
        return None
    return ConfigurationDesk(path, changing, History(config.data_dir / FOLDER), clock, overruling)


class ConfigurationDesk:
    """Of one file and the service that runs by it. May be used from any thread; one change at a time.

    overruling: what the command line says on top of any text.
    """

    def __init__(
        self,
        path: Path,
        changing: Changing,
        history: History,
        clock: Clock,
        overruling: Callable[[Config], Config] = lambda config: config,
    ) -> None:
        self.path, self.history = path, history
        self._changing, self._clock, self._overruling = changing, clock, overruling
        self._lock = threading.Lock()
        self._listeners: list[Callable[[], None]] = []
        self._remember(self.text(), "the service", "was there at the start")

    def text(self) -> str:
        """What stands in the file now. Raises ConfigError."""
        return read_text(self.path)

    def in_force(self) -> Config:
        """What runs now."""
        return self._changing.in_force()

    def checked(self, text: str) -> Config:
        """What a text would mean, in the place of the file's. Raises ConfigError with every problem in it."""
        config = self._overruling(config_of(text, self.path, self.path.name))
        for check in (check_decoding, check_main_streams, check_web):
            check(config, self.path.name)
        return config

    def plan(self, text: str) -> Plan:
        """What a text would change in what runs. Raises ConfigError."""
        return plan(self.in_force(), self.checked(text))

    def apply(self, text: str, who: str, why: str, *, version: str | None = None) -> AppliedText:
        """Bring a text in, and write it into the file, as it is given.

        version: digest of the file's text that is to be replaced; None takes whatever is there.
        Raises ConfigError where it cannot be at all, Stale where the file is another one: then nothing was touched.
        """
        with self._lock:
            before = self._text_or_none()
            if version is not None and version != (digest(before) if before is not None else None):
                raise Stale([f"{self.path.name} was changed by somebody else in the meantime: load it again"])
            wanted = self.checked(text)
            steps = plan(self.in_force(), wanted)
            if not steps.changes and text == before:
                return AppliedText(True, restart=steps.restart)
            return self._bring_in(text, before, wanted, steps, who, why)

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call this whenever a configuration was brought in, by whomever; it must not raise, and not take long."""
        self._listeners.append(listener)

    def rollback(self, number: int, who: str, *, version: str | None = None) -> AppliedText:
        """Bring in an old text. Raises LookupError where it is not kept, and what apply() raises."""
        return self.apply(self.history.text(number), who, f"back to configuration {number}", version=version)

    def _bring_in(self, text: str, before: str | None, wanted: Config, steps: Plan, who: str, why: str) -> AppliedText:
        # On the disk before anything is touched: a disk that is full must not be found out afterwards.
        beside = self._prepared(text) if text != before else None
        was = self.in_force()
        try:  # also where all waits for a restart: the service checks what the next start would take
            outcomes: Sequence[Outcome] = () if steps.is_empty else self._changing.change(wanted).cameras
        except BaseException:
            _throw_away(beside)
            raise
        if any(outcome.problem for outcome in outcomes):
            _throw_away(beside)
            self._put_back(was, outcomes)
            return AppliedText(False, outcomes)
        if beside is not None:
            try:
                if before is not None and digest(before) != self._newest():
                    self._remember(before, "somebody", f"stood in {self.path.name} before {who} changed it")
                beside.put()
            except OSError as error:
                self._put_back(was, ())
                raise ConfigError([f"{self.path} cannot be written: {error.strerror or error}"]) from error
        entry = self._remember(text, who, why)
        _log.info(
            "configuration%s of %s is in force (%s)%s",
            *(f" {entry.number}" if entry else "", who, why),
            "".join(f"; camera '{each.camera}' {each.what}" for each in outcomes),
        )
        for listener in self._listeners:
            listener()
        if steps.restart:
            _log.warning("only a restart brings in %s", ", ".join(steps.restart))
        return AppliedText(True, outcomes, steps.restart, entry)

    def _put_back(self, was: Config, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            if outcome.problem:
                _log.error("camera '%s' could not be %s: %s", outcome.camera, outcome.what, outcome.problem)
        for outcome in self._changing.change(was).cameras:
            if outcome.problem:  # of a camera that ran just now: told, and left to whoever reads it
                _log.error("camera '%s' could not be put back: %s", outcome.camera, outcome.problem)
        _log.error("the configuration was not changed: what ran before runs on")

    def _prepared(self, text: str) -> Prepared:
        try:
            return Prepared(self.path, text)
        except OSError as error:
            raise ConfigError([f"{self.path} cannot be written: {error.strerror or error}"]) from error

    def _text_or_none(self) -> str | None:
        try:
            return self.text()
        except ConfigError:  # gone, or no text: whatever is applied takes its place
            return None

    def _newest(self) -> str | None:
        return next((entry.sha256 for entry in self.history.entries()), None)

    def _remember(self, text: str, who: str, why: str) -> Entry | None:
        """The history is a convenience: that it cannot be written is told and stops nothing."""
        try:
            return self.history.put(text, self._clock.now(), who, why)
        except OSError as error:
            _log.error("the history of configurations cannot be written: %s", error)
            return None


def _throw_away(beside: Prepared | None) -> None:
    if beside is not None:
        beside.discard()
