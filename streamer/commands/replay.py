"""`streamer replay`: a recording through the same stages as the service, without threads, the same to the alert id."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

from streamer.commands.replay_diff import diff
from streamer.commands.replay_expect import expect
from streamer.commands.replay_lines import lines_to
from streamer.commands.replay_record import record
from streamer.commands.replay_render import draw, rendering_place
from streamer.commands.replay_watch import Equipment, equipped, progress, there
from streamer.config import Config
from streamer.errors import ConfigError
from streamer.render.film import Film
from streamer.render.panel import Judged

_EPILOG = """\
rules proved on footage (docs/proving-rules.md):
  streamer replay gate.mp4 --config cameras.yaml --render gate-seen.mp4    look at what the rules see
  streamer replay gate.mp4 --config cameras.yaml --record alerts.yaml     it is right: expect it from now on
  streamer replay --expect alerts.yaml --junit alerts.xml                 is it still so? for CI
  streamer replay gate.mp4 --config cameras.yaml --diff other.yaml        what would another configuration tell?

exit codes: 0 done, or as expected; 1 alerts differ, or failed while running; 2 wrong input; 3 model
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Put this command beside the others."""
    parser = commands.add_parser(
        "replay",
        help="run recorded footage through your rules, repeatable to the alert id",
        description="Analyse a recording exactly as the service would, but without threads and without dropping "
        "anything: the same footage, configuration and model always give the same lines. One JSON line per analysed "
        "frame and per alert change.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("video", type=Path, nargs="?", help="a video file; with --expect all that the file names")
    parser.add_argument("--config", type=Path, help="YAML file whose camera's zones and rules are judged")
    parser.add_argument("--camera", help="which camera of the configuration (needed where it has several)")
    parser.add_argument("--model", type=Path, help="model, by folder or name; overrules the configuration")
    rate = "frames a second to analyse, or 'all'; overrules the configuration (default 5)"
    parser.add_argument("--analyse-fps", type=_rate, default=argparse.SUPPRESS, metavar="N|all", help=rate)
    lines = "where the lines go (default: standard output, if nothing below is asked for)"
    parser.add_argument("--out", type=Path, metavar="FILE.jsonl", help=lines)

    proof = parser.add_argument_group("proving rules")
    one = proof.add_mutually_exclusive_group()
    one.add_argument("--expect", type=Path, metavar="FILE.yaml", help="compare the alerts with what is written there")
    one.add_argument("--record", type=Path, metavar="FILE.yaml", help="write the alerts there, to be expected")
    one.add_argument("--diff", type=Path, metavar="OTHER.yaml", help="compare with the alerts of another configuration")
    wrong = "alerts that are not right, by their number; with --record: expect that they never come again"
    proof.add_argument("--wrong", type=_numbers, default=(), metavar="N,N", help=wrong)
    tolerance = "times so near are the same: of --diff (default 0.5), of a file that --record begins (default 1)"
    proof.add_argument("--tolerance", type=_seconds, metavar="SECONDS", help=tolerance)
    drawn = "write the video with boxes, tracks, zones, behaviour and alerts drawn in it; a folder for several"
    proof.add_argument("--render", type=Path, metavar="OUT.mp4", help=drawn)
    proof.add_argument("--junit", type=Path, metavar="OUT.xml", help="with --expect: the result as CI systems read it")
    proof.add_argument("--json", action="store_true", help="the result as JSON instead of a table")
    parser.set_defaults(handler=_replay)


def _replay(args: argparse.Namespace) -> int:
    _refuse_what_does_nothing(args)
    if args.expect:
        return expect(args)
    if args.record:
        return record(args)
    if args.diff:
        return diff(args)
    if args.video is None:
        raise ConfigError(["which video? Name one, or say --expect with a file that names them"])
    video = there(args.video)
    rendering = rendering_place(args.render, video)
    if args.config:
        equipment = equipped(args.config, args)
    else:  # a camera without rules
        bare = Config.model_validate({"cameras": {args.camera or "camera": {"url": str(args.video)}}})
        equipment = Equipment(bare, "the command line", args)
    watch = equipment.watch(args.camera)
    film = Film()
    with lines_to(args.out, None if rendering else sys.stdout) as lines, progress(video.name) as advance:
        watch.replay(video, lines, advance, *([film] if rendering else []))
    if rendering:
        draw(watch, video, film, rendering, Judged())
    return 0


def _refuse_what_does_nothing(args: argparse.Namespace) -> None:
    """An option that is silently ignored is a mistake that nobody sees."""
    for option, given, needs, there_are in (
        ("--wrong", args.wrong, "--record", args.record),
        ("--junit", args.junit, "--expect", args.expect),
        ("--json", args.json, "--expect, --record or --diff", args.expect or args.record or args.diff),
        ("--tolerance", args.tolerance is not None, "--record or --diff", args.record or args.diff),
    ):
        if given and not there_are:
            raise ConfigError([f"{option}: needs {needs}"])


def _rate(text: str) -> float | None:
    if text == "all":
        return None
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0 < rate <= 240:
        raise argparse.ArgumentTypeError(f"should be between 0 and 240 frames a second, or 'all'; got {text}")
    return rate


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(sorted({int(part) for part in text.split(",")}))
    except ValueError:
        raise argparse.ArgumentTypeError(f"should be numbers such as 2 or 2,5; got {text}") from None


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"should be seconds above 0; got {text}")
    return seconds
