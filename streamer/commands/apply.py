"""`streamer apply`: bring a configuration into the running service, all of it or nothing."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from streamer.commands.console_api import ConsoleApi, add_service
from streamer.commands.steps_print import print_restart, print_results, print_steps
from streamer.config.load import read_text


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Put this command beside the others."""
    parser = commands.add_parser(
        "apply",
        help="bring a configuration into the running service",
        description="Bring a configuration into the running service: checked as a whole, then camera by camera, then "
        "written into the service's own file. Cameras that do not change lose no frame; where one cannot be changed "
        "all are put back.",
        epilog="exit codes: 0 done, or nothing to do; 1 the service cannot be asked, or a camera could not be changed; "
        "2 the configuration is refused",
    )
    parser.add_argument("config", type=Path, help="the YAML file")
    add_service(parser)
    parser.set_defaults(handler=_apply)


def _apply(args: argparse.Namespace) -> int:
    text, api = read_text(args.config), ConsoleApi.of(args)
    version = api.get("/api/configuration")["version"]  # what is written over is what was planned against
    print_steps(api.send("POST", "/api/configuration/plan", {"text": text}))
    return tell(api.send("PUT", "/api/configuration", {"text": text, "version": version}))


def tell(done: dict[str, Any]) -> int:
    """What became of a change, and the exit code that says so."""
    print_results(done["cameras"])
    if not done["done"]:
        print("not applied: everything is as it was")
        return 1
    if done["number"] is not None:
        print(f"applied; it is number {done['number']} of the history")
        print_restart(done["restart"])
    return 0
