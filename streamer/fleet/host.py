"""One node's house: takes the cameras of its share, lets go of others, and says twice a second that it lives.

    turn:  what is wanted of me? ─▶ let go (hand over) ─▶ take (lease, what was left) ─▶ change the running house

The beat has a thread of its own: a camera that takes long to connect must not make the node look dead.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from streamer.assembly.camera import build_source
from streamer.assembly.house import House, open_house
from streamer.assembly.model import ModelOf, model_here
from streamer.assembly.moving import MovingCamera
from streamer.assembly.unit import MakeSource
from streamer.clock import Clock
from streamer.cluster.capacity import rates_of
from streamer.cluster.estate import Estate, what_is_open
from streamer.cluster.handover import Handover, encode_handover
from streamer.cluster.held import HeldLeases
from streamer.cluster.leases import LeaseStore, Taken
from streamer.cluster.state import Beat, ClusterState, Share, Written
from streamer.config import CameraConfig, Config
from streamer.config.load import config_of
from streamer.config.model import NodeConfig
from streamer.errors import ConfigError, SinkUnavailable
from streamer.fleet.overlap import Arrivals, Departures
from streamer.fleet.streams import StreamMeter
from streamer.ledger import CameraState
from streamer.service import ServiceReport
from streamer.sinks.fencing import FENCED, NEVER_HELD
from streamer.sinks.outbox import Outbox
from streamer.types import AlertChange
from streamer.workers import Deadline, Worker

_log = logging.getLogger("streamer.fleet")

BEAT_EVERY_S = 0.5
TURN_EVERY_S = 0.3
CHECKPOINT_EVERY_S = 3.0
AGAIN_AFTER_S = 5.0
"""When a camera that could not be built is tried again."""
_SENT_EVERY_S = 0.02
_HANDED_OVER_WITHIN_S = 10.0


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What a node is. labels: such as `site=berlin`; cores: that placement may count on."""

    name: str
    cores: float
    gpus: int = 0
    labels: tuple[str, ...] = ()


@dataclass(slots=True)
class _Books:
    """What has been counted so far; of cameras handed over in order: how many frames came, and were lost by that."""

    received: int = 0
    lost: int = 0
    problems: dict[str, str] = field(default_factory=dict)
    again_at_s: dict[str, float] = field(default_factory=dict)


class Host:
    """Runs one node until stop(), which may come from any thread."""

    def __init__(
        self,
        url: str,
        facts: NodeFacts,
        clock: Clock,
        make_source: MakeSource = build_source,
        model_of: ModelOf = model_here,
    ) -> None:
        self._facts, self._clock, self._make_source, self._model_of = facts, clock, make_source, model_of
        self._url = url
        self._state = ClusterState(url)
        self._estate = Estate(url, clock)
        self._held: HeldLeases | None = None
        self._arriving: dict[str, Handover] = {}
        self._leaving: dict[str, MovingCamera] = {}
        self._lost: set[str] = set()
        self._lost_lock = threading.Lock()
        self._departures = Departures()
        self._meter = StreamMeter()
        self._overlapping: frozenset[str] = frozenset()  # cameras that two nodes may read at once
        self._books = _Books()
        self._number = self._done_number = 0
        self._count = 0
        self._stopping = threading.Event()
        self._soon = threading.Event()

    def run(self) -> ServiceReport | None:
        """Wait for a configuration, run the house and the cameras of the share; returns when told to stop, or when the
        house ended by itself: then the report says why. Raises what opening the house raises."""
        written = self._first_configuration()
        if written is None:
            return None
        config = self._config_of(written)
        with open_house(
            config.model_copy(update={"cameras": {}}),
            self._clock,
            f"configuration {written.number} of the cluster",
            make_source=self._make_source,
            epoch_of=self._epoch_of,
            arrives=self._arrives,
            model_of=self._model_of,
        ) as house:
            return self._run(house, config, written.number)

    def stop(self) -> None:
        """Hand everything over, then end; from any thread."""
        self._stopping.set()
        self._soon.set()

    # --- inside -------------------------------------------------------------------------------------------------------

    def _first_configuration(self) -> Written | None:
        while not self._stopping.is_set():
            with contextlib.suppress(SinkUnavailable):
                written, _ = self._state.task_of(self._facts.name)
                if written is not None:
                    return written
            self._stopping.wait(TURN_EVERY_S)
        return None

    def _config_of(self, written: Written) -> Config:
        """As this machine reads it: with its own environment, and a folder of its own for what it keeps.

        Where cameras may be is placement's affair: a change of that is no reason to connect to them anew.
        """
        config = config_of(written.text, Path(written.path), written.path)
        self._overlapping = frozenset(name for name, each in config.cameras.items() if each.node.overlap)
        anywhere = {name: each.model_copy(update={"node": NodeConfig()}) for name, each in config.cameras.items()}
        own = {"data_dir": config.data_dir / self._facts.name, "cameras": anywhere}
        if config.inference.apart:  # how many pictures the inference nodes have time for is placement's affair too
            own["inference"] = config.inference.model_copy(update={"when_full": "admit"})
        return config.model_copy(update=own)

    def _run(self, house: House, config: Config, number: int) -> ServiceReport:
        service, outbox = house.service, house.delivery.outbox
        assert house.warming is not None
        arrivals = Arrivals(house.warming)
        held = HeldLeases(LeaseStore(self._url, f"{self._facts.name}/{outbox.uuid}"), self._clock, self._has_lost)
        self._held, self._number = held, number
        house.metrics.read_from(held.rows)
        reports: list[ServiceReport] = []

        def run_service() -> None:
            with service.held_open():  # a node without cameras waits for some
                reports.append(service.run())
            self.stop()

        rates = _measured(config)
        running = Worker("cluster:house", run_service, self.stop)
        beating = Worker("cluster:beat", lambda: self._beat(house, held, arrivals, rates), self.stop)
        held.start(self.stop)
        for worker in (running, beating):
            worker.start()
        _log.info("node %s is ready", self._facts.name, extra={"event": "node_ready", "node": self._facts.name})
        try:
            self._turns(house, held, arrivals, config)
        finally:
            self._end(house, held, arrivals, running, beating)
        return reports[0] if reports else ServiceReport({}, ("the house",), {})

    def _turns(self, house: House, held: HeldLeases, arrivals: Arrivals, config: Config) -> None:
        checkpoint_s = self._clock.monotonic()
        in_trouble = False
        while not self._stopping.is_set():
            try:
                config = self._turn(house, held, arrivals, config)
                if self._clock.monotonic() - checkpoint_s >= CHECKPOINT_EVERY_S:
                    checkpoint_s = self._clock.monotonic()
                    self._checkpoint(house, held)
                in_trouble = False
            except SinkUnavailable as error:
                if not in_trouble:
                    _log.warning("what is wanted of this node cannot be read, it goes on as before: %s", error)
                in_trouble = True
            self._soon.wait(TURN_EVERY_S)
            self._soon.clear()

    def _turn(self, house: House, held: HeldLeases, arrivals: Arrivals, config: Config) -> Config:
        """Look once at what is wanted, and do it. Raises SinkUnavailable."""
        written, share = self._state.task_of(self._facts.name)
        if written is not None and written.number != self._number:
            config = self._brought_in(written, config)
        self._drop_lost(house)
        here = house.changing.in_force().cameras
        wanted = {name: config.cameras[name] for name in share.cameras if name in config.cameras}
        still = self._not_yet(share, [name for name in here if name not in wanted and name in config.cameras])
        self._let_go(house, held, [name for name in here if name not in wanted and name not in still])
        self._hand_over(house, held)
        coming = [name for name in wanted if name not in here and self._may_come(name)]
        taken = self._take(house, held, coming, share)
        others = {name: wanted[name] for name in coming if name not in taken and name in self._overlapping}
        arrivals.turn(others, taken)
        stays = {name: config.cameras[name] for name in here if name in wanted or name in still}
        self._change(house, {**stays, **{name: wanted[name] for name in taken}})
        self._give_back_what_failed(house, held, taken)
        self._books.problems = {name: why for name, why in self._books.problems.items() if name in wanted or not name}
        self._done_number = self._number
        return config

    def _brought_in(self, written: Written, config: Config) -> Config:
        self._number = written.number
        self._books.again_at_s.clear()
        self._books.problems.pop("", None)
        try:
            return self._config_of(written)
        except ConfigError as error:
            self._books.problems[""] = f"configuration {written.number} is refused here: {error}"
            _log.error("configuration %d is refused here, the one before stays: %s", written.number, error)
            return config

    def _not_yet(self, share: Share, leaving: Sequence[str]) -> frozenset[str]:
        """Of cameras that are to leave, those whose next node does not read them yet. Raises SinkUnavailable."""
        going = {name: share.going[name] for name in leaving if name in share.going}
        beats = self._state.beats_of(set(going.values()))
        return self._departures.waiting(going, beats, self._clock.monotonic())

    def _may_come(self, name: str) -> bool:
        return name not in self._leaving and self._books.again_at_s.get(name, 0.0) <= self._clock.monotonic()

    def _let_go(self, house: House, held: HeldLeases, going: Sequence[str]) -> None:
        """Take cameras out of the house; what they leave is handed over when the last of theirs is told."""
        if not going:
            return
        assert house.moving is not None
        units = {unit.camera: unit for unit in house.service.cameras}
        for name in going:
            moving = house.moving(name)
            moving.will_leave()
            if name in held.cameras:
                self._leaving[name] = moving
        config = house.changing.in_force()
        kept = {name: camera for name, camera in config.cameras.items() if name not in going}
        house.changing.change(config.model_copy(update={"cameras": kept}))
        for name in going:
            counts = units[name].ledger.counts()
            self._books.received += counts.received
            self._books.lost += counts.dropped.get("shutdown", 0)
            _log.info("camera %r was let go: %s", name, counts.as_dict(), extra={"camera": name, "event": "let_go"})

    def _hand_over(self, house: House, held: HeldLeases) -> None:
        """Give back the leases of cameras that were let go and have nothing more to tell; others have to wait."""
        outbox, deadline = house.delivery.outbox, Deadline(_HANDED_OVER_WITHIN_S)
        for name, moving in list(self._leaving.items()):
            if name not in held.cameras:  # taken by somebody else meanwhile
                del self._leaving[name]
                outbox.let_go_of(name)
                continue
            while _has_more_to_tell(house, name) and deadline.remaining() and not self._lost:
                time.sleep(_SENT_EVERY_S)
            if outbox.waiting_of(name):
                continue
            left = moving.left(self._clock.now(), f"the camera left {self._facts.name}")
            held.leave({name: encode_handover(left)})
            outbox.let_go_of(name)
            del self._leaving[name]

    def _take(self, house: House, held: HeldLeases, coming: Sequence[str], share: Share) -> list[str]:
        """Leases of cameras that are free, and what their last owners left. Others are asked for again next time."""
        if not coming:
            return []
        answers = held.take(coming)
        taken = {name: answer for name, answer in answers.items() if isinstance(answer, Taken)}
        if not taken:
            return []
        outbox: Outbox = house.delivery.outbox
        waiting: dict[str, list[AlertChange]] = {}
        for name, answer in taken.items():
            outbox.fence_older(name, answer.epoch, FENCED)
            if not answer.resumed:
                outbox.let_go_of(name)
            waiting[name] = outbox.waiting_of(name)
        left = self._estate.of({name: share.cameras[name] for name in taken})
        for name, each in left.items():
            in_order = not taken[name].resumed and not taken[name].before  # else it is not of the last owner
            seen = each.seen if in_order else None
            self._arriving[name] = replace(each, open=what_is_open(each.open, waiting[name]), seen=seen)
        return list(taken)

    def _change(self, house: House, cameras: Mapping[str, CameraConfig]) -> None:
        """All at once; where that cannot be at all, camera by camera: one that is refused keeps no other out."""
        in_force = house.changing.in_force()
        for name, camera in cameras.items():
            if in_force.cameras.get(name) == camera:
                self._books.problems.pop(name, None)
        if dict(in_force.cameras) == dict(cameras):
            return
        try:
            self._change_to(house, cameras)
        except ConfigError:
            for name, camera in cameras.items():
                here = house.changing.in_force().cameras
                try:
                    if here.get(name) != camera:
                        self._change_to(house, {**here, name: camera})
                except ConfigError as error:
                    self._books.problems[name] = str(error)

    def _change_to(self, house: House, cameras: Mapping[str, CameraConfig]) -> None:
        in_force = house.changing.in_force()
        changed = house.changing.change(in_force.model_copy(update={"cameras": dict(cameras)}))
        for outcome in changed.cameras:
            if outcome.problem is None:
                self._books.problems.pop(outcome.camera, None)
            else:
                self._books.problems[outcome.camera] = outcome.problem

    def _give_back_what_failed(self, house: House, held: HeldLeases, taken: Sequence[str]) -> None:
        here = house.changing.in_force().cameras
        failed = {name: encode_handover(self._arriving[name]) for name in taken if name not in here}
        for name in failed:
            self._books.again_at_s[name] = self._clock.monotonic() + AGAIN_AFTER_S
        self._arriving.clear()
        if failed:
            held.leave(failed)

    def _drop_lost(self, house: House) -> None:
        """Others speak for these now: nothing is to be handed over, and nothing of theirs is this node's to close."""
        with self._lost_lock:
            lost, self._lost = self._lost, set()
        here = [name for name in house.changing.in_force().cameras if name in lost]
        assert self._held is not None
        self._let_go(house, self._held, [name for name in here if name not in self._held.cameras])
        for name in lost - self._held.cameras:
            house.delivery.outbox.let_go_of(name)

    def _checkpoint(self, house: House, held: HeldLeases) -> None:
        assert house.moving is not None
        now = self._clock.now()
        here = held.cameras & house.changing.in_force().cameras.keys()
        left = {name: encode_handover(house.moving(name).checkpoint(now, "checkpoint")) for name in sorted(here)}
        if left:
            held.checkpoint(left)

    def _end(self, house: House, held: HeldLeases, arrivals: Arrivals, running: Worker, beating: Worker) -> None:
        self._stopping.set()
        arrivals.close()
        try:
            if running.alive:
                self._let_go(house, held, list(house.changing.in_force().cameras))
                self._hand_over(house, held)
            self._state.leave(self._facts.name)
        except SinkUnavailable as error:
            _log.warning("cameras could not be handed over, their leases run out instead: %s", error)
        house.service.stop()
        deadline = Deadline(_HANDED_OVER_WITHIN_S)
        for worker in (running, beating):
            if not worker.join(deadline):
                _log.warning("%s did not end in time and was left behind", worker.name)
        held.close()
        self._estate.close()
        self._state.close()

    def _beat(self, house: House, held: HeldLeases, arrivals: Arrivals, rates: Mapping[str, Any] | None) -> None:
        while not self._stopping.is_set():
            with contextlib.suppress(SinkUnavailable):  # the renewing thread says it
                self._state.beat(self._said(house, held, arrivals, rates))
            self._stopping.wait(BEAT_EVERY_S)

    def _said(self, house: House, held: HeldLeases, arrivals: Arrivals, rates: Mapping[str, Any] | None) -> Beat:
        self._count += 1
        stats, facts = house.delivery.stats(), self._facts
        feed_fenced = 0 if stats.feed is None else stats.feed.fenced
        return Beat(
            node=facts.name,
            count=self._count,
            owner=f"{facts.name}/{house.delivery.outbox.uuid}",
            pid=os.getpid(),
            number=self._done_number,
            cameras=tuple(sorted(held.cameras & house.changing.in_force().cameras.keys())),
            problems=dict(self._books.problems),
            metrics=house.telemetry.address if house.telemetry else None,
            labels=facts.labels,
            cores=facts.cores,
            gpus=facts.gpus,
            rates=rates,
            fenced=sum(each.fenced for each in stats.receivers) + feed_fenced,
            received=self._books.received,
            lost=self._books.lost,
            warmth=arrivals.warmth,
            streams=self._meter.look(_sent(house), self._clock.monotonic()),
        )

    def _epoch_of(self, camera: str) -> int:
        return NEVER_HELD if self._held is None else self._held.epoch_of(camera)

    def _arrives(self, moving: MovingCamera) -> list[AlertChange]:
        left = self._arriving.get(moving.camera)
        return [] if left is None else moving.arrive(left)

    def _has_lost(self, cameras: frozenset[str]) -> None:
        with self._lost_lock:
            self._lost |= cameras
        self._soon.set()


def _sent(house: House) -> dict[str, tuple[CameraState, int]]:
    """Camera → how its link is, and how many frames came from it so far."""
    return {unit.camera: (unit.status.state(), unit.ledger.counts().received) for unit in house.service.cameras}


def _has_more_to_tell(house: House, camera: str) -> bool:
    """Alert changes in the outbox, or frames that the live feed has not shown yet (of whichever camera)."""
    feed = house.delivery.stats().feed
    return bool(house.delivery.outbox.waiting_of(camera)) or (feed is not None and feed.waiting > 0)


def _measured(config: Config) -> dict[str, Any] | None:
    """What `streamer bench --json` wrote on this machine, if the configuration names it."""
    path = config.inference.capacity
    return None if path is None else asdict(rates_of(json.loads(path.read_text(encoding="utf-8")), str(path)))
