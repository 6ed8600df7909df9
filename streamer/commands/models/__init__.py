"""`streamer models`: what models there are, how to get one, what it says of itself, and proof that it is so."""

from streamer.commands.models.actions import add_parser

__all__ = ["add_parser"]
