"""What the actions share: the script of faults on the command line, and the wait until Ctrl-C."""

from __future__ import annotations

import argparse
import contextlib
import signal
import threading
from collections.abc import Callable, Iterator, Mapping

from streamer.chaos.script import check, parse_script, play
from streamer.commands.bench import duration_s


def add_script(parser: argparse.ArgumentParser, commands: Mapping[str, tuple[str | None, str]]) -> None:
    """--fault and --every, and in the epilogue what may be said."""
    parser.add_argument(
        "--fault", default="", metavar="SCRIPT", help="what happens when, such as stall@10s,go@20s,reset@30s"
    )
    parser.add_argument("--every", type=duration_s, metavar="TIME", help="begin the script again, so often")
    width = max(len(_usage(name, usual)) for name, (usual, _) in commands.items())
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "faults:\n" + "\n".join(
        f"  {_usage(name, usual):{width}}  {text}" for name, (usual, text) in commands.items()
    )


def act(args: argparse.Namespace, commands: Mapping[str, object], who: str, do: Callable[[str], None]) -> int:
    """Carry the script out, and go on until Ctrl-C. Raises ChaosError before anything began."""
    steps = parse_script(args.fault)
    check(steps, list(commands), who)
    with until_told() as stop:
        play(steps, do, stop, every_s=args.every, say=lambda command: print(f"{who}: {command}", flush=True))
    return 0


@contextlib.contextmanager
def until_told() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set while inside."""
    stop = threading.Event()
    with contextlib.ExitStack() as undo:
        for number in (signal.SIGINT, signal.SIGTERM):
            undo.callback(signal.signal, number, signal.signal(number, lambda *_: stop.set()))
        yield stop


def _usage(name: str, usual: str | None) -> str:
    return name if usual is None else f"{name}[={usual}]"
