"""`streamer wake`: ask a running service to watch a camera for a while, even if nothing moves there."""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from pathlib import Path

import redis

from streamer import broker
from streamer.bell import LONGEST_S
from streamer.config import Config, load_config
from streamer.control.command import WakeCommand
from streamer.control.desk import ALL_CAMERAS
from streamer.errors import ConfigError

_COMMANDS_KEPT = 1000
_SPAN = re.compile(r"(\d+(?:\.\d+)?)([smhd]?)")
_UNIT_S = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Put this command beside the others."""
    parser = commands.add_parser(
        "wake",
        help="have a camera watched for a while, even if nothing moves",
        description="Ask a running service over Redis to look at every picture of a camera for a while, as if "
        "something moved there: for cameras that sleep. The service acts on it within a second; nobody answers.",
    )
    parser.add_argument("camera", help="the camera's name, or '*' for every one")
    parser.add_argument("--for", dest="for_s", metavar="SPAN", default="30s", help="how long: 30s (default), 5m, 2h")
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--redis",
        metavar="URL",
        default=os.environ.get("STREAMER_REDIS", "redis://127.0.0.1:6379/0"),
        help="where the service listens (default: $STREAMER_REDIS, else redis://127.0.0.1:6379/0)",
    )
    where.add_argument("--config", type=Path, metavar="FILE", help="the service's configuration, which says where")
    parser.add_argument("--prefix", default="streamer", help="the prefix of all keys (default: streamer)")
    parser.set_defaults(handler=_wake)


def _wake(args: argparse.Namespace) -> int:
    for_s = span_s(args.for_s)
    url = _configured(load_config(args.config), args.camera, args.config) if args.config else args.redis
    keys = broker.keys_for(url, args.prefix)
    fields = WakeCommand(args.camera, time.time(), for_s).fields()
    client = broker.connect(url)
    try:
        client.xadd(keys.commands, dict(fields), maxlen=_COMMANDS_KEPT, approximate=True)  # type: ignore[arg-type]
        shown = {_text(name) for name in client.hkeys(keys.cameras)}
    except (redis.RedisError, OSError) as error:
        raise broker.translate(error, url) from error
    finally:
        client.close()
    whom = "every camera" if args.camera == ALL_CAMERAS else f"camera '{args.camera}'"
    print(f"asked for {whom} to be awake for {for_s:g} s")
    if args.camera != ALL_CAMERAS and args.camera not in shown:
        there = ", ".join(sorted(shown)) or "none at all"
        print(f"streamer: nobody shows a camera of that name at {broker.where(url)}; it has {there}", file=sys.stderr)
    return 0


def _text(name: bytes | str) -> str:
    return name.decode(errors="replace") if isinstance(name, bytes) else name


def span_s(text: str) -> float:
    """Seconds that `--for` means. Raises ConfigError for what is no span, or longer than a day."""
    match = _SPAN.fullmatch(text)
    seconds = float(match[1]) * _UNIT_S[match[2]] if match else 0.0
    if not 0 < seconds <= LONGEST_S:
        raise ConfigError([f"--for {text}: expected a span above 0 and at most a day, such as 30s, 5m or 2h"])
    return seconds


def _configured(config: Config, camera: str, path: Path) -> str:
    if config.redis is None:
        raise ConfigError([f"{path}: names no redis, over which its service could be asked"])
    if camera != ALL_CAMERAS and camera not in config.cameras:
        raise ConfigError([f"{path}: there is no camera '{camera}'; it has {', '.join(sorted(config.cameras))}"])
    return config.redis.url
