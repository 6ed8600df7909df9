"""What a plan says is exactly what differs, and it never tells a value."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.config import Config
from streamer.config.plan import plan

POLYGONS = st.sampled_from([[[0, 0], [1, 0], [1, 1]], [[0, 0], [1, 0], [0, 1]]])
ZONES = st.dictionaries(st.sampled_from(["door", "yard"]), POLYGONS)
RULES = st.lists(st.sampled_from(["critical", "info"]).map(lambda severity: {"severity": severity}), max_size=2)
CAMERAS = st.fixed_dictionaries(
    {"url": st.sampled_from(["rtsp://u:s3cret@a/1", "rtsp://u:s3cret@b/1"])},
    optional={
        "analyse_fps": st.sampled_from([1, 5, "all"]),
        "zones": ZONES,
        "clips": st.sampled_from([None, {}, {"before_s": 2}]),
        "options": st.dictionaries(st.sampled_from(["a", "b"]), st.sampled_from(["s3cret", "other"])),
        "trouble": st.sampled_from([{}, {"dark_after_s": None}, {"dark_after_s": 3}]),
    },
)
CONFIGS = st.fixed_dictionaries(
    {"cameras": st.dictionaries(st.sampled_from(["a", "b", "c"]), CAMERAS, min_size=1)},
    optional={
        "redis": st.sampled_from([None, {"url": "redis://:s3cret@h/0"}, {"url": "redis://:other@h/0"}]),
        "webhooks": st.dictionaries(
            st.sampled_from(["one", "two"]),
            st.sampled_from(["s3cret", "other"]).map(lambda word: {"url": "http://h", "secret": word}),
        ),
        "timezone": st.sampled_from(["UTC", "Europe/Berlin"]),
    },
).map(Config.model_validate)


def flat(value: Any, at: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """Every leaf of a configuration by its path, from its own dump; an empty table has none."""
    if isinstance(value, dict):
        return {path: leaf for key, each in value.items() for path, leaf in flat(each, (*at, str(key))).items()}
    return {at: value}


def dumped(config: Config) -> dict[str, Any]:
    told = config.model_dump()
    return told | {"webhooks": {k: v | {"secret": v["secret"].get_secret_value()} for k, v in told["webhooks"].items()}}


@settings(max_examples=300, deadline=None)
@given(CONFIGS, CONFIGS)
def test_a_plan_names_every_key_that_differs_and_no_other(running, wanted):
    steps = plan(running, wanted)
    one, other = flat(dumped(running)), flat(dumped(wanted))
    differ = {path for path in one.keys() | other.keys() if one.get(path, "-") != other.get(path, "-")}
    said = {("cameras", change.camera, *key.split(".")) for change in steps.cameras for key in change.keys}
    said |= {tuple(key.split(".")) for key in steps.restart}
    for change in steps.cameras:
        before, after = change.camera in running.cameras, change.camera in wanted.cameras
        assert change.what == {(0, 1): "added", (1, 0): "removed"}.get((before, after), change.what)
        if before and after:
            assert (change.what == "same") == (running.cameras[change.camera] == wanted.cameras[change.camera])
            assert (change.what == "changed") == bool(change.keys)
        else:
            said.add(("cameras", change.camera))
    covered = {path for path in differ if any(path[: len(key)] == key for key in said)}
    assert covered == differ
    for key in said:
        assert any(path[: len(key)] == key or key[: len(path)] == path for path in differ), key
    assert {change.camera for change in steps.cameras} == running.cameras.keys() | wanted.cameras.keys()
    assert steps.is_empty == (running == wanted)
    assert "s3cret" not in repr(steps)


@settings(max_examples=100, deadline=None)
@given(CONFIGS, CONFIGS)
def test_a_plan_backwards_is_its_mirror(running, wanted):
    there, back = plan(running, wanted), plan(wanted, running)
    mirror = {"added": "removed", "removed": "added", "changed": "changed", "same": "same"}
    assert {(c.camera, mirror[c.what], frozenset(c.keys)) for c in there.cameras} == {
        (c.camera, c.what, frozenset(c.keys)) for c in back.cameras
    }
    assert set(there.restart) == set(back.restart)
    assert plan(running, running).is_empty
