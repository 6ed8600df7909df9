"""What can go wrong with the demo itself."""

from __future__ import annotations

from streamer.errors import StreamerError


class DemoError(StreamerError):
    """The demo cannot go on: a part is missing, or a program of its own died; the message says which and what to do.

    The command line prints it and exits with 1.
    """
