"""`streamer schema`: the JSON Schemas of what goes over the wire."""

from __future__ import annotations

import argparse
import json

from streamer.wire import SCHEMA_NAMES, json_schema


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Put this command beside the others."""
    parser = commands.add_parser(
        "schema",
        help="print the JSON Schema of a message",
        description="Print the JSON Schema (draft 2020-12) of a message: `alert`, `evidence` and `handling` for the "
        "stream of alerts, `frame` for the streams of detections, `camera` for the hash of cameras, `command` for "
        "what the service can be asked. "
        "Changes to them are additive.",
    )
    parser.add_argument("name", nargs="?", default="alert", choices=SCHEMA_NAMES, help="which message (default: alert)")
    parser.set_defaults(handler=_schema)


def _schema(args: argparse.Namespace) -> int:
    print(json.dumps(json_schema(args.name), indent=2))
    return 0
