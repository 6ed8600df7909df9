"""`python -m export COMMAND`: from torch to model folders. Reads arguments, calls one command, errors become sentences.

Exit codes are the service's: 0 done · 1 failed while running · 2 arguments · 3 a model that cannot be trusted
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from streamer.errors import ConfigError, StreamerError, redact

# Modules that offer add_parser(commands), as in streamer/commands. Loaded inside main, which has a sentence for what is
# not installed.
_COMMANDS = ("export.torchvision.command", "export.precision_command")
_NEEDED = ("torch", "torchvision", "onnx", "onnxscript", "onnxruntime", "PIL")


def build_parser() -> argparse.ArgumentParser:
    """All commands and their help."""
    parser = argparse.ArgumentParser(
        prog="python -m export",
        description="Model folders for the service: exported, proved to say what they said before, and written whole "
        "or not at all.",
        epilog="exit codes: 0 done, 1 failed while running, 2 arguments, 3 model",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in _COMMANDS:
        importlib.import_module(command).add_parser(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    try:
        args = build_parser().parse_args(arguments)
        code: int = args.handler(args)
    except ConfigError as error:
        for problem in error.problems:
            print(redact(f"export: {problem}"), file=sys.stderr)
        return error.exit_code
    except StreamerError as error:
        print(redact(f"export: {error}"), file=sys.stderr)
        return error.exit_code
    except ModuleNotFoundError as error:
        if error.name not in _NEEDED:
            raise
        print(f"export: {error.name} is not installed: pip install 'streamer[train]'", file=sys.stderr)
        return ConfigError.exit_code
    except KeyboardInterrupt:
        return 130
    return code


if __name__ == "__main__":
    sys.exit(main())
