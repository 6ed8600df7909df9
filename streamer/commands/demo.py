"""`streamer demo`: a drawn street, three cameras, alerts as they come."""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import signal
import threading
import time
from pathlib import Path
from types import FrameType

from streamer.caches import cache_folder
from streamer.demo.performance import Report, perform
from streamer.demo.show import Screen, audience
from streamer.zoo import bundled_model, find_model

_DESCRIPTION = """\
Draws a lively street, serves it as three RTSP cameras, runs the real service on them with a private Redis, and shows
the alerts as they come. Nothing has to be installed or configured before, and nothing stays behind but the drawn clips.
The first run draws them for some seconds; Ctrl-C ends the demo.
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Put this command beside the others."""
    parser = commands.add_parser("demo", help="see it work: a drawn street, three cameras", description=_DESCRIPTION)
    parser.add_argument("--for", dest="for_s", type=_duration, metavar="TIME", help="end by itself after 45s, 2m …")
    parser.add_argument("--json", action="store_true", help="last line of output is a JSON object with what was found")
    parser.add_argument("--model", type=Path, help="another detector, by folder or name (default: the bundled one)")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep configuration, logs and snapshots in here")
    parser.add_argument(
        "--cache", type=Path, metavar="DIR", help="where drawn clips are kept (default: the user's cache)"
    )
    parser.set_defaults(handler=_run)


def _run(args: argparse.Namespace) -> int:
    began_s = time.monotonic()
    model = find_model(args.model, kind="detector") if args.model else bundled_model()
    stop = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        if stop.is_set():  # asked twice: leave at once, the children go with us
            raise KeyboardInterrupt
        stop.set()

    told = audience(args.json)
    with contextlib.ExitStack() as undo:
        for number in (signal.SIGINT, signal.SIGTERM):
            undo.callback(signal.signal, number, signal.signal(number, end))
        if isinstance(told, Screen):
            undo.enter_context(told)
        report = perform(
            told,
            stop,
            model=model.resolve(),
            cache=args.cache or cache_folder("demo"),
            for_s=args.for_s,
            keep=args.keep,
            began_s=began_s,
        )
    print(json.dumps(report.as_dict()) if args.json else _summary(report))
    return 0 if report.exit_code == 0 else 1


def _summary(report: Report) -> str:
    alerts = ", ".join(f"{count} {kind}" for kind, count in sorted(report.opened.items())) or "none"
    lines = [f"alerts: {alerts}"]
    if report.first_alert_s is not None:
        lines.append(f"first alert on Redis {report.first_alert_s:.1f} s after the start")
    if report.judgement is not None:
        seen = report.judgement
        lines.append(f"of {seen.true.total()} true events in full view {seen.found.total()} were found")
    return "\n".join(lines)


def _duration(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|m|min|h)?", text.strip())
    if match is None or float(match[1]) == 0:
        raise argparse.ArgumentTypeError(f"a time such as 45s, 2m or 1h is expected, not {text!r}")
    return float(match[1]) * {"s": 1, "m": 60, "min": 60, "h": 3600}[match[2] or "s"]
