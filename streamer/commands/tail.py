"""`streamer tail`: watch alerts as they come, or look back, without disturbing any subscriber."""

from __future__ import annotations

import argparse
import os
import re
import sys
from datetime import UTC, datetime, timedelta

from rich.console import Console
from rich.markup import escape

from streamer.broker import keys_for
from streamer.client import Gap, Received, Start, subscribe
from streamer.errors import ConfigError
from streamer.types import AlertChange
from streamer.wire import replay_alert_line

_PATIENCE_S = 60.0
_AGO = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
_UNIT_S = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_COLOURS = {"info": "cyan", "warning": "yellow", "critical": "bold red"}
_SIGNS = {"opened": "●", "updated": "◐", "closed": "○", "evidence": "▣"}


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Put this command beside the others."""
    parser = commands.add_parser(
        "tail",
        help="watch alerts as they come",
        description="Print alert changes from Redis as they come, or from an earlier place on. Only looks on: nothing "
        "is acknowledged and no subscriber notices. Ends with Ctrl-C, or after --count changes.",
    )
    parser.add_argument(
        "--redis",
        metavar="URL",
        default=os.environ.get("STREAMER_REDIS", "redis://127.0.0.1:6379/0"),
        help="where the alerts are (default: $STREAMER_REDIS, else redis://127.0.0.1:6379/0)",
    )
    parser.add_argument("--prefix", default="streamer", help="the prefix of all keys (default: streamer)")
    parser.add_argument(
        "--from",
        dest="start",
        metavar="PLACE",
        default="new",
        help="where to begin: new (default), all, how long ago (90s, 15m, 2h, 3d), a time (2026-01-31T18:00), or an "
        "entry id, of which what follows is printed",
    )
    parser.add_argument("--camera", action="append", metavar="ID", help="only this camera; may be repeated")
    parser.add_argument("--kind", action="append", metavar="KIND", help="only this kind of alert; may be repeated")
    parser.add_argument("--count", type=_positive, metavar="N", help="end after N changes")
    parser.add_argument("--json", action="store_true", help="one JSON object per line, as in a replay's output file")
    parser.set_defaults(handler=_tail)


def _tail(args: argparse.Namespace) -> int:
    start = place(args.start, datetime.now(UTC))
    console = Console(highlight=False, soft_wrap=True)
    left = args.count
    with subscribe(
        args.redis,
        group=None,
        kinds=args.kind,
        cameras=args.camera,
        start=start,
        keys=keys_for(args.redis, args.prefix),
        patience_s=_PATIENCE_S,
    ) as subscription:
        try:
            for received in subscription:
                if args.json:
                    print(replay_alert_line(received.change), flush=True)
                else:
                    _show(console, received)
                if left is not None:
                    left -= 1
                    if left == 0:
                        break
        except KeyboardInterrupt:
            print(file=sys.stderr)
    return 0


def place(text: str, now: datetime) -> Start:
    """Where `--from` points. Raises ConfigError for what is no place."""
    if text in ("new", "all") or re.fullmatch(r"\d+(-\d+)?", text):
        return text
    if ago := _AGO.fullmatch(text):
        return now - timedelta(seconds=float(ago[1]) * _UNIT_S[ago[2]])
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        raise ConfigError(
            [f"--from {text}: expected new, all, 90s, 15m, 2h, 3d, a time like 2026-01-31T18:00, or an entry id"]
        ) from None


def line(change: AlertChange) -> str:
    """A change for a person's eye, in rich's markup."""
    colour = _COLOURS[change.severity]
    when = datetime.fromtimestamp(change.at).astimezone().strftime("%H:%M:%S")
    where = f" in {escape(change.place)}" if change.place else ""
    what = change.reason.get("text")
    lasted = f" after {change.at - change.started_at:.0f} s" if change.type == "closed" else ""
    clip = f" [dim]{escape(change.clip.path)}[/]" if change.clip else ""
    return (
        f"[dim]{when}[/] [{colour}]{_SIGNS[change.type]} {change.type:<7} {escape(change.kind)}[/] "
        f"[bold]{escape(change.camera)}[/]{where}{lasted}"
        f"{f': {escape(str(what))}' if what else ''}{clip} "
        f"[dim]({change.score:.2f}, {escape(change.id)} #{change.seq})[/]"
    )


def _show(console: Console, received: Received) -> None:
    if received.gap is not None:
        console.print(f"[red]{_said(received.gap)}[/]")
    console.print(line(received.change))


def _said(gap: Gap) -> str:
    if gap.why == "trimmed":
        return "the stream was trimmed before it was read: alerts may be missing here"
    return f"changes {gap.first_seq} to {gap.last_seq} of the next alert are missing"


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("expected a whole number from 1")
    return number
