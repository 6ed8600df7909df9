"""One performance of the demo: the servers start, the real service watches, what it finds is told and then judged."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import redis

from streamer import broker
from streamer.client import subscribe
from streamer.demo.clips import Clip, prepare_clips
from streamer.demo.script import Ground
from streamer.demo.servers import Child, free_port, require_programs, start_redis, start_rtsp
from streamer.demo.verdict import Judgement, judge
from streamer.demo.watch import Addresses, Post, posts, write_configuration
from streamer.types import AlertChange
from streamer.wire import Keys

_CAMERAS_EVERY_S = 1.0
_FRAMES_KEEP = 20_000


class Audience(Protocol):
    """Who is told what happens, as it happens; always from the thread that called perform()."""

    def preparing(self, done: int, total: int) -> None:
        """Frames of the clips that are drawn."""
        ...

    def begins(self, addresses: Addresses) -> None:
        """The service is starting."""
        ...

    def change(self, change: AlertChange, after_s: float) -> None:
        """An alert change came from Redis, so long after the start."""
        ...

    def cameras(self, reports: Mapping[str, Mapping[str, Any]]) -> None:
        """Camera messages as the service publishes them, once a second."""
        ...

    def ends(self) -> None:
        """The service is being stopped."""
        ...


@dataclass
class Report:
    """What came of it: all numbers are read from Redis."""

    first_alert_s: float | None = None
    opened: Counter[str] = field(default_factory=Counter)
    reports: dict[str, dict[str, Any]] = field(default_factory=dict)
    judgement: Judgement | None = None
    ran_s: float = 0.0
    exit_code: int = 0

    def as_dict(self) -> dict[str, object]:
        """The last line of `streamer demo --json`."""
        frames: Counter[str] = Counter()
        for report in self.reports.values():
            frames.update(outcomes(report))
        return {
            "first_alert_s": None if self.first_alert_s is None else round(self.first_alert_s, 2),
            "alerts": dict(sorted(self.opened.items())),
            "cameras": sum(outcomes(report)["analysed"] > 0 for report in self.reports.values()),
            "frames": dict(sorted(frames.items())),
            "events": None if self.judgement is None else self.judgement.as_dict(),
            "service_exit_code": self.exit_code,
            "ran_s": round(self.ran_s, 1),
        }


def outcomes(report: Mapping[str, Any]) -> Counter[str]:
    """A camera message's frame counts, flat: received, analysed, skipped.rate, dropped.stale …"""
    flat: Counter[str] = Counter()
    for outcome, count in report.get("frames", {}).items():
        if isinstance(count, Mapping):
            flat.update({f"{outcome}.{reason}": number for reason, number in count.items()})
        else:
            flat[outcome] += count
    return flat


def perform(
    audience: Audience,
    stop: threading.Event,
    *,
    model: Path,
    cache: Path,
    for_s: float | None = None,
    keep: Path | None = None,
    began_s: float | None = None,
) -> Report:
    """Run the whole demo until `stop` is set, or for for_s seconds; returns what came of it. Raises DemoError.

    keep: a folder in which configuration, logs and snapshots stay; a temporary one that goes away if None.
    began_s: monotonic time from which everything is counted, now if None.
    """
    began_s = time.monotonic() if began_s is None else began_s
    require_programs()  # better said now than after the drawing
    clips = prepare_clips(cache, audience.preparing, stop.is_set)
    report = Report()
    if clips is None:
        return report
    watched = posts(Ground())
    with _folder(keep) as folder, ExitStack() as children:
        broker_child, redis_port = start_redis(folder)
        children.callback(broker_child.stop)
        rtsp_child, rtsp_port = start_rtsp(_published(clips, folder / "clips"), folder)
        children.callback(rtsp_child.stop)
        http_port = free_port()
        web_port = free_port() if find_spec("fastapi") and find_spec("uvicorn") else None
        addresses = Addresses(
            f"redis://127.0.0.1:{redis_port}/0",
            f"http://127.0.0.1:{http_port}/metrics",
            {camera: f"rtsp://127.0.0.1:{rtsp_port}/{camera}.mp4?play_count=0" for camera in watched},
            folder,
            None if web_port is None else f"http://127.0.0.1:{web_port}",
        )
        config = folder / "demo.yaml"
        write_configuration(config, watched, addresses, http_port, model, folder / "data", _FRAMES_KEEP, web_port)
        command = [sys.executable, "-m", "streamer", "run", str(config)]
        # Libraries leave things in the temporary folder (ONNX Runtime a file .ses): let them leave them in ours.
        service = Child("service (streamer run)", command, folder / "service.log", {"TMPDIR": str(folder)})
        children.callback(service.stop)
        audience.begins(addresses)
        _watch(audience, stop, addresses, (service, rtsp_child, broker_child), report, began_s, for_s, watched, clips)
        report.ran_s = time.monotonic() - began_s
    return report


def _watch(
    audience: Audience,
    stop: threading.Event,
    addresses: Addresses,
    programs: tuple[Child, ...],
    report: Report,
    began_s: float,
    for_s: float | None,
    watched: Mapping[str, Post],
    clips: Mapping[str, Clip],
) -> None:
    keys, opened = Keys(), []
    store = broker.connect(addresses.redis)
    alerts = subscribe(addresses.redis, None, start="all", patience_s=10.0)

    def take() -> bool:
        received = alerts.receive()
        if received is None:
            return False
        change, after_s = received.change, time.monotonic() - began_s
        if change.type == "opened":
            report.opened[change.kind] += 1
            opened.append(change)
            if report.first_alert_s is None:
                report.first_alert_s = after_s
        audience.change(change, after_s)
        return True

    cameras_due_s = 0.0
    while not stop.is_set() and (for_s is None or time.monotonic() - began_s < for_s):
        for program in programs:
            program.require_alive()
        take()
        if time.monotonic() >= cameras_due_s:
            cameras_due_s = time.monotonic() + _CAMERAS_EVERY_S
            report.reports = _camera_reports(store, keys) or report.reports
            audience.cameras(report.reports)
    audience.ends()
    # The service goes first, with Redis still there to take what it closes on its way out.
    report.exit_code = programs[0].stop()
    while take():
        pass
    alerts.close()
    report.reports = _camera_reports(store, keys) or report.reports
    audience.cameras(report.reports)
    report.judgement = judge(watched, clips, {camera: _frames(store, keys, camera) for camera in watched}, opened)
    store.close()


def _camera_reports(store: redis.Redis, keys: Keys) -> dict[str, dict[str, Any]]:
    stored: Any = store.hgetall(keys.cameras)
    return {camera.decode(): json.loads(text) for camera, text in sorted(stored.items())}


def _frames(store: redis.Redis, keys: Keys, camera: str) -> Iterator[Mapping[str, Any]]:
    entries: Any = store.xrange(keys.detections(camera))
    for _, fields in entries:
        yield json.loads(fields[b"data"])


def _published(clips: Mapping[str, Clip], folder: Path) -> Path:
    folder.mkdir()
    for camera, clip in clips.items():
        shutil.copyfile(clip.video, folder / f"{camera}.mp4")
    return folder


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield Path(tempfile.mkdtemp(prefix="demo-", dir=keep)).resolve()
        return
    with tempfile.TemporaryDirectory(prefix="streamer-demo-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)
