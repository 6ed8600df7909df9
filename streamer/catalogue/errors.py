"""What can go wrong while a file is fetched; a file that came and is another one than promised is an ArtifactError."""

from __future__ import annotations

from streamer.errors import StreamerError


class DownloadFailed(StreamerError):
    """A file could not be brought here: no connection, or the server says no. The command line exits with 1."""


class PlaceUnusable(StreamerError):
    """A file cannot be kept where it should be: read-only, full, or held by another process. Exit 1."""
