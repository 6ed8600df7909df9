"""What cameras left behind in Redis: handed over by who left in order, or pieced together where nobody did."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import redis

from streamer import broker
from streamer.clock import Clock
from streamer.cluster.handover import Handover, decode_handover, pieced_together
from streamer.types import AlertChange
from streamer.wire import Keys, decode_alert

_log = logging.getLogger("streamer.cluster")
_PAGE = 1000
_MOST_READ = 20_000  # entries of the stream that are looked at for one takeover: a day of a thousand cameras


class Estate:
    """Reads what the last owners of cameras left. Raises SinkUnavailable."""

    def __init__(self, url: str, clock: Clock, keys: Keys | None = None) -> None:
        self._url, self._clock, self._keys = url, clock, keys or broker.keys_for(url)
        self._client = broker.connect(url)

    def of(self, cameras: Mapping[str, str]) -> dict[str, Handover]:
        """camera → the sentence why it moves here; what is known of each. To be asked after their leases were taken:
        only then nobody adds to it any more."""
        names = list(cameras)
        if not names:
            return {}
        written = dict(zip(names, self._ask(lambda: self._client.hmget(self._keys.handovers, names)), strict=True))
        parted = {name: _parted(said) for name, said in written.items() if said is not None}
        open_now = self._open(frozenset(names))
        known = {name: _read(name, text) for name, (_, text) in parted.items()}
        oldest = min((parted[name][0] if name in parted else "0-0" for name in names), key=_order)
        since = self._since(oldest, frozenset(names))
        found = {}
        for name in names:
            after = _order(parted[name][0]) if name in parted else (0, 0)
            late = [change for place, change in since if change.camera == name and place > after]
            found[name] = pieced_together(
                name, known.get(name), open_now.get(name, ()), late, cameras[name], self._clock.now()
            )
        return found

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _open(self, cameras: frozenset[str]) -> dict[str, list[AlertChange]]:
        bodies: Any = self._ask(lambda: self._client.hgetall(self._keys.open_alerts))
        found: dict[str, list[AlertChange]] = {}
        readable = [change for body in bodies.values() if (change := _alert(body)) is not None]
        for change in sorted(readable, key=lambda each: (each.started_at, each.id)):
            if change.camera in cameras:
                found.setdefault(change.camera, []).append(change)
        return found

    def _since(self, oldest: str, cameras: frozenset[str]) -> list[tuple[tuple[int, int], AlertChange]]:
        """What was told of these cameras after an entry, in order; of a long time the newest part."""
        found: list[tuple[tuple[int, int], AlertChange]] = []
        upto, read = "+", 0
        while read < _MOST_READ:
            page: Any = self._ask(lambda: self._client.xrevrange(self._keys.alerts, upto, f"({oldest}", count=_PAGE))  # noqa: B023
            for entry_id, fields in page:
                if fields.get(b"camera", b"").decode("utf-8", "replace") in cameras and fields.get(b"type") in _TOLD:
                    change = _alert(fields.get(b"data", b""))
                    found += [(_order(entry_id.decode()), change)] if change is not None else []
            if len(page) < _PAGE:
                break
            read, upto = read + len(page), f"({page[-1][0].decode()}"
        else:
            _log.warning(
                "more than %d alert changes were told since the last owners wrote; older ones are passed over", read
            )
        return found[::-1]

    def _ask(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except (redis.RedisError, OSError) as error:
            raise broker.translate(error, self._url) from error


_TOLD = (b"opened", b"updated", b"closed")


def what_is_open(told: Iterable[AlertChange], waiting: Iterable[AlertChange]) -> tuple[AlertChange, ...]:
    """The open alerts of a camera whose lease was taken: as Redis has them, and on top what still waits in this node's
    own outbox under that lease (a restart in place). To be read in the other order, first what waits: what is published
    in between is then in both, and counts once."""
    found = {change.id: change for change in told}
    for change in waiting:
        if change.id in found and change.seq <= found[change.id].seq:
            continue
        if change.is_open:
            found[change.id] = change
        else:
            found.pop(change.id, None)
    return tuple(found.values())


def _parted(said: bytes) -> tuple[str, bytes]:
    place, _, text = said.partition(b" ")
    return place.decode(), text


def _read(camera: str, text: bytes) -> Handover | None:
    try:
        return decode_handover(text)
    except ValueError as error:
        _log.error("what the last owner of camera %r left cannot be read: %s", camera, error, extra={"camera": camera})
        return None


def _alert(body: bytes) -> AlertChange | None:
    """None where somebody else wrote what is no alert."""
    try:
        return decode_alert(body)
    except ValueError as error:
        _log.error("an alert message in Redis cannot be read and is passed over: %s", error)
        return None


def _order(entry_id: str) -> tuple[int, int]:
    head, _, tail = entry_id.partition("-")
    return int(head), int(tail or 0)
