"""`streamer doctor`: what is here, what works, and what to do about what does not."""

from streamer.commands.doctor.examination import add_parser

__all__ = ["add_parser"]
