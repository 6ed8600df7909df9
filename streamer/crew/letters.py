"""How the house and a member of its crew write to each other, over one socket.

To the member: pickled, because it trusts the house. To the house: lines of JSON, because a process that takes apart
what cameras send must not be able to make the house run anything, whatever it has read.
"""

from __future__ import annotations

import json
import pickle
import socket
import struct
from typing import Any

_LENGTH = struct.Struct("!I")
MOST_BYTES = 64_000_000


def packed(letter: object) -> bytes:
    """To a member."""
    content = pickle.dumps(letter, pickle.HIGHEST_PROTOCOL)
    return _LENGTH.pack(len(content)) + content


def read_packed(connection: socket.socket) -> Any:
    """The next letter from the house; blocks. Raises EOFError where the house is gone."""
    [length] = _LENGTH.unpack(_exactly(connection, _LENGTH.size))
    return pickle.loads(_exactly(connection, length))


def line(letter: dict[str, object]) -> bytes:
    """To the house."""
    return json.dumps(letter, separators=(",", ":")).encode() + b"\n"


class Lines:
    """Puts what came from a member together again."""

    def __init__(self) -> None:
        self._rest = b""

    def take(self, content: bytes) -> list[dict[str, Any]]:
        """The letters that are complete now. Raises ValueError for what is no letter."""
        *whole, self._rest = (self._rest + content).split(b"\n")
        if len(self._rest) > MOST_BYTES:
            raise ValueError(f"a line of more than {MOST_BYTES} bytes")
        try:
            letters = [json.loads(each) for each in whole]
        except RecursionError as error:
            raise ValueError("a letter that is nested too deeply") from error
        if not all(isinstance(letter, dict) for letter in letters):
            raise ValueError("a line that is no JSON object")
        return letters


def _exactly(connection: socket.socket, length: int) -> bytes:
    parts = bytearray()
    while len(parts) < length:
        part = connection.recv(min(length - len(parts), 1 << 20))
        if not part:
            raise EOFError("the house is gone")
        parts += part
    return bytes(parts)
