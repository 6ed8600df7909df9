"""Real footage through the bundled detector and heads: what comes out on the wire, and what is told of a fight."""

from __future__ import annotations

import math
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import pytest

from tests.living import replayed, write_config

pytestmark = pytest.mark.needs("shared")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_config(
        tmp_path / "rules.yaml",
        cameras={"yard": {"url": "replayed.mp4", "rules": [{"name": "fight", "kind": "behaviour.fighting"}]}},
    )


def test_a_fight_is_told_with_its_course_its_steps_and_how_sure(tmp_path, config, shared):
    frames, alerts = replayed(shared / "data" / "surv_fight" / "fight" / "fi001.mp4", config, tmp_path / "out.jsonl")
    opened = next(each for each in alerts if each["change"] == "opened")
    assert opened["kind"] == "behaviour.fighting"
    assert opened["media_s"] <= 2.0
    assert opened["reason"]["text"].startswith("people are fighting in the picture")
    course = opened["reason"]["probabilities"]
    assert all(later[0] > earlier[0] for earlier, later in pairwise(course))
    assert course[-1][1] >= 0.6
    steps = opened["reason"]["steps"]
    assert sum(share for _, share in steps) == pytest.approx(1.0, abs=0.05)
    assert steps[-1][0] == pytest.approx(opened["media_s"])
    sure = [frame["scene"]["fight"] for frame in frames if frame.get("scene") and frame["scene"]["fight"] is not None]
    assert max(sure) >= opened["score"]


def test_who_walks_through_is_said_to_walk_what_stays_to_stand_and_nothing_is_raised(tmp_path, config, shared):
    clip = shared / "data" / "caviar" / "clips" / "Walk2_f000800-001043.mp4"
    frames, alerts = replayed(clip, config, tmp_path / "out.jsonl")
    said, places = defaultdict(list), defaultdict(list)
    for each in (each for frame in frames for each in frame["objects"] if "behaviour" in each):
        behaviour = each["behaviour"]
        assert sum(behaviour["probs"].values()) == pytest.approx(1.0, abs=0.01)
        assert behaviour["anomaly"] is None  # nothing is calibrated here: the camera is learning
        said[each["track_id"]].append(behaviour["label"])
        places[each["track_id"]].append(each["box"][:2])
    moved_px = {track: math.dist(at[0], at[-1]) for track, at in places.items()}
    walkers = [track for track, far in moved_px.items() if far > 50 and len(said[track]) > 10]
    assert walkers
    assert all(said[track].count("walking") > 0.8 * len(said[track]) for track in walkers)
    still = [track for track, far in moved_px.items() if far < 5 and len(said[track]) > 10]
    assert all(said[track].count("standing") > 0.5 * len(said[track]) for track in still)
    assert not alerts
