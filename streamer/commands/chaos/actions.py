"""`streamer chaos ACTION`: the actions together, each in a file of its own."""

from __future__ import annotations

import argparse

from streamer.commands.chaos import camera, drill, proxy, redis


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Put this command beside the others."""
    parser = commands.add_parser(
        "chaos",
        help="break things on purpose: a camera, a network, a Redis that fail on command; drills of the whole service",
        description="Find out on a quiet day what your rules, receivers and people do when something fails. Everything "
        "is started here, on this machine, and is gone with Ctrl-C; nothing of yours is touched but what you point at "
        "it. docs/reliability.md tells how to hold a drill.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    for action in (camera, proxy, redis, drill):
        action.add_action(actions)
