"""`streamer chaos drill`: every fault of the matrix against a scratch copy of a service."""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from streamer.caches import cache_folder
from streamer.chaos.camera.coded_clip import read_clip
from streamer.chaos.clips import drawn_clips
from streamer.chaos.drill.faults import MATRIX, Fault
from streamer.chaos.drill.programme import camps, left_out, stay
from streamer.chaos.drill.report import figures, table
from streamer.chaos.drill.scratch import scratch_of
from streamer.chaos.errors import ChaosError
from streamer.config import load_config


def add_action(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Put this action beside the others."""
    parser = actions.add_parser(
        "drill",
        help="do every fault of the matrix to a scratch copy of your service, and report",
        description="Runs your configuration (rules, zones, model, limits) with cameras, Redis and data folder of its "
        "own: your cameras, receivers and data are not touched. Each fault is brought about, what must answer it is "
        "waited for, the cause is taken away, and the time until everything works again is measured. Alerts are "
        "counted by id and number. Ends with 1 where a fault was not survived.",
    )
    parser.add_argument("config", type=Path, metavar="CONFIG", help="the YAML file")
    parser.add_argument(
        "--only", action="append", metavar="WORDS", help="faults whose name has these words; repeatable"
    )
    parser.add_argument("--long", action="store_true", help="the slow ones too: some minutes more")
    parser.add_argument("--video", type=Path, action="append", help="what the cameras play (default: a drawn street)")
    parser.add_argument("--list", action="store_true", help="list the faults, and do nothing")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was found as JSON")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write the table as Markdown")
    parser.set_defaults(handler=_drill)


def _drill(args: argparse.Namespace) -> int:
    config = load_config(args.config)
    faults = _chosen(args.only, args.long)
    if args.list:
        for fault in faults:
            print(f"{fault.name:30} {fault.cause}")
        return 0
    clips = [read_clip(video) for video in args.video] if args.video else drawn_clips(cache_folder("chaos"))
    cameras, settings = scratch_of(config)
    skipped = left_out(faults)
    for name, why in skipped.items():
        print(f"left out  {name}: {why}", flush=True)
    stays = []
    with tempfile.TemporaryDirectory(prefix="streamer-drill-", ignore_cleanup_errors=True) as folder:
        for number, camp in enumerate(camps(faults, cameras, settings)):
            stays.append(stay(camp, Path(folder) / str(number), clips, lambda line: print(line, flush=True)))
    outcomes = [outcome for each in stays for outcome in each.outcomes]
    found = figures(outcomes, stays)
    if args.report:
        args.report.write_text(table(outcomes) + "\n", encoding="utf-8")
    if args.json:
        args.json.write_text(json.dumps({**found, "left_out": skipped}, indent=2) + "\n", encoding="utf-8")
    problems = [problem for each in stays for problem in each.problems]
    for problem in problems:
        print(f"FAILED    {problem}")
    print(
        f"{found['survived']} of {found['faults']} faults survived, {found['in_time']} of them in time; "
        f"{found['alerts']} alert changes: {found['lost']} lost, {found['doubled']} doubled"
    )
    return 0 if found["survived"] == found["faults"] and not problems else 1


def _chosen(only: list[str] | None, long: bool) -> list[Fault]:
    chosen = [fault for fault in MATRIX if (long or fault.quick or only) and _is_meant(fault, only)]
    if not chosen:
        raise ChaosError(f"no fault is called {' or '.join(only or ())}; --list shows their names")
    return chosen


def _is_meant(fault: Fault, only: list[str] | None) -> bool:
    return only is None or any(words.lower() in fault.name.lower() for words in only)
