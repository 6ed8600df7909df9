"""Alerts as a replay would have seen them, and strategies that make any."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from streamer.expectations.seen import SeenAlert


def seen(kind: str = "loitering", opened_s: float = 41.2, **said: Any) -> SeenAlert:
    """An alert of the rule 'r-KIND' in 'yard' about track 7, unless told otherwise."""
    given = {
        "id": f"gate-{kind}-{opened_s}-{said.get('track_ids', (7,))}",
        "camera": "gate",
        "rule": f"r-{kind}",
        "severity": "warning",
        "place": "yard",
        "label": "person",
        "track_ids": (7,),
        "closed_s": opened_s + 5,
        **said,
    }
    return SeenAlert(kind=kind, opened_s=opened_s, **given)


names = st.text(min_size=1, max_size=12) | st.sampled_from(["on", "12", "1:30", "null", "a: b", "#x", "${HOME}", "é"])
times_s = st.integers(0, 20_000_000).map(lambda ms: ms / 1000)
edges = st.tuples(*[st.integers(0, 10_000)] * 4).map(lambda e: tuple(each / 10_000 for each in e))


@st.composite
def alerts(draw: st.DrawFn) -> SeenAlert:
    """Any alert at all: names of any letters, open at the end or momentary, with a box or without area or none."""
    opened_s = draw(times_s)
    lasts_s = draw(st.none() | st.sampled_from([0.0, 0.2, 7.0]))
    left, top, right, bottom = draw(edges)
    # What is written with three decimals must overlap what was seen: at least a hundredth of the picture.
    box = (left, top, min(1.0, left + abs(right - left) + 0.01), min(1.0, top + abs(bottom - top) + 0.01))
    return SeenAlert(
        id=draw(st.uuids()).hex,
        camera="gate",
        rule=draw(names),
        kind=draw(names),
        severity=draw(st.sampled_from(["info", "warning", "critical"])),
        opened_s=opened_s,
        closed_s=None if lasts_s is None else opened_s + lasts_s,
        cut=draw(st.booleans()),
        place=draw(st.none() | names),
        label=draw(st.none() | names),
        track_ids=tuple(draw(st.lists(st.integers(1, 99), max_size=3))),
        box=draw(st.none() | st.just(box)),
        text=draw(st.text(max_size=40)),
    )
