"""`streamer chaos`: cameras, networks and brokers that fail on command, and drills of the whole service."""

from streamer.commands.chaos.actions import add_parser

__all__ = ["add_parser"]
