"""Connections that send their request byte by byte are ended: a few hundred of them would keep everybody else out.

uvicorn limits how long a connection may idle between two requests, and not how long a request may take to arrive.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol


def impatient(within_s: float) -> type[H11Protocol]:
    """The protocol of uvicorn, with this patience.

    It lasts from the first byte (or the connection) to the last one of head and body; an answer may take as long as it
    likes.
    """

    class Impatient(H11Protocol):
        def __init__(self, *arguments: Any, **more: Any) -> None:
            super().__init__(*arguments, **more)
            self._giving_up: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._wait()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._wait()

        def connection_lost(self, exc: Exception | None) -> None:
            self._calm()
            super().connection_lost(exc)

        def _wait(self) -> None:
            if not self._is_arriving():
                self._calm()
            elif self._giving_up is None:
                self._giving_up = self.loop.call_later(within_s, self._give_up)

        def _is_arriving(self) -> bool:
            return self.cycle is None or self.cycle.response_complete or self.cycle.more_body

        def _calm(self) -> None:
            if self._giving_up is not None:
                self._giving_up.cancel()
                self._giving_up = None

        def _give_up(self) -> None:
            self._giving_up = None
            if self._is_arriving() and not self.transport.is_closing():
                self.transport.close()

    return Impatient
