"""Drawn people: a look that stays with a person, and a walking pose for every moment."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from streamer.demo.figures import Colour, Figure, Shape, ellipse, limb, shade
from streamer.demo.perspective import Point, Viewpoint

_TOPS: tuple[Colour, ...] = (
    (176, 42, 48), (32, 68, 122), (226, 182, 60), (60, 120, 80), (120, 84, 140), (40, 42, 48), (218, 214, 204),
    (196, 104, 52), (92, 148, 182), (138, 142, 150), (104, 66, 44), (226, 120, 138), (24, 110, 118), (74, 74, 54),
)  # fmt: skip
_BOTTOMS: tuple[Colour, ...] = (
    (34, 44, 72), (48, 48, 52), (92, 84, 72), (70, 92, 130), (124, 112, 92), (28, 28, 30), (86, 56, 48),
    (168, 160, 146),
)  # fmt: skip
_SKINS: tuple[Colour, ...] = ((236, 196, 166), (214, 164, 130), (168, 118, 84), (116, 78, 56), (82, 56, 42))
_HAIRS: tuple[Colour, ...] = (
    (34, 26, 22),
    (78, 52, 34),
    (140, 100, 56),
    (196, 164, 104),
    (128, 126, 124),
    (112, 48, 30),
)
_ACCENTS: tuple[Colour, ...] = ((190, 40, 40), (30, 60, 120), (230, 200, 80), (60, 60, 62), (90, 130, 70))


@dataclass(frozen=True)
class Look:
    """What stays with a person: measures in metres or as shares of the body height, and colours."""

    height_m: float
    girth: float
    top: Colour
    bottom: Colour
    skin: Colour
    hair: Colour
    shoes: Colour
    accent: Colour
    coat: bool
    skirt: bool
    long_hair: bool
    hat: bool
    backpack: bool
    bag: bool

    @classmethod
    def drawn_by(cls, chance: random.Random) -> Look:
        """A person nobody has seen before."""
        dress = chance.random()
        return cls(
            height_m=chance.choice((1.0, 1.25)) if chance.random() < 0.07 else chance.uniform(1.55, 1.92),
            girth=chance.uniform(0.86, 1.22),
            top=chance.choice(_TOPS),
            bottom=chance.choice(_BOTTOMS),
            skin=chance.choice(_SKINS),
            hair=chance.choice(_HAIRS),
            shoes=chance.choice(((30, 28, 28), (230, 228, 222), (92, 60, 40))),
            accent=chance.choice(_ACCENTS),
            coat=dress < 0.22,
            skirt=0.22 <= dress < 0.38,
            long_hair=chance.random() < 0.4,
            hat=chance.random() < 0.2,
            backpack=chance.random() < 0.25,
            bag=chance.random() < 0.2,
        )


def person(
    look: Look,
    identity: int,
    view: Viewpoint,
    place: tuple[float, float],
    heading_rad: float,
    walked_m: float,
    pace: float,
) -> Figure:
    """A person at place (x, z) metres, as this camera sees them.

    heading_rad: 0 walks along +x, π/2 along +z. walked_m drives the legs, so that feet move only as far as the body
    does; pace in [0, 1] is how much of a stride there is (0 stands).
    """
    foot_x, foot_y = view.pixel(place[0], 0.0, place[1])
    h = look.height_m * view.px_per_m(*place)
    # Across the picture a stride is seen in full, towards the camera not at all.
    seen = heading_rad + view.yaw_rad
    side, away = math.cos(seen), math.sin(seen)
    phase = walked_m / look.height_m * 2 * math.pi / 0.86
    swing = math.sin(phase) * pace
    bob = (abs(math.cos(phase)) - 0.6) * 0.012 * pace * h

    def at(across: float, up: float) -> Point:
        return foot_x + across * h, foot_y - up * h + (bob if up > 0.3 else 0.0)

    broad = (0.105 + 0.04 * abs(away)) * look.girth  # half a torso, wider from front or back
    arm_reach, hip_gap = broad + 0.012, 0.028 + 0.03 * abs(away)
    fine = h > 40  # far away nobody sees hands and folds
    shapes: list[Shape] = []

    def leg(sign: float, dark: float) -> None:
        stride = sign * swing
        hip = at(sign * hip_gap * 0.8, 0.5)
        lift = max(0.0, sign * math.cos(phase)) * pace
        ankle = at(stride * 0.2 * side + sign * hip_gap, 0.045 + 0.05 * lift - 0.012 * stride * away)
        knee = at((stride * 0.09 + 0.05 * lift) * side + sign * hip_gap, 0.27 + 0.02 * lift - 0.006 * stride * away)
        colour = shade(look.skin if look.skirt else look.bottom, dark)
        thick = (0.085 if not look.skirt else 0.055) * look.girth * h
        shapes.append((limb(hip, knee, thick * 1.15, thick * 0.9), colour))
        shapes.append((limb(knee, ankle, thick * 0.9, thick * 0.66), colour))
        toe = (ankle[0] + side * 0.075 * h, ankle[1] + 0.022 * h)
        shapes.append((limb((ankle[0] - side * 0.02 * h, toe[1]), toe, 0.05 * h, 0.042 * h), shade(look.shoes, dark)))

    def arm(sign: float, dark: float) -> None:
        reach = -sign * swing
        shoulder = at(sign * (broad if abs(away) > 0.5 else broad * 0.35), 0.79)
        elbow = at(sign * arm_reach * abs(away) + reach * 0.08 * side, 0.63)
        hand = at(sign * arm_reach * abs(away) + (reach * 0.17 + 0.035) * side, 0.49 + 0.04 * abs(reach))
        sleeve, thick = shade(look.top, dark), 0.058 * look.girth * h
        shapes.append((limb(shoulder, elbow, thick * 1.1, thick), sleeve))
        shapes.append((limb(elbow, hand, thick, thick * 0.75), sleeve))
        if fine:
            shapes.append((ellipse(hand, 0.024 * h, 0.026 * h), look.skin))
        if look.bag and sign > 0:
            shapes.append(
                (limb((hand[0], hand[1] + 0.03 * h), (hand[0], hand[1] + 0.13 * h), 0.1 * h, 0.13 * h), look.accent)
            )

    def pack() -> None:
        if look.backpack:
            across = -side * broad * 1.15
            shapes.append((limb(at(across, 0.78), at(across, 0.57), 0.11 * h, 0.13 * h), look.accent))

    near_pack = away > -0.3  # seen from behind the pack hides the back, else the body hides the pack
    if not near_pack:
        pack()
    arm(-1, 0.78)
    leg(-1, 0.8)
    leg(1, 1.0)
    hem = 0.3 if look.coat else 0.46
    if look.skirt:
        shapes.append(
            (
                [at(-broad * 0.8, 0.55), at(broad * 0.8, 0.55), at(broad * 1.25, 0.3), at(-broad * 1.25, 0.3)],
                look.bottom,
            )
        )
    waist = broad * (1.0 if look.coat else 0.84)
    torso = [
        at(-broad * 0.55, 0.835), at(broad * 0.55, 0.835), at(broad, 0.79), at(broad * 0.92, 0.66),
        at(waist, hem), at(-waist, hem), at(-broad * 0.92, 0.66), at(-broad, 0.79),
    ]  # fmt: skip
    shapes.append((torso, look.top))
    # A lit side and a dark one make a body of a flat patch.
    shapes.append(
        ([at(broad * 0.35, 0.83), at(broad, 0.79), at(waist, hem), at(waist * 0.3, hem)], shade(look.top, 0.86))
    )
    if near_pack:
        pack()
    arm(1, 1.06)
    head = at(0.018 * side, 0.915)
    rx, ry = 0.058 * h, 0.074 * h
    if fine:
        shapes.append((limb(at(0.0, 0.86), at(0.0, 0.81), 0.07 * h, 0.08 * h), shade(look.skin, 0.82)))
    if look.long_hair:
        shapes.append((ellipse((head[0] - side * 0.02 * h, head[1] + 0.03 * h), rx * 1.22, ry * 1.25), look.hair))
    shapes.append((ellipse(head, rx, ry), look.hair if away > 0.55 else look.skin))
    cap = look.accent if look.hat else look.hair
    shapes.append((ellipse((head[0] - side * 0.014 * h, head[1] - 0.032 * h), rx * 1.1, ry * 0.62), cap))
    if look.hat:
        shapes.append(
            (
                limb(
                    (head[0] - rx * 0.9, head[1] - 0.015 * h),
                    (head[0] + rx * (0.9 + 0.7 * side), head[1] - 0.015 * h),
                    0.022 * h,
                    0.018 * h,
                ),
                shade(cap, 0.8),
            )
        )
    shadow = ellipse((foot_x + 0.12 * h, foot_y - 0.005 * h), 0.23 * h, 0.05 * h)
    return Figure.of("person", identity, shapes, (foot_x, foot_y), view.depth(*place), shadow)
