"""Drawn cars: a side profile pulled out to a body, seen from any angle."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from streamer.demo.figures import Colour, Figure, Shape, shade
from streamer.demo.perspective import NEAR_M, Point, Viewpoint

_PAINTS: tuple[Colour, ...] = (
    (176, 30, 36), (28, 60, 118), (220, 222, 224), (34, 36, 40), (150, 156, 162), (196, 152, 40), (40, 98, 76),
    (92, 34, 48), (112, 146, 170), (210, 200, 176), (222, 102, 40), (64, 72, 84),
)  # fmt: skip
Corner = Callable[[Point, float], Point]
"""Pixel of a place on the body: its share of length and height, and the side, +1 left to −1 right."""
_GLASS: Colour = (52, 66, 80)

# Profiles as shares of (length, height), nose first, clockwise from the front bumper; the window line is beside them.
_SALOON = (
    (0.0, 0.2),
    (0.0, 0.5),
    (0.03, 0.6),
    (0.27, 0.68),
    (0.4, 0.97),
    (0.47, 1.0),
    (0.7, 1.0),
    (0.83, 0.71),
    (0.98, 0.68),
    (1.0, 0.55),
    (1.0, 0.2),
)
_HATCH = (
    (0.0, 0.2),
    (0.0, 0.5),
    (0.03, 0.6),
    (0.24, 0.68),
    (0.37, 0.97),
    (0.45, 1.0),
    (0.84, 0.98),
    (0.97, 0.62),
    (1.0, 0.55),
    (1.0, 0.2),
)
_VAN = (
    (0.0, 0.16),
    (0.0, 0.42),
    (0.03, 0.5),
    (0.14, 0.56),
    (0.25, 0.96),
    (0.29, 1.0),
    (0.97, 1.0),
    (1.0, 0.95),
    (1.0, 0.16),
)
_ESTATE = (
    (0.0, 0.2),
    (0.0, 0.5),
    (0.03, 0.59),
    (0.26, 0.67),
    (0.38, 0.97),
    (0.44, 1.0),
    (0.9, 0.98),
    (0.99, 0.64),
    (1.0, 0.5),
    (1.0, 0.2),
)


@dataclass(frozen=True)
class Body:
    """What stays with a car: metres, colour, and its profile; windows are side windows on the profile."""

    length_m: float
    width_m: float
    height_m: float
    paint: Colour
    profile: tuple[Point, ...]
    windows: tuple[tuple[Point, ...], ...]

    @classmethod
    def drawn_by(cls, chance: random.Random) -> Body:
        """A car nobody has seen before."""
        paint = chance.choice(_PAINTS)
        grow = chance.uniform(0.93, 1.07)
        kind = chance.random()
        if kind < 0.35:
            return cls(4.6 * grow, 1.82, 1.45 * grow, paint, _SALOON, _side_windows(0.3, 0.42, 0.7, 0.82))
        if kind < 0.65:
            return cls(3.9 * grow, 1.74, 1.5 * grow, paint, _HATCH, _side_windows(0.28, 0.4, 0.82, 0.93))
        if kind < 0.85:
            return cls(4.7 * grow, 1.84, 1.52 * grow, paint, _ESTATE, _side_windows(0.3, 0.41, 0.88, 0.95))
        return cls(5.2 * grow, 1.98, 2.2 * grow, paint, _VAN, _side_windows(0.18, 0.27, 0.4, 0.42))


def _side_windows(
    front_low: float, front_top: float, back_top: float, back_low: float
) -> tuple[tuple[Point, ...], ...]:
    low, top = 0.68, 0.94
    middle = (front_top + back_top) / 2
    if back_top - front_top < 0.2:
        return (((front_low, low), (front_top, top), (back_top, top), (back_low, low)),)
    return (
        ((front_low, low), (front_top, top), (middle - 0.015, top), (middle - 0.015, low)),
        ((middle + 0.015, low), (middle + 0.015, top), (back_top, top), (back_low, low)),
    )


def car(body: Body, identity: int, view: Viewpoint, place: Point, heading_rad: float, braking: bool) -> Figure | None:
    """A car with its middle at place (x, z) metres; heading_rad 0 drives along +x. None too near the lens."""
    cos, sin = math.cos(heading_rad), math.sin(heading_rad)
    half_l, half_w = body.length_m / 2, body.width_m / 2
    eye_x, eye_z = view.x - place[0], view.z - place[1]

    def ground(along: float, across: float) -> Point:
        return place[0] + along * cos - across * sin, place[1] + along * sin + across * cos

    corners = [ground(a, b) for a in (-half_l, half_l) for b in (-half_w, half_w)]
    if min(view.depth(*corner) for corner in corners) < NEAR_M:
        return None
    # The side that faces the camera: +1 is the car's left (its own across direction).
    near = 1.0 if -eye_x * sin + eye_z * cos > 0 else -1.0
    eye_along, eye_across = eye_x * cos + eye_z * sin, -eye_x * sin + eye_z * cos
    tumble = 0.9  # the cabin leans inwards: roof narrower than the sills

    def at(share: Point, side: float) -> Point:
        up = share[1]
        lean = 1.0 if up < 0.6 else 1.0 - (1 - tumble) * (up - 0.6) / 0.4
        x, z = ground(half_l - share[0] * body.length_m, side * half_w * lean)
        return view.pixel(x, up * body.height_m, z)

    shapes: list[Shape] = []
    shapes += _hull(body, at, near, eye_along, view.height_m, half_l)
    flank = shade(body.paint, 0.92)
    shapes.append(
        (
            [
                at(p, near)
                for p in ((0.0, 0.2), (0.0, 0.48), (0.03, 0.57), (0.27, 0.66), (0.98, 0.66), (1.0, 0.55), (1.0, 0.2))
            ],
            flank,
        )
    )
    cabin = [p for p in body.profile if p[1] >= 0.6]
    if cabin[0][1] > 0.75:  # a van's nose goes straight up from the bumper
        cabin.insert(0, (cabin[0][0] - 0.1, 0.6))
    if cabin[-1][1] > 0.75:
        cabin.append((cabin[-1][0], 0.6))
    shapes.append(([at(p, near) for p in cabin], shade(body.paint, 0.98)))
    if abs(eye_across) > half_w:  # straight ahead or behind, the flank is a line
        shapes += [([at(p, near) for p in window], _GLASS) for window in body.windows]
        shapes.append(([at(p, near) for p in ((0.02, 0.24), (0.98, 0.24), (0.98, 0.18), (0.02, 0.18))], (30, 30, 32)))
        shapes.append(
            ([at(p, near) for p in ((0.05, 0.5), (0.96, 0.53), (0.96, 0.51), (0.05, 0.48))], shade(body.paint, 1.18))
        )
        for hub in (0.19, 0.81):
            shapes += _wheel(body, at, near, hub)
    foremost = eye_along > 0
    shapes += _lights(at, foremost, braking)
    shadow = [
        view.pixel(*_raised(ground(a * 1.04, b * 1.12)))
        for a, b in ((half_l, half_w), (half_l, -half_w), (-half_l, -half_w), (-half_l, half_w))
    ]
    return Figure.of("car", identity, shapes, view.pixel(place[0], 0.0, place[1]), view.depth(*place), shadow)


def _raised(xz: Point) -> tuple[float, float, float]:
    return xz[0], 0.0, xz[1]


def _hull(body: Body, at: Corner, near: float, eye_along: float, eye_height: float, half_l: float) -> list[Shape]:
    # Every edge of the profile is a panel across the car; those that face the eye are painted from far to near.
    panels: list[tuple[float, Shape]] = []
    for a, b in zip(body.profile, body.profile[1:], strict=False):
        ax, ay = half_l - a[0] * body.length_m, a[1] * body.height_m
        bx, by = half_l - b[0] * body.length_m, b[1] * body.height_m
        normal = (by - ay, ax - bx)  # outwards for a profile that runs nose, roof, tail
        mx, my = (ax + bx) / 2, (ay + by) / 2
        facing = normal[0] * (eye_along - mx) + normal[1] * (eye_height - my)
        if facing <= 0:
            continue
        steep = abs(normal[0]) / (math.hypot(*normal) or 1.0)
        colour = shade(body.paint, 1.14 - 0.28 * steep)
        quad = [at(a, near), at(b, near), at(b, -near), at(a, -near)]
        rise = abs(by - ay) / body.height_m
        panels.append((abs(eye_along - mx), (quad, colour)))
        if min(a[1], b[1]) >= 0.55 and rise > 0.2:  # windscreen or rear window
            inner = [_mix(quad, u, v) for u, v in ((0.1, 0.08), (0.9, 0.08), (0.9, 0.92), (0.1, 0.92))]
            panels.append((abs(eye_along - mx) - 0.01, (inner, shade(_GLASS, 1.15))))
    panels.sort(key=lambda panel: -panel[0])
    return [shape for _, shape in panels]


def _mix(quad: Sequence[Point], u: float, v: float) -> Point:
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = quad
    near = (ax + (bx - ax) * u, ay + (by - ay) * u)
    far = (dx + (cx - dx) * u, dy + (cy - dy) * u)
    return near[0] + (far[0] - near[0]) * v, near[1] + (far[1] - near[1]) * v


def _wheel(body: Body, at: Corner, near: float, hub: float) -> list[Shape]:
    radius = 0.33
    parts: list[Shape] = []
    for share, colour in ((1.0, (22, 22, 24)), (0.58, (148, 150, 154)), (0.2, (70, 70, 74))):
        ring = [
            at(
                (
                    hub + share * radius * math.cos(2 * math.pi * i / 10) / body.length_m,
                    (radius + share * radius * math.sin(2 * math.pi * i / 10)) / body.height_m,
                ),
                near * 1.01,
            )
            for i in range(10)
        ]
        parts.append((ring, colour))
    return parts


def _lights(at: Corner, front: bool, braking: bool) -> list[Shape]:
    end = 0.0 if front else 1.0
    colour: Colour = (250, 244, 214) if front else ((255, 44, 40) if braking else (150, 24, 26))

    def corner(across: float, up: float) -> Point:
        a, b = at((end, up), 1.0), at((end, up), -1.0)
        return a[0] + (b[0] - a[0]) * across, a[1] + (b[1] - a[1]) * across

    lamps: list[Shape] = []
    for left, right in ((0.04, 0.2), (0.8, 0.96)):
        lamps.append(([corner(left, 0.48), corner(right, 0.48), corner(right, 0.37), corner(left, 0.37)], colour))
    plate: Colour = (236, 236, 230) if front else (232, 206, 80)
    lamps.append(([corner(0.36, 0.33), corner(0.64, 0.33), corner(0.64, 0.25), corner(0.36, 0.25)], plate))
    return lamps
