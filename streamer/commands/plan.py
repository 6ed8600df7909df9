"""`streamer plan`: what a configuration would change, camera by camera; nothing is touched."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from streamer.commands.console_api import ConsoleApi, add_service
from streamer.commands.steps_print import print_steps
from streamer.config import load_config
from streamer.config.load import read_text
from streamer.config.plan import plan

SOMETHING_TO_DO = 4


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Put this command beside the others."""
    parser = commands.add_parser(
        "plan",
        help="show what a configuration would change in the running service",
        description="Show what a configuration would change, camera by camera (+ added, ~ changed, - removed, ! needs "
        "a restart), in the running service or against another file. Nothing is touched. The running service fills in "
        "references such as ${NAME} from its own environment, and takes relative paths from its own file's folder.",
        epilog="exit codes: 0 done (with --detailed-exitcode: nothing to do), 1 the service cannot be asked, 2 the "
        f"configuration is refused, {SOMETHING_TO_DO} there is something to do (only with --detailed-exitcode)",
    )
    parser.add_argument("config", type=Path, help="the YAML file")
    parser.add_argument("--against", type=Path, metavar="OLD", help="another file, in the place of a running service")
    parser.add_argument(
        "--detailed-exitcode", action="store_true", help=f"exit {SOMETHING_TO_DO} where it changes anything"
    )
    add_service(parser)
    parser.set_defaults(handler=_plan)


def _plan(args: argparse.Namespace) -> int:
    if args.against:
        found = plan(load_config(args.against), load_config(args.config))
        steps = {"cameras": [asdict(each) for each in found.changes], "restart": found.restart}
    else:
        steps = ConsoleApi.of(args).send("POST", "/api/configuration/plan", {"text": read_text(args.config)})
    changes = print_steps(steps)
    return SOMETHING_TO_DO if changes and args.detailed_exitcode else 0
