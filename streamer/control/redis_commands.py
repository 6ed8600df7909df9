"""Listens on the stream of commands in Redis, and does what is asked."""

from __future__ import annotations

import logging
import random
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import redis

from streamer import broker
from streamer.clock import Clock
from streamer.control.command import OnOrder, Unfit, not_told, read_command
from streamer.control.desk import WakeDesk
from streamer.wire import Keys
from streamer.workers import Deadline, Worker

_log = logging.getLogger("streamer.control")

_BLOCK_MS = 500  # a read cannot be woken: so long an end may have to wait
_AT_ONCE = 100
_CLOSE_WITHIN_S = 2.0
_FIRST_WAIT_S = 0.1
_LONGEST_WAIT_S = 2.0


@dataclass(frozen=True, slots=True)
class CommandStats:
    """One reading of the books: commands done, those that were not by reason, what is wrong with the broker.

    listening: what is asked from now on will be heard.
    """

    listening: bool
    done: int
    unfit: Mapping[str, int] = field(default_factory=dict)
    trouble: str | None = None


class CommandListener:
    """Reads commands from now on, from a thread of its own, through any outage of the broker.

    Nothing that stands in the stream can end it: what cannot be done is counted, and logged once per kind. Commands
    that came while the broker could not be reached are done late or not at all, as their age says.
    """

    def __init__(
        self, url: str, desk: WakeDesk, clock: Clock, keys: Keys | None = None, on_order: OnOrder = not_told
    ) -> None:
        self._url, self._desk, self._clock, self._on_order = url, desk, clock, on_order
        self._stream = (keys or broker.keys_for(url)).commands
        self._client = broker.connect(url)
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._done = 0
        self._unfit: Counter[str] = Counter()
        self._trouble: str | None = None
        self._seen_id: str | None = None  # the last entry that was read; None before the broker first answered
        self._wait_s, self._rng = _FIRST_WAIT_S, random.Random()
        self._worker: Worker | None = None

    def start(self, on_failure: Callable[[], None]) -> None:
        """Begin; once. on_failure: the thread died of a bug; `workers` holds the error."""
        self._worker = Worker("listen:commands", self._run, on_failure)
        self._worker.start()

    def close(self, within_s: float = _CLOSE_WITHIN_S) -> None:
        """End; the broker may hold the thread longer than we wait."""
        self._stopping.set()
        if self._worker is not None and not self._worker.join(Deadline(within_s)):
            _log.warning("the broker held %s until the end", self._worker.name)

    @property
    def workers(self) -> tuple[Worker, ...]:
        """Its thread, for those who report a dead one."""
        return () if self._worker is None else (self._worker,)

    def stats(self) -> CommandStats:
        """A reading."""
        with self._lock:
            listening = self._seen_id is not None and self._trouble is None
            return CommandStats(listening, self._done, dict(self._unfit), self._trouble)

    # --- on the listener's thread -------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                try:
                    if self._seen_id is None or self._trouble:
                        self._find_place()
                    entries = self._read()
                except (redis.RedisError, OSError) as error:
                    self._be_patient(error)
                    continue
                for entry_id, fields in entries:
                    self._seen_id = _text(entry_id)
                    self._obey(self._seen_id, {_text(key): _text(value) for key, value in fields.items()})
        finally:
            self._client.close()

    def _find_place(self) -> None:
        """From now on at the start; after an outage from where we were, or from the start of a stream made anew."""
        newest = self._newest_id()
        if self._seen_id is None or _order(newest) < _order(self._seen_id):
            self._seen_id = newest if self._seen_id is None else "0-0"
        if self._trouble:
            _log.info("commands are heard again")
        self._wait_s = _FIRST_WAIT_S
        with self._lock:
            self._trouble = None

    def _newest_id(self) -> str:
        if not self._client.exists(self._stream):
            return "0-0"
        about: Any = self._client.xinfo_stream(self._stream)
        return _text(about["last-generated-id"])

    def _read(self) -> list[tuple[bytes, Mapping[bytes, bytes]]]:
        answer: Any = self._client.xread({self._stream: self._seen_id or "0-0"}, count=_AT_ONCE, block=_BLOCK_MS)
        return [(entry_id, fields or {}) for _, entries in answer or () for entry_id, fields in entries]

    def _obey(self, entry_id: str, fields: Mapping[str, str]) -> None:
        try:
            command = read_command(fields, entry_id, self._clock.now())
            woken = self._desk.wake(command.camera, command.for_s)
        except Unfit as error:
            self._refuse(entry_id, error.kind, str(error))
        except LookupError as error:
            self._refuse(entry_id, "no_camera", str(error))
        except ValueError as error:
            self._refuse(entry_id, "duration", str(error))
        else:
            with self._lock:
                self._done += 1
            self._on_order("redis", f"{', '.join(woken)} for {command.for_s:g} s", woken)
            _log.debug("woken for %g s: %s", command.for_s, ", ".join(woken))

    def _refuse(self, entry_id: str, kind: str, why: str) -> None:
        with self._lock:
            self._unfit[kind] += 1
            first = self._unfit[kind] == 1
        if first:
            _log.warning("command %s is not followed: %s (others of this kind are only counted)", entry_id, why)

    def _be_patient(self, error: redis.RedisError | OSError) -> None:
        sentence = str(broker.translate(error, self._url))
        if self._trouble is None:
            _log.warning("no commands are heard for now: %s", sentence)
        with self._lock:
            self._trouble = sentence
        self._stopping.wait(self._wait_s * self._rng.uniform(0.5, 1.0))
        self._wait_s = min(_LONGEST_WAIT_S, 2 * self._wait_s)


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _order(entry_id: str) -> tuple[int, int]:
    milliseconds, _, n = entry_id.partition("-")
    return int(milliseconds), int(n)
