"""A configuration file that is brought in whenever it changes, and at once where somebody asks (SIGHUP).

An editor may be half way through a file: one is taken up when it has looked the same twice. What is wrong in it is
told, once, with its lines, and what ran before runs on.
"""

from __future__ import annotations

import logging
import queue
from typing import Literal

from streamer.assembly.configuration_desk import AppliedText, ConfigurationDesk
from streamer.config.history import digest
from streamer.errors import ConfigError, redact
from streamer.workers import Deadline, Worker

_log = logging.getLogger("streamer.assembly")

LOOK_EVERY_S = 1.0
_CLOSE_WITHIN_S = 10.0
_Asked = Literal["look", "stop"]
_Seen = tuple[int, int, int] | None


class ConfigurationWatch:
    """Looks at the desk's file from start() to close(). polling: also where nobody asks."""

    def __init__(self, desk: ConfigurationDesk, *, polling: bool, look_every_s: float = LOOK_EVERY_S) -> None:
        self._desk, self._every_s = desk, look_every_s if polling else None
        # A simple queue: put() may interrupt itself, as it does in a signal's handler.
        self._asked: queue.SimpleQueue[_Asked] = queue.SimpleQueue()
        self._worker = Worker("watch:configuration", self._watch, self._ended)
        self._taken = ""  # the first look compares: the file may have changed since the service read it

    def start(self) -> None:
        """From now on."""
        self._worker.start()

    def look(self) -> None:
        """Bring the file in now, changed or not; from anywhere, also from a signal's handler."""
        self._asked.put("look")

    def close(self) -> None:
        """No longer; a change that is under way comes to its end first."""
        self._asked.put("stop")
        if not self._worker.join(Deadline(_CLOSE_WITHIN_S)):
            _log.warning("a change of the configuration is still under way and was left behind")

    def _ended(self) -> None:
        _log.error("the configuration file is not watched any more: %s", self._worker.error)

    def _watch(self) -> None:
        before: _Seen = None
        told: _Seen = None
        while True:
            try:
                asked: _Asked | None = self._asked.get(timeout=self._every_s)
            except queue.Empty:
                asked = None
            if asked == "stop":
                return
            now = self._signature()
            if asked == "look":
                self._take_up(asked_for=True)
                told = now
            elif now != told and now == before:
                self._take_up(asked_for=False)
                told = now
            before = now

    def _take_up(self, *, asked_for: bool) -> None:
        name = self._desk.path.name
        try:
            text = self._desk.text()
            if digest(text) == self._taken and not asked_for:
                return  # touched, or written by the desk itself
            self._taken = digest(text)
            done = self._desk.apply(text, "the file", "was asked for" if asked_for else "has changed")
        except ConfigError as error:
            problems = "\n  ".join(redact(problem) for problem in error.problems)
            _log.error("%s was not brought in, and what ran before runs on:\n  %s", name, problems)
            return
        self._tell(name, done, asked_for=asked_for)

    def _tell(self, name: str, done: AppliedText, *, asked_for: bool) -> None:
        if done.done and not done.outcomes and asked_for:
            _log.info("%s says what runs already: nothing to do", name)

    def _signature(self) -> _Seen:
        try:
            found = self._desk.path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino
