"""What one HTTP request asks, and what it is answered: values, so that both can be decided without a socket."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `peer` is the address it came from; names of headers are lower case.

    repr shows neither query nor headers: both may hold a token.
    """

    method: str
    path: str
    peer: str
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, a content type, a body, and headers beside the usual ones."""

    status: int
    kind: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def text(cls, status: int, sentence: str, **headers: str) -> Answer:
        """A sentence for a person; headers with '_' for '-'."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return cls(status, "text/plain; charset=utf-8", f"{sentence}\n".encode(), named)

    @classmethod
    def json(cls, status: int, body: Mapping[str, object]) -> Answer:
        """An object for a program."""
        return cls(status, "application/json", json.dumps(body, default=str).encode())


Respond = Callable[[Request], Answer | None]
"""Answers a request, or None where it is not for this one to answer. On a thread of the server; blocks never."""
