"""What stands in the drawn street: houses, trees, the yard's fence, lamps.

Everything is chosen before anyone looks where the camera is: a street looks the same from all its cameras.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from streamer.demo.brush import Brush
from streamer.demo.figures import Colour, ellipse, shade
from streamer.demo.perspective import NEAR_M, Point, Viewpoint
from streamer.demo.script import FAR_PAVEMENT_Z, NEAR_PAVEMENT_Z, YARD_Z, Ground

Thing = tuple[float, Callable[[], None], bool]
"""How far away it is, what paints it, and whether people can be behind it."""
_WALLS: tuple[Colour, ...] = (
    (186, 120, 92), (214, 196, 160), (168, 162, 152), (196, 150, 110), (150, 92, 78), (226, 216, 196), (140, 152, 158),
)  # fmt: skip
_ROOFS: tuple[Colour, ...] = ((112, 62, 50), (84, 84, 92), (96, 74, 62), (70, 78, 92))


def what_stands(view: Viewpoint, ground: Ground, brush: Brush, rng: np.random.Generator) -> list[Thing]:
    """All of it, from far to near."""
    street = _Standing(view, ground, brush, rng)
    things = street.houses() + street.trees() + street.fence() + street.lamps()
    return sorted(things, key=lambda thing: -thing[0])


class _Standing:
    def __init__(self, view: Viewpoint, ground: Ground, brush: Brush, rng: np.random.Generator) -> None:
        self._view, self._ground, self._brush, self._rng = view, ground, brush, rng

    def houses(self) -> list[Thing]:
        things = []
        x = -58.0
        while x < 58.0:
            width, depth, height = self._rng.uniform(8, 13), 8.0, self._rng.uniform(4.6, 8.5)
            beside_yard = x + width < self._ground.yard_x[0] - 0.5 or x > self._ground.yard_x[1] + 0.5
            front = 14.5 if beside_yard else 22.0
            things.append(self._house((x, x + width), (front, front + depth), height, faces=-1))
            things.append(self._house((x + 2, x + 2 + width * 0.9), (-34.0, -26.0), height * 0.9, faces=1))
            x += width + self._rng.uniform(0.8, 3.0)
        return [thing for thing in things if thing is not None]

    def _house(self, x: Point, z: Point, height: float, faces: int) -> Thing | None:
        wall = _WALLS[self._rng.integers(len(_WALLS))]
        roof, door = _ROOFS[self._rng.integers(len(_ROOFS))], self._rng.integers(1, 3)
        lit = self._rng.random(64) < 0.2
        corners = [(x[0], z[0]), (x[1], z[0]), (x[1], z[1]), (x[0], z[1])]
        depths = [self._view.depth(*corner) for corner in corners]
        beside_road = (z[0] if faces < 0 else -z[1]) > 0
        camera_side = self._view.z if faces < 0 else -self._view.z
        if beside_road and camera_side > min(abs(z[0]), abs(z[1])) - 4.0:
            return None  # it would stand between this camera and the street
        if max(depths) < NEAR_M or (x[0] - 2 < self._view.x < x[1] + 2 and z[0] - 2 < self._view.z < z[1] + 2):
            return None
        front, back = (z[0], z[1]) if faces < 0 else (z[1], z[0])
        floors = max(1, int(height / 2.8))

        def draw() -> None:
            sides = [((x[0], front), (x[0], back), 0.72), ((x[1], front), (x[1], back), 0.84)]
            self._brush.upright((x[0], back), (x[1], back), (0, height), shade(wall, 0.7))
            for a, b, light in sides:
                visible = (self._view.x < x[0]) if a[0] == x[0] else (self._view.x > x[1])
                if visible:
                    self._brush.upright(a, b, (0, height), shade(wall, light))
            self._roof(x, (front, back), height, roof)
            if (front - self._view.z) * faces < 0:
                self._front(x, front, height, floors, wall, int(door), lit)

        return sum(depths) / 4, draw, False

    def _roof(self, x: Point, z: Point, height: float, colour: Colour) -> None:
        v, ridge = self._view, (z[0] + z[1]) / 2
        corners = [(x[0] - 0.3, z[0]), (x[1] + 0.3, z[0]), (x[1] + 0.3, ridge), (x[0] - 0.3, ridge)]
        if min(v.depth(*corner) for corner in corners) < NEAR_M:
            return
        a, b, c, d = corners
        up = height + 2.0
        slope = [(a, height), (b, height), (c, up), (d, up)]
        self._brush.fill([v.pixel(px, y, pz) for (px, pz), y in slope], colour)
        for end in (x[0], x[1]):
            gable = [(end, height, z[0]), (end, up, ridge), (end, height, z[1])]
            outside = v.x < x[0] if end == x[0] else v.x > x[1]
            if outside and min(v.depth(px, pz) for px, _, pz in gable) > NEAR_M:
                self._brush.fill([v.pixel(*point) for point in gable], shade(colour, 1.3))

    def _front(
        self, x: Point, z: float, height: float, floors: int, wall: Colour, door: int, lit: NDArray[np.bool_]
    ) -> None:
        self._brush.upright((x[0], z), (x[1], z), (0, height), wall)
        self._brush.upright((x[0], z), (x[1], z), (0, 0.5), shade(wall, 0.75))
        bays = max(2, int((x[1] - x[0]) / 2.6))
        pitch = (x[1] - x[0]) / bays
        for floor in range(floors):
            for bay in range(bays):
                left = x[0] + pitch * (bay + 0.5)
                low = 1.0 + floor * height / floors
                if floor == 0 and bay == door:
                    self._brush.upright((left - 0.55, z), (left + 0.55, z), (0, 2.15), (74, 50, 40))
                    continue
                self._brush.upright((left - 0.68, z), (left + 0.68, z), (low - 0.08, low + 1.48), (232, 228, 218))
                glass = (200, 186, 130) if lit[floor * bays + bay] else (70, 86, 104)
                self._brush.upright((left - 0.58, z), (left + 0.58, z), (low, low + 1.4), glass)
                self._brush.upright((left - 0.03, z), (left + 0.03, z), (low, low + 1.4), (232, 228, 218))

    def trees(self) -> list[Thing]:
        places = [
            (float(x) + self._rng.uniform(-1, 1), 11.6)
            for x in range(-50, 51, 9)
            if not self._ground.yard_x[0] - 2 < x < self._ground.yard_x[1] + 2
        ]
        places += [(float(x) + self._rng.uniform(-1, 1), -6.5) for x in range(-46, 47, 11)]
        places += [(self._ground.yard_x[1] - 1.2, YARD_Z[1] - 1.0)]
        return [thing for place in places if (thing := self._tree(place)) is not None]

    def _tree(self, place: Point) -> Thing | None:
        tall, seed = self._rng.uniform(4.5, 7.0), int(self._rng.integers(1 << 31))
        depth = self._view.depth(*place)
        if depth < 15.0:  # a tree before the lens would hide the street
            return None

        def draw() -> None:
            chance = np.random.default_rng(seed)
            v, s = self._view, self._view.px_per_m(*place)
            x, y = v.pixel(place[0], 0.0, place[1])
            hides, self._brush.mask = self._brush.mask, None
            self._brush.darken(ellipse((x + 0.9 * s, y), 1.9 * s, 0.45 * s), 0.72)
            self._brush.mask = hides
            up = y - tall * 0.6 * s
            trunk = [(x - 0.16 * s, y), (x + 0.16 * s, y), (x + 0.1 * s, up), (x - 0.1 * s, up)]
            self._brush.fill(trunk, (82, 62, 46))
            green = np.array((58, 96, 46)) + chance.integers(-14, 15, 3)
            leaf = (int(green[0]), int(green[1]), int(green[2]))
            for i in range(110):  # from the dark inside to lit tufts up and to the left
                angle, out = chance.uniform(0, 2 * math.pi), math.sqrt(chance.random()) * 1.5
                cx, cy = x + out * math.cos(angle) * s, y - (tall * 0.68 + out * math.sin(angle) * 0.9) * s
                lit = (out * math.sin(angle) - out * math.cos(angle)) / 2.1
                size = 0.62 - 0.4 * i / 110
                self._brush.fill(
                    ellipse((cx, cy), size * s, size * 0.85 * s), shade(leaf, 0.68 + 0.3 * i / 110 + 0.22 * lit)
                )

        return depth, draw, True

    def fence(self) -> list[Thing]:
        x, z, gate = self._ground.yard_x, YARD_Z, self._ground.gate_x
        runs = [
            ((x[0], z[0]), (gate - 0.9, z[0])),
            ((gate + 0.9, z[0]), (x[1], z[0])),
            ((x[0], z[0]), (x[0], z[1])),
            ((x[1], z[0]), (x[1], z[1])),
            ((x[0], z[1]), (x[1], z[1])),
        ]
        return [thing for a, b in runs for thing in self._fence_run(a, b)]

    def _fence_run(self, a: Point, b: Point) -> list[Thing]:
        # In short bays, so that each has one depth to sort by.
        length = math.hypot(b[0] - a[0], b[1] - a[1])
        bays = max(1, round(length / 2.0))
        things: list[Thing] = []
        for i in range(bays):
            p = (a[0] + (b[0] - a[0]) * i / bays, a[1] + (b[1] - a[1]) * i / bays)
            q = (a[0] + (b[0] - a[0]) * (i + 1) / bays, a[1] + (b[1] - a[1]) * (i + 1) / bays)
            depth = (self._view.depth(*p) + self._view.depth(*q)) / 2
            if min(self._view.depth(*p), self._view.depth(*q)) > NEAR_M:
                things.append((depth, partial(self._bay, p, q), True))
        return things

    def _bay(self, p: Point, q: Point) -> None:
        steel: Colour = (64, 84, 74)
        for low, high in ((0.15, 0.2), (1.05, 1.11)):
            self._brush.upright(p, q, (low, high), steel)
        dx, dz = q[0] - p[0], q[1] - p[1]
        for i in range(9):
            post = i in (0, 8)
            half, top = (0.028, 1.3) if post else (0.012, 1.16)
            share = i / 8
            a = (p[0] + dx * (share - half / 2), p[1] + dz * (share - half / 2))
            b = (p[0] + dx * (share + half / 2), p[1] + dz * (share + half / 2))
            self._brush.upright(a, b, (0, top), shade(steel, 0.85 if post else 1.0))

    def lamps(self) -> list[Thing]:
        things: list[Thing] = []
        for x in range(-40, 41, 16):
            for z in (NEAR_PAVEMENT_Z[1] - 0.35, FAR_PAVEMENT_Z[0] + 0.35):
                place = (x + 3.0, z)
                if self._view.depth(*place) > 4.0:
                    things.append((self._view.depth(*place), partial(self._lamp, place), True))
        return things

    def _lamp(self, place: Point) -> None:
        v, s = self._view, self._view.px_per_m(*place)
        x, y = v.pixel(place[0], 0.0, place[1])
        grey: Colour = (58, 62, 66)
        for foot, top, tall in ((0.07, 0.045, 5.0), (0.12, 0.1, 0.8)):  # the post, and the box at its foot
            up = y - tall * s
            self._brush.fill([(x - foot * s, y), (x + foot * s, y), (x + top * s, up), (x - top * s, up)], grey)
        self._brush.fill(ellipse((x, y - 5.05 * s), 0.34 * s, 0.12 * s), (228, 224, 200))
