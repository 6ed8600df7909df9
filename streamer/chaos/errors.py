"""What can go wrong with breaking things."""

from __future__ import annotations

from streamer.errors import StreamerError


class ChaosError(StreamerError):
    """A fault cannot be brought about here, or a part of the drill is missing; the message says what to do."""
