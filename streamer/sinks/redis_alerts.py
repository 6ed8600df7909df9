"""Alert changes to a Redis stream, effectively once each.

One Lua script (publish_script.py) adds a batch to the stream, keeps the hash of open alerts, and writes down the last
outbox row of this line, all or nothing. So a retry after a lost answer adds nothing twice, at constant memory and
without expiry. A server that forgot (crashed before its last second was on disk, fell back to an older snapshot,
restarted empty) remembers a lower row than it had confirmed: it says so at the next call or probe, and is told again
everything after that row that the outbox still keeps. Losing wins over doubling in our fears: who reads with
streamer.client sees no repetition, because it drops what it has handled.

The script also remembers the highest seq of the last `remember` to 2 × `remember` alerts, whichever outbox told it, so
that a lost or restored outbox file doubles nothing either. (Servers from 8.6 on know `XADD … IDMP`; it would not keep
the hash of open alerts in step, nor notice that the server forgot.)

Where cameras have leases, the script compares the epoch of every change with the newest of its camera (fencing.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import redis

from streamer import broker
from streamer.errors import SinkRejected, SinkUnavailable
from streamer.signature import signed
from streamer.sinks.outbox import StoredChange
from streamer.sinks.publish_script import PUBLISH
from streamer.sinks.receivers import Memory, ReceiverForgot
from streamer.wire import Keys, alert_schema

ALERTS_KEPT = 100_000
_CALL_BYTES = 8 * 2**20  # far below the server's proto-max-bulk-len, which answers by closing the connection


class RedisAlerts:
    """The receiver that stands for the Redis stream of alerts."""

    def __init__(
        self,
        url: str,
        keys: Keys | None = None,
        *,
        kept: int = ALERTS_KEPT,
        remember: int = 50_000,
        name: str = "redis",
        signing_key: str | None = None,
    ) -> None:
        """signing_key: every entry gets a signature (streamer/signature.py)."""
        self._url, self._keys, self._name = url, keys or broker.keys_for(url), name
        self._kept, self._remember, self._signing_key = kept, remember, signing_key
        self._client = broker.connect(url)
        self._publish = self._client.register_script(PUBLISH)
        self.repeated = 0  # changes that another outbox had published already
        self._fenced: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """'redis'."""
        return self._name

    @property
    def longest_wait_s(self) -> float:
        """A broker that is back should hear from us soon."""
        return 2.0

    def remembers(self, line: str) -> Memory:
        """The last row of this line that the server knows; a server that knows nothing has forgotten everything."""
        try:
            found = self._client.hmget(self._keys.outbox(line), ["row", "name", "fenced"])
        except (redis.RedisError, OSError) as error:
            raise broker.translate(error, self._url) from error
        row, name, fenced = cast(list[bytes | None], found)
        self._fenced = tuple(int(number) for number in (fenced or b"").split())
        return Memory(int(row or 0), (name or b"").decode())

    def fenced(self) -> Sequence[int]:
        """Rows that the last deliver() or remembers() spoke of, and that nobody is told: see fencing.Referee."""
        return self._fenced

    def deliver(self, line: str, after_row: int, rows: Sequence[StoredChange]) -> int:
        """Publish as many rows as one call may hold. A message that is longer than that alone is rejected."""
        keys, rows = self._keys, _that_fit(rows)
        if not rows:
            raise SinkRejected(f"the message is longer than {_CALL_BYTES} bytes, which is no alert any more")
        arguments: list[Any] = [after_row, self._kept, self._remember, len(rows)]
        for row in rows:
            arguments += [row.row, row.id, row.seq, row.type, row.camera, row.kind, row.severity, row.body]
            arguments += [alert_schema(row.type), row.epoch]
            arguments += [signed(self._signing_key, row.body) if self._signing_key else ""]
        self._fenced = ()
        try:
            mark, added, repeated, fenced = self._publish(
                keys=[keys.alerts, keys.open_alerts, keys.outbox(line), keys.recent, keys.recent_before, keys.leases],
                args=arguments,
            )
        except (redis.RedisError, OSError) as error:
            raise broker.translate(error, self._url) from error
        if mark < after_row:
            raise ReceiverForgot(
                f"{broker.where(self._url)} remembers row {mark} of the outbox and had confirmed {after_row}: "
                "it has lost its latest data"
            )
        if mark < rows[-1].row:  # cannot be, unless somebody else's script answers under our name
            raise SinkUnavailable(f"{broker.where(self._url)} confirmed row {mark} of {rows[-1].row}, {added} added")
        self.repeated += repeated
        self._fenced = tuple(int(number) for number in fenced.split())
        return len(rows)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def _that_fit(rows: Sequence[StoredChange]) -> Sequence[StoredChange]:
    total = 0
    for count, row in enumerate(rows):
        total += len(row.body)
        if total > _CALL_BYTES:
            return rows[:count]
    return rows
