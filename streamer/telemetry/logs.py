"""Structured logs: one event a line, for people on a terminal and as JSON for machines. Never a line per frame."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Literal, TextIO

from streamer.errors import redact

_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def _extras(record: logging.LogRecord) -> dict[str, object]:
    return {key: value for key, value in vars(record).items() if key not in _PLAIN}


class JsonLines(logging.Formatter):
    """One JSON object a line: at, level, logger, message, and whatever the call gave as `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        """Redacted: a password in an address never gets through, whoever logged it."""
        entry: dict[str, object] = {
            "at": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_extras(record),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return redact(json.dumps(entry, default=str, ensure_ascii=False))


class Console(logging.Formatter):
    """`12:03:44 warning capture  gate: connection refused …` for people."""

    def format(self, record: logging.LogRecord) -> str:
        """Redacted, as in JsonLines."""
        at = time.strftime("%H:%M:%S", time.localtime(record.created))
        room = record.name.removeprefix("streamer.")
        extras = "".join(f"  {key}={value}" for key, value in _extras(record).items())
        text = f"{at} {record.levelname.lower():<7} {room:<9} {record.getMessage()}{extras}"
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return redact(text)


def set_up(style: Literal["console", "json"], level: str = "info", stream: TextIO | None = None) -> None:
    """Send the house's logs to stderr (stdout belongs to results)."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines() if style == "json" else Console())
    root = logging.getLogger("streamer")
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    root.propagate = False


def as_set_up() -> tuple[Literal["console", "json"], str] | None:
    """Style and level, for a process that is to log as this one does; None where nobody has set them up."""
    root = logging.getLogger("streamer")
    for handler in root.handlers:
        if isinstance(handler.formatter, JsonLines | Console):
            style: Literal["console", "json"] = "json" if isinstance(handler.formatter, JsonLines) else "console"
            return style, logging.getLevelName(root.level).lower()
    return None
