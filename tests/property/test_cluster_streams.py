"""Streams that are measured a little differently each time move nobody."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.cluster.placement import place
from streamer.cluster.state import Beat
from streamer.config.load import parse_config
from streamer.fleet.streams import Stream, believed
from streamer.fleet.wishes import UNMEASURED, demands_of, node_of

streams = st.sampled_from([(640, 360, 10.0), (1280, 720, 12.5), (1920, 1080, 25.0), (3840, 2160, 15.0)])


@settings(deadline=None, max_examples=60)
@given(st.lists(streams, min_size=1, max_size=20), st.integers(1, 4), st.randoms(use_true_random=False))
def test_what_is_measured_again_and_again_settles_and_then_nobody_moves(
    true: list[Stream], nodes: int, rng: random.Random
) -> None:
    names = [f"c{n}" for n in range(len(true))]
    cameras = "\n".join(f"  {name}: {{url: 'rtsp://10.0.0.1/{name}', decode: always}}" for name in names)
    config = parse_config(f"redis: {{url: 'redis://127.0.0.1/0'}}\ncameras:\n{cameras}\n", "c.yaml")
    there = [node_of(Beat(f"n{n}", 1, "x", 1, 1, cores=16.0), UNMEASURED, draining=False) for n in range(nodes)]

    def measured() -> dict[str, Stream]:
        return {name: (w, h, fps * rng.uniform(0.85, 1.15)) for name, (w, h, fps) in zip(names, true, strict=True)}

    known = believed({}, measured())
    now = dict(place(demands_of(config, UNMEASURED), there).assignment.nodes)
    for _ in range(3):  # levelling may take more than one look
        now = dict(place(demands_of(config, UNMEASURED, known), there, now).assignment.nodes)
    settled = place(demands_of(config, UNMEASURED, known), there, now)
    now = dict(settled.assignment.nodes)
    for _ in range(10):
        anew = believed(known, measured())
        assert anew == known
        again = place(demands_of(config, UNMEASURED, anew), there, now)
        assert len(again.moves) <= len(settled.moves)
        now, known = dict(again.assignment.nodes), anew
