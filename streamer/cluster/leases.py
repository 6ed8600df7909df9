"""Leases of cameras in Redis: taken, renewed and given back, many at a time, by Redis' own clock.

A lease says who may speak for a camera, not who watches it: two nodes may watch one for a moment, and only what the
newest holder says is published (Kleppmann, "How to do distributed locking", 2016; streamer/sinks/fencing.py compares).
So a holder that cannot renew goes on watching: where nobody else has taken the camera, all that it found is told later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import redis
from redis.commands.core import Script

from streamer import broker
from streamer.cluster.lease_scripts import RAISE, RENEW, TAKE, WRITE
from streamer.wire import Keys

TTL_S = 4.0
"""Long enough for a pause of a busy machine, short enough that a dead node's cameras are watched again within ten."""
_AT_ONCE = 500  # cameras in one script: it holds the server up for about a millisecond


@dataclass(frozen=True, slots=True)
class Lease:
    """What Redis says of one camera. until: epoch seconds of Redis' clock; owner '' where nobody has it."""

    epoch: int
    owner: str
    until: float


@dataclass(frozen=True, slots=True)
class Taken:
    """A camera that is ours now. resumed: it was before, under the same epoch; before: who had it, '' where nobody."""

    epoch: int
    resumed: bool
    before: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """A camera that another node holds for so long still."""

    owner: str
    for_s: float


class LeaseStore:
    """Every method may be called from any thread, waits for Redis no longer than broker.py says, and raises
    SinkUnavailable.

    owner: this node, and this outbox of it: who comes back with the same has said all that is waiting in it.
    """

    def __init__(self, url: str, owner: str, keys: Keys | None = None, *, ttl_s: float = TTL_S) -> None:
        if not owner or owner == "?" or owner != owner.strip():
            raise ValueError(f"an owner of leases has a name; got {owner!r}")
        self.owner, self.ttl_s = owner, ttl_s
        self._url, self._keys = url, keys or broker.keys_for(url)
        self._client = broker.connect(url)
        self._take, self._renew, self._write = (self._client.register_script(text) for text in (TAKE, RENEW, WRITE))

    def take(self, cameras: Iterable[str], *, by_force: bool = False) -> dict[str, Taken | Refusal]:
        """Take what is free, has run out, or is ours; by_force: also what somebody holds who is known to be dead.

        From the return on nobody with an older epoch is heard, about alerts or frames.
        """
        answers: dict[str, Taken | Refusal] = {}
        for some in _portions(list(cameras)):
            said = self._call(self._take, [self._keys.leases], [self.owner, self._ttl_ms, int(by_force), *some])
            for camera, (epoch, ours, held_ms, owner) in zip(some, said, strict=True):
                if int(epoch):
                    answers[camera] = Taken(int(epoch), bool(ours), _text(owner))
                else:
                    answers[camera] = Refusal(_text(owner), held_ms / 1000)
        self._raise_fences({camera: taken.epoch for camera, taken in answers.items() if isinstance(taken, Taken)})
        return answers

    def renew(self, held: Mapping[str, int]) -> frozenset[str]:
        """Hold cameras for longer; which of them are lost: somebody else has taken them."""
        lost: set[str] = set()
        for some in _portions(list(held)):
            arguments = [part for camera in some for part in (camera, held[camera])]
            said = self._call(self._renew, [self._keys.leases], [self.owner, self._ttl_ms, *arguments])
            lost.update(camera for camera, ours in zip(some, said, strict=True) if not ours)
        return frozenset(lost)

    def write(self, held: Mapping[str, int], handovers: Mapping[str, str], *, give_back: bool) -> frozenset[str]:
        """Leave behind what the next owner needs to know, and with give_back the lease in the same step.

        Which cameras are lost: of those nothing was written.
        """
        lost: set[str] = set()
        keys = [self._keys.leases, self._keys.handovers, self._keys.alerts]
        for some in _portions(list(held)):
            arguments = [part for camera in some for part in (camera, held[camera], handovers.get(camera, ""))]
            said = self._call(self._write, keys, [self.owner, int(give_back), *arguments])
            lost.update(camera for camera, ours in zip(some, said, strict=True) if not ours)
        return frozenset(lost)

    def all(self) -> dict[str, Lease]:
        """Every lease that there is, by camera: who speaks for what."""
        found: Any = self._ask(lambda: self._client.hgetall(self._keys.leases))
        return {_text(camera): _lease(_text(said)) for camera, said in found.items()}

    def forget(self, cameras: Sequence[str]) -> None:
        """These cameras are no longer in the configuration: what was kept about them goes, their epochs too."""
        if cameras:
            self._ask(lambda: self._client.hdel(self._keys.leases, *cameras))
            self._ask(lambda: self._client.hdel(self._keys.handovers, *cameras))

    def close(self) -> None:
        """Close the connections; leases run out by themselves."""
        self._client.close()

    # --- inside -------------------------------------------------------------------------------------------------------

    @property
    def _ttl_ms(self) -> int:
        return int(self.ttl_s * 1000)

    def _raise_fences(self, epochs: Mapping[str, int]) -> None:
        """Live feeds lie in other slots than leases: what is true of these must be made true of those."""
        if not epochs:
            return
        pipe: Any = self._client.pipeline(transaction=False)
        for camera, epoch in epochs.items():
            pipe.execute_command("EVAL", RAISE, 1, self._keys.fence(camera), epoch)
        self._ask(pipe.execute)

    def _call(self, script: Script, keys: Sequence[str], arguments: Sequence[str | int]) -> Any:
        return self._ask(lambda: script(keys=list(keys), args=list(arguments)))

    def _ask(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except (redis.RedisError, OSError) as error:
            raise broker.translate(error, self._url) from error


def _portions(cameras: list[str]) -> Iterable[list[str]]:
    return (cameras[begin : begin + _AT_ONCE] for begin in range(0, len(cameras), _AT_ONCE))


def _lease(said: str) -> Lease:
    epoch, until_ms, owner = said.split(" ", 2)
    return Lease(int(epoch), owner, int(until_ms) / 1000)


def _text(value: bytes | str) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
