"""The `streamer` command: reads arguments, calls one command, and turns errors into sentences and exit codes.

0 done · 1 failed while running · 2 wrong configuration or arguments · 3 a model that cannot be trusted
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib
import sys
from collections.abc import Iterator, Sequence

from streamer import __version__
from streamer.errors import ConfigError, StreamerError, redact

COMMANDS = (
    "run",
    "demo",
    "replay",
    "calibrate",
    "validate",
    "plan",
    "apply",
    "cluster",
    "config",
    "doctor",
    "tail",
    "wake",
    "clip",
    "models",
    "audit",
    "forget",
    "bench",
    "chaos",
    "user",
    "schema",
)
"""Each is a module of streamer.commands, in the order in which help shows them."""

_EPILOG = """\
first steps:
  streamer demo                                          a drawn street, three cameras, alerts as they come
  streamer run --source rtsp://user:pw@camera/stream --redis redis://127.0.0.1:6379
  streamer tail --redis redis://127.0.0.1:6379           what the service raises, as it comes
  streamer replay video.mp4 --config cameras.yaml        test your rules on recorded footage
  streamer bench --find-max-streams                      how many cameras this machine holds

exit codes: 0 done, 1 failed while running, 2 configuration or arguments, 3 model
"""


def build_parser(only: str | None = None) -> argparse.ArgumentParser:
    """All commands and their help; or one, for whoever named it: a service that begins again should not wait for the
    imports of commands that nobody asked for."""
    parser = argparse.ArgumentParser(
        prog="streamer",
        description="Real-time analytics on camera streams: RTSP in, explained alerts on Redis streams out.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"streamer {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name in COMMANDS if only is None else (only,):
        importlib.import_module(f"streamer.commands.{name}").add_parser(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    with _no_looking_for_garbage() if arguments is None else contextlib.nullcontext():
        parser = build_parser(given[0] if given and given[0] in COMMANDS else None)
    args = parser.parse_args(given)
    try:
        code: int = args.handler(args)
    except ConfigError as error:
        for problem in error.problems:
            print(redact(problem), file=sys.stderr)
        count = len(error.problems)
        print(f"streamer: {count} problem{'s' if count != 1 else ''} in configuration or arguments", file=sys.stderr)
        return error.exit_code
    except StreamerError as error:
        print(redact(f"streamer: {error}"), file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:  # the reader of our output left, as `| head` does
        sys.stderr.close()
        return 0
    except KeyboardInterrupt:
        return 130
    return code


@contextlib.contextmanager
def _no_looking_for_garbage() -> Iterator[None]:
    """For the imports of a process of its own: what they make stays as long as it does.

    Going through all of it while it grows takes a tenth of the time of a service's imports, and every full collection
    later would go through it again, while no other thread runs.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
