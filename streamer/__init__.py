"""Streamer: real-time analytics on camera streams, from a camera's address to an explained alert on Redis."""

__version__ = "0.1.0"
