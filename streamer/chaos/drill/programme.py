"""All drills of a run: which fault on which ground, cameras beside each other, everything else one after the other."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamer.chaos.camera.coded_clip import CodedClip
from streamer.chaos.disk import problem_with_failing, problem_with_mounting
from streamer.chaos.drill.audit import Audit, audit
from streamer.chaos.drill.faults import Fault
from streamer.chaos.drill.ground import Ground, Plan
from streamer.chaos.drill.trial import Outcome, run_trial
from streamer.chaos.errors import ChaosError
from streamer.chaos.process import wait_until

CAMERA_LANES, NETWORK_LANES = 4, 2
UNHARMED = "unharmed"
"""The camera to which nothing is ever done."""
_DELIVERED_WITHIN_S = 60.0
_ARRIVED_WITHIN_S = 10.0
_BEFORE_IT_BEGAN = 5  # pictures that FFmpeg may let go of while it learns what the camera sends

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Stay:
    """One ground from its beginning to its end. sent, received: pictures of the camera that nobody harmed, before the
    first fault that spares nobody."""

    outcomes: tuple[Outcome, ...]
    audit: Audit
    sent: int
    received: int

    @property
    def problems(self) -> list[str]:
        """What was wrong in all, besides what the outcomes say."""
        found = [] if self.audit.clean else [f"alerts of the whole run: {', '.join(self.audit.examples)}"]
        if self.sent - self.received > _BEFORE_IT_BEGAN:
            found.append(f"of {self.sent} pictures of the camera that nobody harmed {self.received} were received")
        return found


@dataclass(frozen=True, slots=True)
class Camp:
    """A ground that is still to be set up, and the faults to be tried there. lanes: camera → its faults, in order."""

    plan: Plan
    lanes: Mapping[str, Sequence[Fault]]
    one_by_one: Sequence[Fault]


def camps(faults: Sequence[Fault], cameras: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]) -> list[Camp]:
    """Where these faults are tried: capture processes and a failing disk need grounds of their own.

    cameras: settings of cameras, taken in turn; settings: the rest of the configuration.
    """
    found = []
    possible = [fault for fault in faults if fault.name not in left_out(faults)]
    crew = [fault for fault in possible if fault.target == "member"]
    failing = [fault for fault in possible if (fault.target, fault.command) == ("disk", "fail")]
    rest = [fault for fault in possible if fault not in crew and fault not in failing]
    if rest:
        lanes = _lanes(rest)
        watched = [*lanes, UNHARMED]
        full = any(fault.target == "disk" for fault in rest)
        plan = Plan(
            {name: cameras[i % len(cameras)] for i, name in enumerate(watched)},
            frozenset(name for name in lanes if name.startswith("network")),
            {**settings, "capture": {"processes": 0}},
            disk="small" if full and problem_with_mounting() is None else None,
            own_clock=any(fault.target == "clock" for fault in rest),
        )
        found.append(Camp(plan, lanes, [fault for fault in rest if fault.target not in ("camera", "network")]))
    two = {"gate": cameras[0], UNHARMED: cameras[-1]}
    if crew:
        found.append(Camp(Plan(two, settings={**settings, "capture": {"processes": 1}}), {}, crew))
    if failing:
        found.append(Camp(Plan(two, settings=settings, disk="failing"), {}, failing))
    return found


def left_out(faults: Sequence[Fault]) -> dict[str, str]:
    """Faults that cannot be brought about on this machine, and why."""
    needs = {"fail": problem_with_failing, "evidence": problem_with_mounting}
    wanting = {
        fault.name: needs[fault.command] for fault in faults if fault.target == "disk" and fault.command in needs
    }
    return {name: why for name, problem in wanting.items() if (why := problem())}


def stay(camp: Camp, folder: Path, clips: Sequence[CodedClip], say: Say = lambda _: None) -> Stay:
    """Set the ground up, try everything on it, and read the books at the end. Raises ChaosError."""
    with Ground(folder, clips, camp.plan) as ground:
        say(f"{len(camp.plan.cameras)} cameras are watched after {ground.wait_until_all_are_watched():.1f} s")

        def one(fault: Fault, camera: str, others: Collection[str]) -> Outcome:
            outcome = run_trial(ground, fault, camera, others)
            say(told(outcome))
            return outcome

        outcomes: list[Outcome] = []
        if camp.lanes:
            with ThreadPoolExecutor(len(camp.lanes)) as pool:
                done = pool.map(lambda name: [one(fault, name, [UNHARMED]) for fault in camp.lanes[name]], camp.lanes)
                outcomes += [outcome for lane in done for outcome in lane]
        books: tuple[int, int] | None = None
        for fault in camp.one_by_one:
            if books is None and not fault.spares_others:
                books = _sent_and_received(ground)
            outcomes.append(one(fault, UNHARMED, list(camp.plan.cameras)))
        sent, received = books or _sent_and_received(ground)
        ground.service.stop()
        due = ground.onlooker.stored()
        with contextlib.suppress(ChaosError):  # what is missing then is told by the audit
            wait_until(lambda: ground.onlooker.has_seen(due), _DELIVERED_WITHIN_S, "all alerts are delivered")
        found = audit(due, [(change.id, change.seq) for change in ground.onlooker.alerts])
        return Stay(tuple(outcomes), found, sent, received)


def _sent_and_received(ground: Ground) -> tuple[int, int]:
    sent = ground.cameras[UNHARMED].sent
    with contextlib.suppress(ChaosError):
        wait_until(lambda: ground.received(UNHARMED) >= sent, _ARRIVED_WITHIN_S, "all pictures have arrived")
    return sent, ground.received(UNHARMED)


def told(outcome: Outcome) -> str:
    """One line about an outcome."""
    if outcome.problems:
        return f"FAILED    {outcome.fault}: {'; '.join(outcome.problems)}"
    return (
        f"{'survived' if outcome.in_time else 'LATE    '}  {outcome.fault}: well again after {outcome.recovery_s:.2f} s"
    )


def _lanes(faults: Sequence[Fault]) -> dict[str, list[Fault]]:
    cameras = [fault for fault in faults if fault.target == "camera"]
    networks = [fault for fault in faults if fault.target == "network"]
    lanes = {f"camera{i}": cameras[i::CAMERA_LANES] for i in range(CAMERA_LANES)}
    lanes |= {f"network{i}": networks[i::NETWORK_LANES] for i in range(NETWORK_LANES)}
    return {name: lane for name, lane in lanes.items() if lane}
