"""Drawn streets as training pictures: random cameras on random streets, with the truth that the drawing knows.

They put the demo into the detector's domain, and are held out by seed.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from models.sets import Shot
from streamer.demo.perspective import Viewpoint
from streamer.demo.script import Ground
from streamer.demo.street import LABELS, Street
from streamer.demo.views import VIEWS


def random_street(seed: int) -> Street:
    """A street nobody has seen, from a camera somewhere near one of the demo's three, or far from any."""
    chance = random.Random(seed)
    base = chance.choice(list(VIEWS.values()))
    wild = 1.0 if chance.random() < 0.7 else 2.0
    view = Viewpoint(
        x=base.x + chance.uniform(-5, 5) * wild,
        z=base.z + chance.uniform(-2, 2),
        height_m=base.height_m + chance.uniform(-1.2, 1.8) * wild,
        yaw_rad=base.yaw_rad + chance.uniform(-0.16, 0.16) * wild,
        focal_px=base.focal_px * chance.uniform(0.82, 1.25),
        horizon_px=base.horizon_px + chance.uniform(-18, 22),
    )
    gate_x = chance.uniform(-4, 4)
    ground = Ground(
        gate_x, (gate_x - chance.uniform(4, 8), gate_x + chance.uniform(4, 8)), gate_x - chance.uniform(7, 12)
    )
    return Street(view, seed, ground=ground, crowd=chance.uniform(0.7, 1.5))


def drawn_shots(seeds: range, per_street: int) -> Iterator[Shot]:
    """per_street pictures of every seed's street at random times; what is too hidden or small is ignored."""
    for seed in seeds:
        street, chance = random_street(seed), random.Random(seed + 1_000_003)
        for n in range(per_street):
            image, truth = street.frame_and_truth(chance.uniform(0, street.period_s))
            labels = tuple(LABELS[class_id] for class_id in truth.class_ids)
            yield Shot(f"drawn {seed} {n}", image, truth.boxes_xyxy, labels, ~truth.clear, None)
