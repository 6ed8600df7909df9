"""One fault on a drill ground: break, wait for what must be seen, mend, and measure until everything works again."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass

from streamer.chaos.drill.audit import audit
from streamer.chaos.drill.faults import Fault
from streamer.chaos.drill.ground import Ground
from streamer.chaos.drill.signs import Evidence, Samples, Sign, total
from streamer.types import AlertChange

SEEN_WITHIN_S = 60.0
RECOVERS_WITHIN_S = 60.0
"""Far beyond what is promised: a busy machine makes a trial slow, not wrong. The promise is judged by the record."""
_LOOK_S = 0.05
_LATELY_S = 2 * RECOVERS_WITHIN_S  # what is taken after the cause is gone is not taken in some distant future either


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one fault. recovery_s: from the end of the cause; None where it never recovered."""

    fault: str
    cause: str
    expected: tuple[str, ...]
    may_lose: str
    recover_within_s: float
    recovery_s: float | None
    alerts: int
    lost: int
    doubled: int
    out_of_order: int
    others_dropped: int
    problems: tuple[str, ...]

    @property
    def survived(self) -> bool:
        """All that must be seen was seen, and everything worked again."""
        return not self.problems

    @property
    def in_time(self) -> bool:
        """Whether it recovered as soon as is promised."""
        return self.recovery_s is not None and self.recovery_s <= self.recover_within_s


def run_trial(ground: Ground, fault: Fault, camera: str, others: Collection[str] = ()) -> Outcome:
    """Everything works when this begins and, unless the outcome says otherwise, when it ends.

    camera: who has the fault, where it is a camera's; others: cameras that nobody harms meanwhile.
    """
    look = _Look(ground, camera)
    problems: list[str] = []
    ground.do(fault.target, fault.command, camera)
    broken_s, gone_s, gone_at = time.monotonic(), time.monotonic(), time.time()
    if fault.over_with is not None:
        problems += look.wait_for([fault.over_with], "while it lasts")
        gone_s, gone_at = time.monotonic(), time.time()
    elif not fault.momentary:
        problems += look.wait_for(fault.signs, "while it lasts")
        time.sleep(max(0.0, broken_s + fault.holds_s - time.monotonic()))
        gone_s, gone_at = time.monotonic(), time.time()
        ground.mend(fault.target, camera)
        gone_s, gone_at = max(gone_s, time.monotonic()), max(gone_at, time.time())
    due = ground.onlooker.stored()
    recovered_s = _until_recovered(ground, fault, camera, gone_s, gone_at, set(due))
    if recovered_s is None:
        problems.append(f"not recovered within {RECOVERS_WITHIN_S:g} s")
    if fault.momentary or fault.over_with is not None:
        problems += look.wait_for(fault.signs, "afterwards")
    problems += look.wait_for(fault.after, "afterwards")
    found = audit(due, [(change.id, change.seq) for change in ground.onlooker.alerts])
    if not found.clean:
        problems.append(f"alerts: {', '.join(found.examples)}")
    dropped = look.dropped_by(others) if fault.spares_others else 0
    if dropped:
        problems.append(f"cameras that nobody harmed lost {dropped} frames")
    return Outcome(
        fault.name,
        fault.cause,
        tuple(sign.told() for sign in (*fault.signs, *fault.after)),
        fault.may_lose,
        fault.recover_within_s,
        None if recovered_s is None else round(max(0.0, recovered_s - gone_s), 3),
        found.sent,
        found.lost,
        found.doubled,
        found.out_of_order,
        dropped,
        tuple(problems),
    )


def _until_recovered(
    ground: Ground, fault: Fault, camera: str, gone_s: float, gone_at: float, due: set[tuple[str, int]]
) -> float | None:
    """When the last of these came: a picture of every camera concerned that was taken after the cause was gone, and
    every alert change that was stored before."""
    concerned = [camera] if fault.target in ("camera", "network") else list(ground.cameras)
    taken_after = gone_at + ground.clock_ahead_s
    came_s: dict[str, float] = {}
    told_s: float | None = None
    while time.monotonic() - gone_s < RECOVERS_WITHIN_S:
        for name in concerned:
            frame = ground.onlooker.frame(name)
            if name in came_s or frame is None or frame.arrived_s < gone_s:
                continue
            if 0 <= frame.captured_at - taken_after <= _LATELY_S:
                came_s[name] = frame.arrived_s
        if told_s is None and ground.onlooker.has_seen(due):
            told_s = time.monotonic()
        if told_s is not None and len(came_s) == len(concerned):
            return max(*came_s.values(), told_s)
        time.sleep(_LOOK_S)
    return None


class _Look:
    """What is seen from the moment at which this was made."""

    def __init__(self, ground: Ground, camera: str) -> None:
        self._ground, self._camera = ground, camera
        self._log_from = ground.onlooker.log_size()
        self._alerts_from = len(ground.onlooker.alerts)
        self._exits_from = len(ground.service.exits)
        self._before = ground.onlooker.metrics(time.monotonic())

    def wait_for(self, signs: Collection[Sign], when: str) -> list[str]:
        """Until all were seen, each at some moment; a sentence for each that was not."""
        began_s = time.monotonic()
        left, give_up_s = list(signs), began_s + SEEN_WITHIN_S
        while left and time.monotonic() < give_up_s:
            evidence = self._evidence(began_s)
            left = [sign for sign in left if not sign.is_seen(evidence)]
            if left:
                time.sleep(_LOOK_S)
        return [f"not seen {when}: {sign.told()}" for sign in left]

    def dropped_by(self, cameras: Collection[str]) -> int:
        """Frames that these cameras lost meanwhile, for whatever reason."""
        after = self._ground.onlooker.metrics()
        return sum(int(_dropped(after, name) - _dropped(self._before, name)) for name in cameras)

    def _evidence(self, not_before_s: float) -> Evidence:
        onlooker = self._ground.onlooker
        alerts: list[AlertChange] = onlooker.alerts[self._alerts_from :]
        return Evidence(
            self._camera,
            alerts,
            self._before,
            onlooker.metrics(not_before_s),  # an older page may say what was so before
            onlooker.log_since(self._log_from),
            self._ground.service.exits[self._exits_from :],
        )


def _dropped(samples: Samples, camera: str) -> float:
    return total(samples, "streamer_frames_total", {"camera": camera, "outcome": "dropped"}) or 0.0
