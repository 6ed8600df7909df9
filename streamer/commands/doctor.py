"""`streamer doctor`: what is here, what works, and what to do about what does not."""

from __future__ import annotations

import argparse
import importlib.metadata
import platform
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import redis
from rich.console import Console
from rich.table import Table

from streamer.assembly.camera import build_source
from streamer.assembly.crew import crewed, processes
from streamer.assembly.model import open_detector
from streamer.broker import connect, translate
from streamer.clock import SystemClock
from streamer.config import CameraConfig, Config, load_config
from streamer.errors import StreamerError, redact
from streamer.fit import InputFit
from streamer.surroundings import Surroundings

_PACKAGES = ("av", "numpy", "opencv-python-headless", "onnxruntime", "onnxruntime-gpu", "redis", "prometheus-client")
_LEAST_FREE_GB = 1.0
_MOST_SKEW_S = 2.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `ok` None: worth knowing, neither good nor bad."""

    what: str
    ok: bool | None
    said: str


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Put this command beside the others."""
    parser = commands.add_parser(
        "doctor",
        help="look at versions, model, cameras, Redis, disk and clock, and say what to do",
        description="Look at everything that the service needs. With a configuration: its model, cameras, Redis and "
        "data folder too. Exit code 1 where something is wrong.",
    )
    parser.add_argument("config", type=Path, nargs="?", help="the YAML file")
    parser.set_defaults(handler=_doctor)


def _doctor(args: argparse.Namespace) -> int:
    config = load_config(args.config) if args.config else None
    table, wrong = Table(title="streamer doctor", title_justify="left"), 0
    for column in ("", "what", "found"):
        table.add_column(column, overflow="fold")
    for finding in _look(config):
        mark = {True: "[green]ok", False: "[red]wrong", None: "[dim]note"}[finding.ok]
        table.add_row(mark, finding.what, redact(finding.said))
        wrong += finding.ok is False
    Console().print(table)
    return 1 if wrong else 0


def _look(config: Config | None) -> Iterator[Finding]:
    yield Finding("python", None, f"{platform.python_version()} on {platform.platform()}")
    yield Finding("packages", None, ", ".join(_versions()))
    yield from _providers()
    if config is None:
        return
    yield _checked("model", lambda: _model(config))
    yield _disk(config.data_dir)
    workers = processes(config, len(crewed(config)))
    yield Finding("capture", None, f"cameras are read in {workers} worker processes" if workers else "in one process")
    if config.redis:
        url = config.redis.url
        yield _checked("redis", lambda: _redis(url))
    for name, camera in config.cameras.items():
        yield _camera(name, camera)


def _checked(what: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(what, True, look())
    except StreamerError as error:
        return Finding(what, False, str(error))


def _versions() -> Iterator[str]:
    for package in _PACKAGES:
        try:
            yield f"{package} {importlib.metadata.version(package)}"
        except importlib.metadata.PackageNotFoundError:
            continue


def _providers() -> Iterator[Finding]:
    try:
        import onnxruntime
    except ImportError:
        yield Finding("onnxruntime", False, "is not installed; pip install 'streamer[cpu]' (or 'streamer[gpu]')")
        return
    names = {d.metadata["Name"].lower() for d in importlib.metadata.distributions() if d.metadata["Name"]}
    if {"onnxruntime", "onnxruntime-gpu"} <= names:
        said = "onnxruntime and onnxruntime-gpu are both installed: the CPU one wins silently; remove both, install one"
        yield Finding("onnxruntime", False, said)
    yield Finding("providers", None, ", ".join(onnxruntime.get_available_providers()))


def _model(config: Config) -> str:
    detector = open_detector(config.model)
    return f"{detector.model_name} ({detector.model_hash[:12]}), labels {', '.join(detector.labels[:8])}"


def _disk(folder: Path) -> Finding:
    there = folder
    while not there.exists():
        there = there.parent
    free_gb = shutil.disk_usage(there).free / 1e9
    said = f"{folder}: {free_gb:.1f} GB free"
    if free_gb < _LEAST_FREE_GB:
        return Finding("disk", False, said + f"; alerts and pictures want at least {_LEAST_FREE_GB:g} GB")
    try:
        probe = there / f".streamer-doctor-{time.monotonic_ns()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        return Finding("disk", False, f"{there} cannot be written: {error.strerror}; change its owner, or data_dir")
    return Finding("disk", True, said)


def _redis(url: str) -> str:
    client = connect(url)
    try:
        seconds, micros = client.time()
        skew_s = time.time() - (seconds + micros / 1e6)
        version = client.info("server")["redis_version"]
    except redis.RedisError as error:
        raise translate(error, url) from error
    finally:
        client.close()
    said = f"{url}: Redis {version}, its clock {skew_s:+.2f} s from ours"
    if abs(skew_s) > _MOST_SKEW_S:
        said += "; set both clocks by NTP, or times in alerts will not match"
    return said


def _camera(name: str, camera: CameraConfig) -> Finding:
    """Open it as the service would, and wait for one picture."""
    clock = SystemClock()
    around = Surroundings.alone(name, clock)
    source = build_source(name, camera, InputFit((320, 320)), around, clock)
    patience_s = camera.connect_timeout_s * 2 + camera.stall_after_s
    timer = threading.Timer(patience_s, source.close)
    timer.start()
    started_s = clock.monotonic()
    try:
        for frame in source.frames():
            took_s = clock.monotonic() - started_s
            width, height = frame.source_wh
            return Finding(
                f"camera {name}",
                True,
                f"{width}×{height} {around.status.state().codec}, first picture in {took_s:.1f} s",
            )
    except StreamerError as error:
        return Finding(f"camera {name}", False, str(error))
    finally:
        timer.cancel()
        source.close()
    return Finding(f"camera {name}", False, around.status.state().trouble or f"no picture within {patience_s:.0f} s")
