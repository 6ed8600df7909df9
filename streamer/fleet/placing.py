"""Placement as it runs: reads who lives and what is wanted, decides, and writes down who watches what.

It keeps nothing that it could not read again: one that is started anew goes on from the shares in Redis. Two at once
are harmless: only the one that holds the lease of placement writes.
"""

from __future__ import annotations

import logging
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
        self._config: tuple[Written, Config] | None = None
        self.leads = False

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
        now = {camera: node for node, share in seen.shares.items() for camera in share.cameras}
        placement = _placed(config, seen, living, now)
        shares = _shares(placement, seen, living)
        gone = [node for node in (seen.beats.keys() | seen.shares.keys()) if node not in living]
        changed = {node: share for node, share in shares.items() if seen.shares.get(node) != share}
        verdict = _verdict(placement, seen.verdict)
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


def _placed(config: Config, seen: Picture, living: frozenset[str], now: dict[str, str]) -> Placement:
    beats = [seen.beats[node] for node in sorted(living)]
    reference = reference_of(beats)
    nodes = [node_of(beat, reference, draining=beat.node in seen.draining) for beat in beats]
    return place(demands_of(config, reference), nodes, now)


def _shares(placement: Placement, seen: Picture, living: frozenset[str]) -> dict[str, Share]:
    moved = {move.camera: _sentence(move) for move in placement.moves if move.target}
    shares = {}
    for node in living:
        before = seen.shares.get(node, Share()).cameras
        shares[node] = Share({name: moved.get(name) or before.get(name, "") for name in placement.assignment.of(node)})
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
