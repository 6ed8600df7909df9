"""What a cluster knows of itself, in one hash in Redis: any process of it may be restarted, and none is asked.

    configuration    the text of the file and its number      written by people (compare and set)
    share:NODE       which cameras a node should watch        written by placement, under its lease
    verdict          who has no place, and why; last moves    written by placement, under its lease
    beat:NODE        what a node is and does                  written by the node, twice a second
    drain:NODE       let its cameras go                       written by people

Placement is one, because it has a lease like a camera's, with a rising epoch: what it writes is compared with it in the
same script. One that was cut off and comes back writes nothing any more.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import redis

from streamer import broker
from streamer.wire import Keys, dumps

PLACEMENT = "placement"
"""Its lease, among those of `Keys.cluster`."""

_WRITE = """
-- KEYS  1 leases of the cluster   2 its state
-- ARGV  1 our epoch   2 who we are   then pairs: field, text ('': gone)
local epoch, _, owner = string.match(redis.call('HGET', KEYS[1], 'placement') or '0 0 ', '^(%d+) (%d+) (.*)$')
if tonumber(epoch) ~= tonumber(ARGV[1]) or owner ~= ARGV[2] then
  return 0
end
for n = 3, #ARGV, 2 do
  if ARGV[n + 1] == '' then
    redis.call('HDEL', KEYS[2], ARGV[n])
  else
    redis.call('HSET', KEYS[2], ARGV[n], ARGV[n + 1])
  end
end
return 1
"""
_SET_CONFIGURATION = """
-- KEYS  1 state      ARGV  1 the number that is to be replaced, 0 where there is none   2 the new one
local now = redis.call('HGET', KEYS[1], 'configuration')
local number = now and cjson.decode(now)['number'] or 0
if number ~= tonumber(ARGV[1]) then
  return 0
end
redis.call('HSET', KEYS[1], 'configuration', ARGV[2])
return 1
"""


@dataclass(frozen=True, slots=True)
class Written:
    """A configuration as it was given. number: rises by one each time; path: of its file, for relative paths."""

    number: int
    text: str
    path: str


@dataclass(frozen=True, slots=True)
class Share:
    """What one node should do. cameras: camera → the sentence how it came there; going: of those that it has and that
    are to leave it, camera → the node that connects to it first."""

    cameras: Mapping[str, str] = field(default_factory=dict)
    going: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Beat:
    """What one node says of itself.

    count      rises with every beat: who listens tells by it whether the node lives, by a clock of their own
    owner      as its leases name it
    number     of the configuration that it runs by
    cameras    those that it watches and speaks for
    problems   camera → why it is not watched here as it should be; '' for what concerns the whole node
    metrics    HOST:PORT of /metrics; None where it serves none
    rates      what things cost there, as capacity.Rates; None where nobody measured
    fenced     alert changes and frames of it that nobody was told, because their camera had moved
    inference  of a node that has the model and reads no cameras: which model, `pictures_per_s` that it can do, how
               `busy` it is (from 0 to 1), and its counts
    received, lost   frames of cameras that it handed over in order: how many came, how many of these were dropped then
    warmth     of cameras that are another's still and about to come: 'warming', 'warm', 'cold' (assembly/changing.py)
    streams    camera → width, height in pixels, pictures a second that it sends, as measured there
    """

    node: str
    count: int
    owner: str
    pid: int
    number: int
    cameras: tuple[str, ...] = ()
    problems: Mapping[str, str] = field(default_factory=dict)
    metrics: str | None = None
    labels: tuple[str, ...] = ()
    cores: float = 1.0
    gpus: int = 0
    rates: Mapping[str, Any] | None = None
    inference: Mapping[str, Any] | None = None
    fenced: int = 0
    received: int = 0
    lost: int = 0
    warmth: Mapping[str, str] = field(default_factory=dict)
    streams: Mapping[str, tuple[int, int, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What placement could not do, and what it did last: sentences by camera; moves: the newest, oldest first; streams:
    what it believes of what cameras send, as Beat.streams."""

    unplaced: Mapping[str, str] = field(default_factory=dict)
    held_back: Mapping[str, str] = field(default_factory=dict)
    moves: tuple[str, ...] = ()
    streams: Mapping[str, tuple[int, int, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything, read at one moment."""

    written: Written | None
    shares: Mapping[str, Share]
    beats: Mapping[str, Beat]
    draining: frozenset[str]
    verdict: Verdict


class ClusterState:
    """Reads and writes the hash. From any thread; raises SinkUnavailable."""

    def __init__(self, url: str, keys: Keys | None = None) -> None:
        self._url, self._keys = url, (keys or broker.keys_for(url)).cluster
        self._client = broker.connect(url)
        self._write, self._configure = (self._client.register_script(text) for text in (_WRITE, _SET_CONFIGURATION))

    def read(self) -> Picture:
        """All of it."""
        fields: Any = self._ask(lambda: self._client.hgetall(self._keys.state))
        said = {name.decode(): json.loads(text) for name, text in fields.items()}
        return Picture(
            written=Written(**said["configuration"]) if "configuration" in said else None,
            shares={node: Share(**_known(Share, each)) for node, each in _of("share:", said)},
            beats={node: _beat(each) for node, each in _of("beat:", said)},
            draining=frozenset(node for node, _ in _of("drain:", said)),
            verdict=_verdict(said.get("verdict", {})),
        )

    def task_of(self, node: str) -> tuple[Written | None, Share]:
        """What one node has to know."""
        written, share = self._ask(lambda: self._client.hmget(self._keys.state, ["configuration", f"share:{node}"]))
        return (
            Written(**json.loads(written)) if written else None,
            Share(**_known(Share, json.loads(share))) if share else Share(),
        )

    def beats_of(self, nodes: Iterable[str]) -> dict[str, Beat]:
        """What these nodes said last; those that have said nothing are left out."""
        names = sorted(nodes)
        if not names:
            return {}
        said = self._ask(lambda: self._client.hmget(self._keys.state, [f"beat:{name}" for name in names]))
        return {name: _beat(json.loads(text)) for name, text in zip(names, said, strict=True) if text}

    def beat(self, beat: Beat) -> None:
        """A node says that it lives."""
        self._ask(lambda: self._client.hset(self._keys.state, f"beat:{beat.node}", dumps(asdict(beat))))

    def leave(self, node: str) -> None:
        """A node ends in order: it is not to be waited for."""
        self._ask(lambda: self._client.hdel(self._keys.state, f"beat:{node}"))

    def drain(self, node: str, *, undo: bool = False) -> None:
        """Ask for a node to be emptied, or let it take cameras again."""
        name = f"drain:{node}"
        if undo:
            self._ask(lambda: self._client.hdel(self._keys.state, name))
        else:
            self._ask(lambda: self._client.hset(self._keys.state, name, "true"))

    def configure(self, text: str, path: str, *, replaces: int) -> bool:
        """Put a configuration in the place of number `replaces` (0: of none); false where it is another by now."""
        body = dumps(asdict(Written(replaces + 1, text, path)))
        return bool(self._ask(lambda: self._configure(keys=[self._keys.state], args=[replaces, body])))

    def decide(
        self, epoch: int, owner: str, shares: Mapping[str, Share], gone: Iterable[str], verdict: Verdict
    ) -> bool:
        """What placement decided; false where it is placement no longer, and nothing was written."""
        pairs = [part for node, share in shares.items() for part in (f"share:{node}", dumps(asdict(share)))]
        pairs += [part for node in gone for name in ("share:", "beat:") for part in (f"{name}{node}", "")]
        pairs += ["verdict", dumps(asdict(verdict))]
        keys = [self._keys.leases, self._keys.state]
        return bool(self._ask(lambda: self._write(keys=keys, args=[epoch, owner, *pairs])))

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _ask(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except (redis.RedisError, OSError) as error:
            raise broker.translate(error, self._url) from error


def _of(prefix: str, said: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [(name.removeprefix(prefix), each) for name, each in said.items() if name.startswith(prefix)]


def _known(kind: type, said: Mapping[str, Any]) -> dict[str, Any]:
    """Without what a newer streamer says on top: nodes are not all updated at once."""
    names = {each.name for each in fields(kind)}
    return {name: value for name, value in said.items() if name in names}


def _beat(said: Mapping[str, Any]) -> Beat:
    streams = {camera: tuple(stream) for camera, stream in said.get("streams", {}).items()}
    tuples = {"cameras": tuple(said["cameras"]), "labels": tuple(said["labels"]), "streams": streams}
    return Beat(**_known(Beat, {**said, **tuples}))


def _verdict(said: Mapping[str, Any]) -> Verdict:
    streams = {camera: tuple(stream) for camera, stream in said.get("streams", {}).items()}
    return Verdict(said.get("unplaced", {}), said.get("held_back", {}), tuple(said.get("moves", ())), streams)
