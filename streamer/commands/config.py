"""`streamer config`: the schema of the file for editors, and the history of the running service's configuration."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import datetime

from rich.console import Console
from rich.table import Table

from streamer.commands.apply import tell
from streamer.commands.console_api import ConsoleApi, add_service
from streamer.config.editor_schema import editor_schema
from streamer.config.reference import reference


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Put this command beside the others."""
    parser = commands.add_parser(
        "config",
        help="the configuration file's schema; what the service runs by, and ran by",
        description="The JSON Schema of the configuration file for editors; and, of the running service, what it runs "
        "by, what it ran by, and the way back.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    schema = actions.add_parser(
        "schema",
        help="print the JSON Schema of the configuration file",
        description="Print the JSON Schema (draft 2020-12) of the configuration file. Editors with a YAML language "
        "server use it where the file's first line is '# yaml-language-server: $schema=streamer.schema.json'.",
    )
    schema.set_defaults(handler=_schema)
    table = actions.add_parser(
        "reference",
        help="print every key with its limits and default, as Markdown",
        description="Print every key of the configuration file with its limits, its default and a word, as Markdown: "
        "docs/reference.md of this version.",
    )
    table.set_defaults(handler=_reference)
    show = actions.add_parser("show", help="print what stands in the service's file, or stood there; secrets as ***")
    show.add_argument("number", type=int, nargs="?", help="of the history; left out: now")
    add_service(show)
    show.set_defaults(handler=_show)
    history = actions.add_parser("history", help="list what was in force: when, by whom, why")
    history.add_argument("--json", action="store_true", help="one JSON object to a line")
    add_service(history)
    history.set_defaults(handler=_history)
    back = actions.add_parser(
        "rollback",
        help="bring in an old configuration again",
        description="Bring in an old configuration again, as `streamer apply` brings in a new one.",
    )
    back.add_argument("number", type=int, help="of the history")
    add_service(back)
    back.set_defaults(handler=_rollback)


def _schema(args: argparse.Namespace) -> int:  # noqa: ARG001 - a command takes them
    print(json.dumps(editor_schema(), indent=2, ensure_ascii=False))
    return 0


def _reference(args: argparse.Namespace) -> int:  # noqa: ARG001 - a command takes them
    print(reference())
    return 0


def _show(args: argparse.Namespace) -> int:
    api = ConsoleApi.of(args)
    if args.number is not None:
        print(api.get(f"/api/configuration/history/{args.number}")["text"], end="")
        return 0
    standing = api.get("/api/configuration")
    print(standing["text"] or "", end="")
    for problem in standing["problems"]:
        print(f"streamer: {problem}", file=sys.stderr)
    if not standing["in_force"]:
        print(f"streamer: the service does not run by what stands in {standing['file']} now", file=sys.stderr)
    for key in standing["restart"]:
        print(f"streamer: {key} waits for a restart of the service", file=sys.stderr)
    return 0


def _history(args: argparse.Namespace) -> int:
    entries = ConsoleApi.of(args).get("/api/configuration/history")["history"]
    if args.json:
        for entry in entries:
            print(json.dumps(entry))
        return 0
    table = Table()
    for column in ("number", "when", "who", "why"):
        table.add_column(column)
    for entry in entries:
        when = datetime.fromtimestamp(entry["at"]).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")
        table.add_row(str(entry["number"]), when, entry["who"], entry["why"])
    Console().print(table)
    return 0


def _rollback(args: argparse.Namespace) -> int:
    api = ConsoleApi.of(args)
    version = api.get("/api/configuration")["version"]
    return tell(api.send("POST", "/api/configuration/rollback", {"number": args.number, "version": version}))
