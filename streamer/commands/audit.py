"""`streamer audit`: who saw and did what, and whether the log of it is whole."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from streamer.audit.entry import Head
from streamer.audit.reading import Asked, newest_first, verify
from streamer.commands.clip import moment
from streamer.config import load_config
from streamer.errors import ConfigError


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Put this command beside the others."""
    parser = commands.add_parser(
        "audit",
        help="who saw and did what; whether that log is whole",
        description="Read the audit log of a data folder: log-ins, live pictures, opened pictures and clips, what "
        "people did about alerts and changed in the configuration. docs/privacy.md says what is in it.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    shown = actions.add_parser(
        "show",
        help="print entries, oldest first",
        description="Print the entries of the audit log, oldest first, as text or as the JSON lines that they are.",
    )
    _place(shown)
    shown.add_argument("--since", metavar="T", help="from when: as for `streamer clip`, 2h or 2026-01-31T18:00")
    shown.add_argument("--who", metavar="NAME", help="what this person or program did")
    shown.add_argument("--camera", metavar="NAME", help="what was about this camera")
    shown.add_argument("--json", action="store_true", help="the lines as they are stored")
    shown.set_defaults(handler=_show)
    checked = actions.add_parser(
        "verify",
        help="whether anything was changed or taken away",
        description="Follow the chain of hashes through the whole log; exit code 1 where it is broken. Prints the "
        "head: keep it elsewhere and give it to --head later, and not even a log that was written anew passes.",
    )
    _place(checked)
    checked.add_argument("--head", metavar="N:HASH", help="a head that an earlier run printed")
    checked.set_defaults(handler=_verify)


def _place(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("place", type=Path, metavar="CONFIG|DATA-DIR", help="the YAML file, or the data folder itself")


def _show(args: argparse.Namespace) -> int:
    since = moment("--since", args.since, datetime.now(UTC)) if args.since else None
    asked = Asked(since=since, who=args.who, camera=args.camera)
    for body in reversed(list(newest_first(_folder(args.place), asked))):
        if args.json:
            print(json.dumps(body))
        else:
            who = f"{body['who']} ({body['role']}, {body['address']})"
            outcome = "" if body["outcome"] == "done" else f" [{body['outcome']}]"
            print(f"{body['time']}  {who}  {body['did']} {body['what']}{outcome}")
    return 0


def _verify(args: argparse.Namespace) -> int:
    verdict = verify(_folder(args.place), _head(args.head))
    for note in verdict.notes:
        print(f"note: {note}", file=sys.stderr)
    for problem in verdict.problems:
        print(problem, file=sys.stderr)
    if verdict.problems:
        print(f"the audit log is not whole: {len(verdict.problems)} problems", file=sys.stderr)
        return 1
    print(f"{verdict.entries} entries, whole; head {verdict.head.n}:{verdict.head.hash}")
    return 0


def _folder(place: Path) -> Path:
    return place if place.is_dir() else load_config(place).data_dir


def _head(text: str | None) -> Head | None:
    if text is None:
        return None
    n, _, sealed = text.partition(":")
    if not n.isdigit() or len(sealed) != 64:
        raise ConfigError([f"--head {text}: expected what `streamer audit verify` printed, such as 17:9f86…"])
    return Head(int(n), sealed)
