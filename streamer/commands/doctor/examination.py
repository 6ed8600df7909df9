"""`streamer doctor`: everything that the service needs, looked at in one go."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from streamer.assembly.crew import crewed, processes
from streamer.assembly.model import open_detector
from streamer.commands.doctor.camera import examined_camera
from streamer.commands.doctor.console import examined_console
from streamer.commands.doctor.disk import examined_disk
from streamer.commands.doctor.finding import Finding, checked
from streamer.commands.doctor.machine import examined_clock, examined_limits, examined_machine, gpu
from streamer.commands.doctor.record import examined_capacity
from streamer.commands.doctor.redis_server import examined_redis
from streamer.config import Config, load_config
from streamer.errors import redact

_AT_ONCE = 8
"""Cameras that are tried at the same time: more would compete for this machine, and be told slower than they are."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Put this command beside the others."""
    parser = commands.add_parser(
        "doctor",
        help="look at versions, model, cameras, Redis, disk and clock, and say what to do",
        description="Look at everything that the service needs. With a configuration: its model, cameras, Redis, data "
        "folder, console and capacity file too. Exit code 0: nothing is wrong, 1: something is, 2: the configuration "
        "itself is.",
    )
    parser.add_argument("config", type=Path, nargs="?", help="the YAML file")
    parser.add_argument(
        "--watch", type=seconds_of_watching, default=5.0, metavar="SECONDS", help="how long each camera (default 5)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object: ok, findings with what was measured")
    parser.set_defaults(handler=_doctor)


def _doctor(args: argparse.Namespace) -> int:
    config = load_config(args.config) if args.config else None
    findings = [*_examined(config, args.watch)]
    wrong = [finding for finding in findings if finding.ok is False]
    if args.json:
        print(json.dumps(_as_json(findings), indent=2, ensure_ascii=False))
    else:
        _print(findings, len(wrong))
    return 1 if wrong else 0


def seconds_of_watching(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= 600:
        raise ValueError
    return seconds


def _as_json(findings: Iterable[Finding]) -> dict[str, object]:
    told = [
        {"what": each.what, "ok": each.ok, "said": redact(each.said), "measured": dict(each.measured)}
        for each in findings
    ]
    return {"ok": all(each["ok"] is not False for each in told), "findings": told}


def _print(findings: Iterable[Finding], wrong: int) -> None:
    table = Table(title="streamer doctor", title_justify="left")
    for column in ("", "what", "found"):
        table.add_column(column, overflow="fold")
    for finding in findings:
        mark = {True: "[green]ok", False: "[red]wrong", None: "[dim]note"}[finding.ok]
        table.add_row(mark, finding.what, redact(finding.said).replace("[", "\\["))
    console = Console()
    console.print(table)
    console.print(f"{wrong} of these are wrong" if wrong else "nothing is wrong")


def _examined(config: Config | None, watch_s: float) -> Iterator[Finding]:
    wanted = config.model.provider if config else None
    yield from examined_machine()
    yield gpu(wanted)
    yield examined_clock()
    if config is None:
        return
    workers = processes(config, len(crewed(config)))
    yield Finding("capture", None, f"cameras are read in {workers} worker processes" if workers else "in one process")
    yield from examined_limits(config, workers)
    yield checked("model", partial(_model, config))
    yield from examined_disk(config)
    if config.redis:
        yield from examined_redis(config.redis.url)
    yield from examined_console(config)
    yield from examined_capacity(config)
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="doctor") as pool:
        tried = [pool.submit(examined_camera, name, camera, watch_s) for name, camera in config.cameras.items()]
        for each in tried:
            yield from each.result()


def _model(config: Config) -> str:
    detector = open_detector(config.model)
    return f"{detector.model_name} ({detector.model_hash[:12]}), labels {', '.join(detector.labels[:8])}"
