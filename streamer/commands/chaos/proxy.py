"""`streamer chaos proxy`: a bad network between two."""

from __future__ import annotations

import argparse

from streamer.chaos.proxy import COMMANDS, FaultProxy
from streamer.commands.chaos.stage import act, add_script
from streamer.errors import ConfigError


def add_action(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Put this action beside the others."""
    parser = actions.add_parser(
        "proxy",
        help="a TCP proxy that delays, throttles, cuts and corrupts when you say so",
        description="Stands between the service and a camera, Redis or a webhook: point the one at the proxy, and name "
        "the other here.",
    )
    parser.add_argument("target", type=_address, metavar="HOST:PORT", help="to whom everything is passed on")
    parser.add_argument("--port", type=int, default=0, help="its own port on 127.0.0.1 (a free one)")
    add_script(parser, COMMANDS)
    parser.set_defaults(handler=_proxy)


def _proxy(args: argparse.Namespace) -> int:
    host, port = args.target
    with FaultProxy(port, target_host=host, port=args.port) as proxy:
        print(f"proxy: 127.0.0.1:{proxy.port} leads to {host}:{port}", flush=True)
        return act(args, COMMANDS, "proxy", proxy.do)


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise ConfigError([f"{text!r} is no address; HOST:PORT is expected, such as 192.168.1.20:554"])
    return host or "127.0.0.1", int(port)
