"""`streamer replay --record`: what was seen and judged right becomes what is expected from now on."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from streamer.commands.replay_lines import lines_to, whole_file
from streamer.commands.replay_print import console
from streamer.commands.replay_render import draw, judged_wrong, rendering_place
from streamer.commands.replay_watch import equipped, progress, there
from streamer.errors import ConfigError
from streamer.expectations.load import load_expectations
from streamer.expectations.model import TOLERANCE_S
from streamer.expectations.recording import recorded, relative, section
from streamer.expectations.report import alert_json
from streamer.expectations.seen import AlertGatherer
from streamer.expectations.tables import numbered_table
from streamer.render.film import Film


def record(args: argparse.Namespace) -> int:
    """Write or renew the part of one video in a file of expectations."""
    if args.video is None:
        raise ConfigError(["--record: which video? Name one"])
    video, config = there(args.video), args.config
    tolerance_s = args.tolerance if args.tolerance is not None else TOLERANCE_S
    if args.record.exists():
        written = load_expectations(args.record)
        tolerance_s = written.expectations.tolerance_s
        named = written.expectations.config and written.there(written.expectations.config)
        if config and named and os.path.realpath(config) != os.path.realpath(named):
            raise ConfigError([f"--record: {args.record} is about {named}, not {config}; record into another file"])
        config = config or named
    if config is None:
        raise ConfigError(["--record: whose rules? Say --config"])
    rendering = rendering_place(args.render, video)
    watch = equipped(config, args).watch(args.camera)
    gatherer, film = AlertGatherer(), Film()
    with lines_to(args.out) as lines, progress(video.name) as advance:
        watch.replay(video, gatherer, lines, advance, *([film] if rendering else []))
    alerts = gatherer.alerts
    if strangers := [number for number in args.wrong if not 1 <= number <= len(alerts)]:
        said = ", ".join(str(number) for number in strangers)
        raise ConfigError([f"--wrong: there is no alert {said}; this replay has {len(alerts)}, numbered from 1"])

    item = section(relative(video, args.record), watch.name, alerts, args.wrong, tolerance_s)
    text, renewed = recorded(args.record, config, tolerance_s, video, watch.name, item)
    with whole_file(args.record, "--record") as out:
        out.write(text)
    if rendering:
        draw(watch, video, film, rendering, judged_wrong(alerts[number - 1].id for number in args.wrong))
    title = f"{video} ({watch.name})"
    if args.json:
        said_of_all = [{**alert_json(each), "right": n not in args.wrong} for n, each in enumerate(alerts, 1)]
        print(json.dumps({"video": str(video), "camera": watch.name, "alerts": said_of_all}, indent=2))
        return 0
    shown = console()
    shown.print(numbered_table(alerts, title, args.wrong))
    shown.print(_told(args.record, title, len(alerts), len(args.wrong), renewed), markup=False, soft_wrap=True)
    return 0


def _told(path: Path, title: str, alerts: int, wrong: int, renewed: bool) -> str:
    what = f"{path}: {title}: {alerts - wrong} alert{'s' if alerts - wrong != 1 else ''} expected"
    if wrong:
        what += f", {wrong} never again: `replay --expect` fails until no rule tells {'it' if wrong == 1 else 'them'}"
    return f"{what} ({'in the place of what was there' if renewed else 'new'})"
