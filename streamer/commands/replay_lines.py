"""The lines of a replay: one JSON object per analysed frame and per alert change, to a file or to standard output."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from streamer import wire
from streamer.errors import ConfigError, StreamerError
from streamer.types import AlertChange, FrameResult


class Lines:
    """A sink that writes one JSON line per frame and per alert change."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self.frames = self.changes = 0

    def publish(self, result: FrameResult) -> None:
        self._out.write(wire.replay_frame_line(result) + "\n")
        self.frames += 1
        self.announce(result.changes)

    def announce(self, changes: Sequence[AlertChange]) -> None:
        for change in changes:
            self._out.write(wire.replay_alert_line(change) + "\n")
            self.changes += 1

    def close(self) -> None:
        """The file belongs to whoever opened it."""


@contextlib.contextmanager
def lines_to(path: Path | None, otherwise: TextIO | None = None) -> Iterator[Lines]:
    """Lines into a file that appears whole or not at all; without one to `otherwise`, and without that nowhere."""
    if path is None:
        if otherwise is not None:
            yield Lines(otherwise)
        else:
            with open(os.devnull, "w", encoding="utf-8") as nowhere:
                yield Lines(nowhere)
        return
    with whole_file(path, "--out") as out:
        lines = Lines(out)
        yield lines
    print(f"{path}: {lines.frames} frames, {lines.changes} alert changes", file=sys.stderr)


@contextlib.contextmanager
def whole_file(path: Path, option: str) -> Iterator[TextIO]:
    """A file that appears whole or not at all. Raises ConfigError naming the option where it cannot be written."""
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("w", encoding="utf-8") as out:
            yield out
        partial.replace(path)
    except StreamerError:  # a recording that cannot be read is an OSError too, and says itself what is wrong
        raise
    except OSError as error:
        raise ConfigError([f"{option}: {path} cannot be written: {error.strerror or error}"]) from error
    finally:
        partial.unlink(missing_ok=True)
