"""Who watches a service from outside while it is broken: subscriber, live feed, metrics page, log."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import redis

from streamer import broker
from streamer.chaos.drill.signs import Samples
from streamer.client import subscribe
from streamer.types import AlertChange
from streamer.wire import Keys

_BLOCK_MS = 100
_PAGE_WITHIN_S = 2.0
_PAGE_EVERY_S = 0.3
_SAMPLE = re.compile(r"^(streamer_\w+|process_\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class SeenFrame:
    """One result on the live feed. arrived_s: monotonic; captured_at: epoch, as the service says."""

    arrived_s: float
    captured_at: float


class Onlooker:
    """Sees all alerts through streamer.client, and the newest frame of every camera; while inside its `with` block."""

    def __init__(self, redis_url: str, cameras: Sequence[str], metrics_url: str, log: Path, outbox: Path) -> None:
        self._url, self._cameras, self._metrics_url = redis_url, tuple(cameras), metrics_url
        self._log, self._outbox = log, outbox
        self._lock = threading.Lock()
        self._alerts: list[AlertChange] = []
        self._frames: dict[str, SeenFrame] = {}
        self._counts: Counter[str] = Counter()
        self._seen: set[tuple[str, int]] = set()
        self._page_lock = threading.Lock()
        self._page: Samples = {}
        self._page_s = float("-inf")
        self._over = threading.Event()
        self._subscription = subscribe(redis_url, group="drill", consumer="onlooker", start="all")
        self._threads = [
            threading.Thread(target=work, name=f"onlooker:{name}", daemon=True)
            for name, work in (("alerts", self._take_alerts), ("frames", self._take_frames))
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._subscription.close()
        for thread in self._threads:
            thread.join(10)

    @property
    def alerts(self) -> list[AlertChange]:
        """Every change that the subscriber was given, in that order."""
        with self._lock:
            return list(self._alerts)

    def frame(self, camera: str) -> SeenFrame | None:
        """The newest result of a camera."""
        with self._lock:
            return self._frames.get(camera)

    def frames(self, camera: str) -> int:
        """How many results of it were seen."""
        with self._lock:
            return self._counts[camera]

    def metrics(self, not_before_s: float = float("-inf")) -> Samples:
        """What /metrics says now, or said a moment ago, though not before this (monotonic): many may ask; empty where
        it does not answer."""
        with self._page_lock:
            asked_s = time.monotonic()
            if asked_s - self._page_s > _PAGE_EVERY_S or self._page_s < not_before_s:
                self._page, self._page_s = self._read_page(), asked_s
            return self._page

    def has_seen(self, changes: Iterable[tuple[str, int]]) -> bool:
        """Whether the subscriber was given all of these (id, seq)."""
        with self._lock:
            return self._seen.issuperset(changes)

    def log_size(self) -> int:
        """How long the log is by now."""
        return self._log.stat().st_size if self._log.exists() else 0

    def log_since(self, size: int) -> str:
        """What was written behind that place."""
        with self._log.open("rb") as log:
            log.seek(size)
            return log.read().decode("utf-8", "replace")

    def stored(self) -> list[tuple[str, int]]:
        """(id, seq) of every alert change that the outbox has committed, in order; raises nothing."""
        with contextlib.suppress(sqlite3.Error):
            return list(_rows(self._outbox))
        return []

    def _read_page(self) -> Samples:
        try:
            with urllib.request.urlopen(self._metrics_url, timeout=_PAGE_WITHIN_S) as page:
                text = page.read().decode()
        except (OSError, urllib.error.URLError, ValueError):
            return {}
        return {
            (name, tuple(sorted(_LABEL.findall(labels)))): float(value) for name, labels, value in _SAMPLE.findall(text)
        }

    def _take_alerts(self) -> None:
        with self._subscription as alerts:
            for received in alerts:
                with self._lock:
                    self._alerts.append(received.change)
                    self._seen.add((received.change.id, received.change.seq))

    def _take_frames(self) -> None:
        keys = Keys()
        last: dict[Any, Any] = {keys.detections(camera): "0-0" for camera in self._cameras}
        camera_of = {keys.detections(camera).encode(): camera for camera in self._cameras}
        client = broker.connect(self._url, answer_within_s=2.0)
        while not self._over.is_set():
            try:
                answers: Any = client.xread(last, block=_BLOCK_MS, count=200) or ()
            except (redis.RedisError, OSError):
                self._over.wait(0.05)
                continue
            arrived_s = time.monotonic()
            for key, entries in answers:
                last[key.decode()] = entries[-1][0].decode()
                captured_at = json.loads(entries[-1][1][b"data"])["captured_at"]
                with self._lock:
                    self._frames[camera_of[key]] = SeenFrame(arrived_s, captured_at)
                    self._counts[camera_of[key]] += len(entries)
        client.close()


def _rows(path: Path) -> Iterator[tuple[str, int]]:
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=2.0)) as db:
        for id_, seq in db.execute("SELECT id, seq FROM changes ORDER BY row"):
            yield str(id_), int(seq)
