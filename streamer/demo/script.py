"""Who walks and drives where in the drawn street: a play of known length that starts again when it ends.

All moves are tracks of way points in metres and seconds on a circle of `period_s`, so a clip of one period loops
without a seam, and what happens in it is known before anything is drawn.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from streamer.demo.cars import Body
from streamer.demo.people import Look
from streamer.demo.perspective import Point

NEAR_PAVEMENT_Z = (-3.5, 0.0)
ROAD_Z = (0.0, 7.0)
FAR_PAVEMENT_Z = (7.0, 10.5)
YARD_Z = (10.6, 19.0)
STREET_END_M = 30.0
"""People come from and go to this far along the street, cars half as far again."""
_LANES = ((1.8, -1.0), (5.2, 1.0))  # z of the middle, direction along x
_CLEAR_S = 1.6


@dataclass(frozen=True)
class Ground:
    """Where the places of one street lie along x: what changes from street to street."""

    gate_x: float = 0.5
    yard_x: tuple[float, float] = (-5.0, 7.0)
    crossing_x: float = -8.0


@dataclass(frozen=True)
class Pose:
    """Where an actor is at one moment: metres, radians (0 along +x), metres walked so far, and how fast it goes."""

    x: float
    z: float
    heading_rad: float
    walked_m: float
    speed_m_s: float


@dataclass(frozen=True)
class Way:
    """A path through time: times_s rise; between two way points the speed is even."""

    times_s: tuple[float, ...]
    points: tuple[Point, ...]
    walked_m: tuple[float, ...] = field(init=False)
    headings: tuple[float, ...] = field(init=False)

    def __post_init__(self) -> None:
        walked, headings, total, heading = [0.0], [], 0.0, 0.0
        for (ax, az), (bx, bz) in zip(self.points, self.points[1:], strict=False):
            step = math.hypot(bx - ax, bz - az)
            if step > 1e-6:
                heading = math.atan2(bz - az, bx - ax)
            total += step
            walked.append(total)
            headings.append(heading)
        object.__setattr__(self, "walked_m", tuple(walked))
        object.__setattr__(self, "headings", tuple(headings))

    def at(self, t_s: float) -> Pose | None:
        """The pose at this time; None before it enters and after it left."""
        if not self.times_s[0] <= t_s < self.times_s[-1]:
            return None
        leg = bisect_right(self.times_s, t_s) - 1
        t0, t1 = self.times_s[leg], self.times_s[leg + 1]
        share = (t_s - t0) / (t1 - t0)
        (ax, az), (bx, bz) = self.points[leg], self.points[leg + 1]
        w0, w1 = self.walked_m[leg], self.walked_m[leg + 1]
        return Pose(
            ax + (bx - ax) * share,
            az + (bz - az) * share,
            self.headings[leg],
            w0 + (w1 - w0) * share,
            (w1 - w0) / (t1 - t0),
        )


@dataclass(frozen=True)
class Actor:
    """Somebody with a look and a way."""

    identity: int
    look: Look | Body
    way: Way


class Itinerary:
    """A way in the making, written as one would tell it: start here, walk there, wait."""

    def __init__(self, start_s: float, place: Point) -> None:
        self._times, self._points = [start_s], [place]

    @property
    def now_s(self) -> float:
        """When the last way point is reached."""
        return self._times[-1]

    def go(self, place: Point, speed_m_s: float) -> Itinerary:
        """Move in a straight line at an even speed."""
        (ax, az), (bx, bz) = self._points[-1], place
        seconds = math.hypot(bx - ax, bz - az) / speed_m_s
        if seconds > 1e-6:
            self._times.append(self._times[-1] + seconds)
            self._points.append(place)
        return self

    def wait(self, seconds: float) -> Itinerary:
        """Stay where you are."""
        self._times.append(self._times[-1] + seconds)
        self._points.append(self._points[-1])
        return self

    def ease(self, place: Point, speed_m_s: float, *, braking: bool) -> Itinerary:
        """Move while slowing down to a stand, or speeding up from one, in a few even steps."""
        (ax, az), (bx, bz) = self._points[-1], place
        steps = 6
        for i in range(1, steps + 1):
            share = 1 - (1 - i / steps) ** 2 if braking else (i / steps) ** 2
            middle = 1 - (i - 0.5) / steps if braking else (i - 0.5) / steps
            self.go((ax + (bx - ax) * share, az + (bz - az) * share), max(0.5, speed_m_s * middle))
        return self

    def way(self) -> Way:
        """What was told."""
        return Way(tuple(self._times), tuple(self._points))


def write_play(seed: int, period_s: float, ground: Ground, crowd: float = 1.0) -> list[Actor]:
    """All actors of one play, repeatable from the seed. crowd scales how many people come.

    Every play has intruders, loiterers, a group that meets, people who cross the road and a car that stops; the first
    intruder climbs into the yard about three seconds after the start.
    """
    chance = random.Random(seed)
    ways: list[tuple[Callable[[random.Random], Look | Body], Way]] = []
    cars = _traffic(chance, period_s)
    ways += [(Body.drawn_by, way) for way in cars]
    ways += [(Look.drawn_by, way) for way in _people(chance, period_s, ground, cars, crowd)]
    late = max(way.times_s[-1] - way.times_s[0] for _, way in ways)
    if late > period_s:
        raise ValueError(f"a play of {period_s} s is too short: somebody needs {late:.1f} s to come and go")
    return [Actor(identity, look(chance), way) for identity, (look, way) in enumerate(ways)]


def _traffic(chance: random.Random, period_s: float) -> list[Way]:
    # Each lane is cut into slots, so that a car never meets the one ahead; the one that stops gets a long slot.
    ways: list[Way] = []
    far = STREET_END_M * 1.5
    for lane, (z, direction) in enumerate(_LANES):
        t = lane * 4.0 + chance.uniform(0, 2)
        end = t + period_s
        nth = 0
        while True:
            nth += 1
            speed = chance.uniform(6.5, 8.5)
            stop = nth == 2
            gap = (13.5 if stop else 4.5) + chance.uniform(0, 4.5)
            if t + gap > end:
                break
            plan = Itinerary(t, (-direction * far, z))
            if stop:
                kerb = 1.25 if direction < 0 else 5.75
                halt = chance.uniform(-2, 6)
                plan.go((halt - direction * 9, z), speed).ease((halt, kerb), speed, braking=True)
                plan.wait(chance.uniform(6.5, 8.0)).ease((halt + direction * 9, z), speed, braking=False)
            plan.go((direction * far, z), speed)
            ways.append(plan.way())
            t += gap
    return ways


def _people(chance: random.Random, period_s: float, ground: Ground, cars: Sequence[Way], crowd: float) -> list[Way]:
    ways: list[Way] = []

    def z_on(pavement: Point) -> float:
        return chance.uniform(pavement[0] + 0.5, pavement[1] - 0.5)

    def speed() -> float:
        return max(chance.uniform(1.05, 1.6), 2 * STREET_END_M / (period_s - 1))

    for i in range(round(11 * crowd)):  # passers-by
        z, direction = z_on(NEAR_PAVEMENT_Z if i % 2 else FAR_PAVEMENT_Z), chance.choice((-1, 1))
        start, pace = chance.uniform(0, period_s), speed()
        ways.append(
            Itinerary(start, (-direction * STREET_END_M, z))
            .go((direction * STREET_END_M, z + chance.uniform(-0.3, 0.3)), pace)
            .way()
        )
    # Intruders: through the gap in the fence, about the yard, and out again.
    ways += [_intruder(chance, ground, enters_s) for enters_s in (3.0, period_s * 0.55 + chance.uniform(0, 4))]
    for i in range(2):  # loiterers
        z = z_on(NEAR_PAVEMENT_Z if i else FAR_PAVEMENT_Z)
        spot, direction, pace = chance.uniform(-1.5, 1.5), chance.choice((-1, 1)), max(1.25, speed())
        start = period_s * (0.1 + 0.45 * i) + chance.uniform(0, 4)
        plan = Itinerary(start, (-direction * 15.0, z)).go((spot, z), pace).wait(chance.uniform(10, 12))
        ways.append(plan.go((spot + 0.6 * direction, z), 0.9).wait(2.0).go((direction * 18.0, z), pace).way())
    meeting_s, spot = period_s * 0.5 + chance.uniform(0, 5), chance.uniform(-1, 1)
    for i in range(round(5 * min(crowd, 1.5))):  # a group that meets on the near pavement
        angle = 2 * math.pi * i / 5 + chance.uniform(-0.2, 0.2)
        place = (spot + 1.1 * math.cos(angle), -1.7 + 0.8 * math.sin(angle))
        direction, pace = chance.choice((-1, 1)), max(1.25, speed())
        start_x = -direction * 16.0
        start = meeting_s - math.hypot(place[0] - start_x, 0.0) / pace + chance.uniform(-1.5, 1.5)
        plan = Itinerary(start, (start_x, place[1])).go(place, pace).wait(max(4.0, meeting_s + 8.0 - start - 16 / pace))
        ways.append(plan.go((chance.choice((-1, 1)) * 24.0, place[1]), pace).way())
    for i in range(round(4 * crowd)):  # people who cross the road where no car is
        crossed = _crosser(chance, period_s, ground, cars, outwards=bool(i % 2))
        if crossed is not None:
            ways.append(crossed)
    return ways


def _intruder(chance: random.Random, ground: Ground, enters_s: float) -> Way:
    x, pace = ground.gate_x, 1.35
    side = chance.choice((-1, 1))
    walk_in = (8.8, 11.0)
    start_x = x + side * 9.0
    lead_s = 9.0 / pace + (walk_in[1] - walk_in[0]) / pace
    low, high = ground.yard_x[0] + 1.5, ground.yard_x[1] - 1.5
    plan = Itinerary(enters_s - lead_s, (start_x, walk_in[0])).go((x, walk_in[0]), pace).go((x, walk_in[1]), pace)
    plan.go((chance.uniform(low, high), chance.uniform(12.5, 16.0)), pace).wait(chance.uniform(1.0, 2.5))
    plan.go((chance.uniform(low, high), chance.uniform(12.0, 15.0)), pace).wait(chance.uniform(0.5, 1.5))
    return plan.go((x, walk_in[1]), 1.6).go((x, walk_in[0]), 1.6).go((x - side * 20.0, walk_in[0]), 1.6).way()


def _crosser(
    chance: random.Random, period_s: float, ground: Ground, cars: Sequence[Way], *, outwards: bool
) -> Way | None:
    x = ground.crossing_x + chance.uniform(-1.0, 1.0)
    pace = chance.uniform(1.25, 1.7)
    near_z, far_z = -1.2, 8.2
    first, last = (near_z, far_z) if outwards else (far_z, near_z)
    seconds = (far_z - near_z) / pace
    for _ in range(60):
        begins = chance.uniform(0, period_s)
        steps = range(int(seconds / 0.4) + 1)
        if all(
            _road_free(cars, period_s, (x, first + (last - first) * 0.4 * i / seconds), begins + 0.4 * i) for i in steps
        ):
            side_a, side_b = chance.choice((-1, 1)), chance.choice((-1, 1))
            plan = Itinerary(begins - 16 / pace, (x + 16.0 * side_a, first)).go((x, first), pace)
            return plan.go((x, last), pace).go((x + 20.0 * side_b, last), pace).way()
    return None


def _road_free(cars: Sequence[Way], period_s: float, place: Point, t_s: float) -> bool:
    for when in (t_s - _CLEAR_S, t_s, t_s + _CLEAR_S):
        for way in cars:
            pose = on_circle(way, when, period_s)
            if pose is not None and abs(pose.x - place[0]) < 4.0 and abs(pose.z - place[1]) < 2.2:
                return False
    return True


def on_circle(way: Way, t_s: float, period_s: float) -> Pose | None:
    """The pose at t_s of a way that repeats every period; a way is never longer than one period."""
    first = way.times_s[0]
    return way.at(first + (t_s - first) % period_s)
