"""Placement as it runs: reads who lives and what is wanted, decides, and writes down who watches what.

It keeps nothing that it could not read again: one that is started anew goes on from the shares in Redis. Two at once
are harmless: only the one that holds the lease of placement writes.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

from streamer import broker
from streamer.clock import Clock
from streamer.cluster.demand import Move, Placement
from streamer.cluster.leases import LeaseStore, Taken
from streamer.cluster.placement import place
from streamer.cluster.state import PLACEMENT, ClusterState, Picture, Share, Verdict, Written
from streamer.cluster.vigil import Vigil
from streamer.config import Config
from streamer.config.load import config_of
from streamer.errors import ConfigError
from streamer.fleet.apart_places import that_read_cameras, with_room_at_the_model, without_model
from streamer.fleet.streams import BELIEVES_EVERY_S, Stream, believed
from streamer.fleet.wishes import demands_of, node_of, reference_of

_log = logging.getLogger("streamer.fleet")

SETTLE_WITHIN_S = 30.0
"""So long the very first placement waits for nodes that are still opening their models: else all cameras would go to
the fastest of them, and move a moment later."""
_FORGET_EVERY_S = 60.0
_MOVES_KEPT = 50


class Placing:
    """Not for two threads at once. turn() raises SinkUnavailable. leads: whether it was placement at its last turn."""

    def __init__(self, url: str, clock: Clock) -> None:
        self._clock = clock
        keys = broker.keys_for(url)
        self.owner = f"placement/{uuid4().hex}"
        self._mine = LeaseStore(url, self.owner, keys.cluster)
        self._cameras = LeaseStore(url, self.owner, keys)
        self._state = ClusterState(url, keys)
        self._vigil = Vigil()
        self._begun_s = clock.monotonic()
        self._forgot_s = clock.monotonic()
        self._believed_s = clock.monotonic()
        self._config: tuple[Written, Config] | None = None
        self.leads = False

    @property
    def config(self) -> Config | None:
        """The newest configuration that could be read."""
        return None if self._config is None else self._config[1]

    def turn(self, expected: frozenset[str], dead: frozenset[str] = frozenset()) -> tuple[Move, ...]:
        """Look once, and decide where something has changed; what moves. Nothing where another one is placement.

        expected: nodes that should be there soon; dead: those of which it is known already, before their silence tells.
        """
        taken = self._mine.take([PLACEMENT])[PLACEMENT]
        self.leads = isinstance(taken, Taken)
        seen = self._state.read()
        beats = {node: (beat.owner, beat.pid, beat.count) for node, beat in seen.beats.items()}
        living = self._vigil.hear(beats, self._clock.monotonic()) - dead
        if not isinstance(taken, Taken) or seen.written is None or (config := self._read(seen.written)) is None:
            return ()
        if not seen.shares and not expected <= living and self._clock.monotonic() - self._begun_s < SETTLE_WITHIN_S:
            return ()
        now = _now(seen, living)
        streams = self._streams(config, seen, living)
        placement = _placed(config, seen, living, now, streams)
        shares = _shares(placement, seen, living, config)
        gone = [node for node in (seen.beats.keys() | seen.shares.keys()) if node not in living]
        changed = {node: share for node, share in shares.items() if seen.shares.get(node) != share}
        verdict = replace(_verdict(placement, seen.verdict), streams=streams)
        if changed or gone or verdict != seen.verdict:
            if not self._state.decide(taken.epoch, self.owner, changed, gone, verdict):
                _log.warning("another placement has taken over; this one stands by")
                return ()
            self._tell(placement.moves, gone)
        self._forget(config)
        return placement.moves

    def close(self) -> None:
        """Close the connections; whoever is placement next goes on."""
        for each in (self._mine, self._cameras, self._state):
            each.close()

    def _read(self, written: Written) -> Config | None:
        if self._config is None or self._config[0] != written:
            try:
                self._config = written, config_of(written.text, Path(written.path), written.path)
            except ConfigError as error:
                _log.error("configuration %d is refused, the one before stays: %s", written.number, error)
                if self._config is None:
                    return None
                self._config = written, self._config[1]
        return self._config[1]

    def _streams(self, config: Config, seen: Picture, living: frozenset[str]) -> Mapping[str, Stream]:
        """What cameras send, as far as placement believes it: looked at anew once in a while, for all at once."""
        known = {camera: stream for camera, stream in seen.verdict.streams.items() if camera in config.cameras}
        if self._clock.monotonic() - self._believed_s < BELIEVES_EVERY_S:
            return known
        self._believed_s = self._clock.monotonic()
        told = {camera: stream for node in sorted(living) for camera, stream in seen.beats[node].streams.items()}
        return believed(known, {camera: stream for camera, stream in told.items() if camera in config.cameras})

    def _tell(self, moves: tuple[Move, ...], gone: list[str]) -> None:
        for node in gone:
            _log.warning("node %s is gone", node, extra={"event": "node_gone", "node": node})
        for move in moves:
            _log.info(
                "camera %r: %s → %s (%s)", move.camera, move.source, move.target, move.why,
                extra={"camera": move.camera, "event": "moved"},
            )  # fmt: skip

    def _forget(self, config: Config) -> None:
        """Leases of cameras that left the configuration and that nobody holds any more."""
        if self._clock.monotonic() - self._forgot_s < _FORGET_EVERY_S:
            return
        self._forgot_s = self._clock.monotonic()
        free = [name for name, lease in self._cameras.all().items() if not lease.owner and name not in config.cameras]
        self._cameras.forget(free)


def _placed(
    config: Config, seen: Picture, living: frozenset[str], now: dict[str, str], streams: Mapping[str, Stream]
) -> Placement:
    all_beats = [seen.beats[node] for node in sorted(living)]
    beats = that_read_cameras(config, all_beats)
    reference = reference_of(beats) if config.inference.apart is None else without_model(reference_of(beats))
    nodes = [node_of(beat, reference, draining=beat.node in seen.draining) for beat in beats]
    demands, refused = with_room_at_the_model(config, demands_of(config, reference, streams), all_beats, now)
    placement = place(demands, nodes, now)
    if not refused:
        return placement
    unplaced = {**placement.assignment.unplaced, **refused}
    return replace(placement, assignment=replace(placement.assignment, unplaced=unplaced))


def _now(seen: Picture, living: frozenset[str]) -> dict[str, str]:
    """Camera → the node that should watch it; where that died before it did, the one that watches it still."""
    now = {camera: node for node, share in seen.shares.items() for camera in share.cameras}
    for node in sorted(living):
        now.update({camera: node for camera in seen.beats[node].cameras if now.get(camera) not in living})
    return now


def _shares(placement: Placement, seen: Picture, living: frozenset[str], config: Config) -> dict[str, Share]:
    moved = {move.camera: _sentence(move) for move in placement.moves if move.target}
    shares = {}
    for node in living:
        before = seen.shares.get(node, Share()).cameras
        mine = {name: moved.get(name) or before.get(name, "") for name in placement.assignment.of(node)}
        going = {
            name: target
            for name in sorted({*before, *seen.beats[node].cameras} - mine.keys())
            if (target := placement.assignment.nodes.get(name)) is not None and config.cameras[name].node.overlap
        }
        shares[node] = Share(mine, going)
    return shares


def _sentence(move: Move) -> str:
    if move.source is None:
        return f"the camera came to {move.target}: {move.why}"
    return f"the camera moved from {move.source} to {move.target}: {move.why}"


def _verdict(placement: Placement, before: Verdict) -> Verdict:
    # Of a camera that has no place nothing moved: that it has none is said where it is said why.
    told = tuple(f"{move.camera}: {_sentence(move)}" for move in placement.moves if move.target)
    moves = (*before.moves, *told)[-_MOVES_KEPT:]
    return Verdict(dict(placement.assignment.unplaced), dict(placement.assignment.held_back), moves)
