"""`streamer chaos redis`: a Redis that crashes, forgets, fills up and slows down on command."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from streamer.chaos.errors import ChaosError
from streamer.chaos.redis_server import COMMANDS, RedisServer
from streamer.commands.chaos.stage import act, add_script


def add_action(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Put this action beside the others."""
    parser = actions.add_parser(
        "redis",
        help="a Redis that stops, comes back empty, is full, read-only or slow when you say so",
        description="Starts a redis-server of its own with nothing in it. Point `redis.url` of a configuration at the "
        "address that is printed. Never point this at a Redis of yours: it only breaks its own.",
    )
    parser.add_argument("--port", type=int, default=0, help="its port on 127.0.0.1 (a free one)")
    add_script(parser, COMMANDS)
    parser.set_defaults(handler=_redis)


def _redis(args: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory(prefix="streamer-chaos-") as folder:
        try:
            server = RedisServer(Path(folder) / "redis", port=args.port)
        except FileNotFoundError as error:
            raise ChaosError(str(error)) from error
        with server:
            print(f"redis: {server.url}", flush=True)
            return act(args, COMMANDS, "redis", server.do)
