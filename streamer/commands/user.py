"""`streamer user hash`: what stands in the configuration for a password."""

from __future__ import annotations

import argparse
import getpass
import sys

from streamer.errors import ConfigError
from streamer.web.passwords import LEAST_LENGTH, hashed


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Put this command beside the others."""
    parser = commands.add_parser(
        "user",
        help="make password hashes for the console's users",
        description="Passwords of the console's users stand in the configuration as hashes only (scrypt, RFC 7914).",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    action = actions.add_parser(
        "hash",
        help="print the hash of a password",
        description="Ask for a password, or read it from standard input where that is no terminal, and print the hash "
        "that belongs under web.users.NAME.password.",
    )
    action.set_defaults(handler=_hash)


def _hash(args: argparse.Namespace) -> int:  # noqa: ARG001 - a command takes them
    if sys.stdin.isatty():
        password = getpass.getpass("password: ")
        if getpass.getpass("once more: ") != password:
            raise ConfigError(["the two passwords are not the same; nothing was made"])
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    if len(password) < LEAST_LENGTH:
        raise ConfigError([f"a password should have at least {LEAST_LENGTH} characters, this one has {len(password)}"])
    print(hashed(password))
    return 0
