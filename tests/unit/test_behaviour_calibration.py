"""A calibration is kept whole, and believed only by the camera and the models that it was learned with."""

from __future__ import annotations

import json

import numpy as np
import pytest
from pydantic import ValidationError

from streamer.behaviour.calibration_store import Calibration, calibration_path, load_calibration, save_calibration
from streamer.behaviour.learner import MOST_STEPS, Learner
from streamer.behaviour.life import Life
from streamer.behaviour.motion import MOTION
from streamer.behaviour.scene_features import SCENE_MOTION
from streamer.behaviour.unusual import PHRASES, Unusual
from streamer.errors import ArtifactError

HEAD, SCENE, DETECTOR = "a" * 64, "b" * 64, "c" * 64
WITH = {"head": HEAD, "scene_head": SCENE, "detector": DETECTOR, "timezone": "Europe/Berlin"}


def learned(camera="gate", lives=(), steps=()):
    learner = Learner(("speed_1", "turning"))
    for life in lives:
        learner.take_life(life)
    for rows in steps:
        learner.take_steps(camera, rows)
    return learner.calibration(camera, 3600.0, learned_at=1.7e9, **WITH)


@pytest.fixture
def stored(tmp_path):
    lives = [Life("gate", "track", 7, 1.5), Life("gate", "track", 7, 0.5), Life("gate", "track", None, 2.0)]
    lives.append(Life("gate", "scene", 23, 9.0))
    return save_calibration(learned(lives=lives), tmp_path)


def test_what_was_learned_is_read_back(tmp_path, stored):
    found = load_calibration(tmp_path, "gate", **WITH)
    assert stored == calibration_path(tmp_path, "gate")
    assert found is not None
    assert {hour: list(scores) for hour, scores in found.normal_tracks.by_hour.items()} == {7: [0.5, 1.5], None: [2.0]}
    assert found.normal_tracks.count == 3
    assert found.normal_tracks.per_day == pytest.approx(72)
    assert {hour: list(scores) for hour, scores in found.normal_scene.by_hour.items()} == {23: [9.0]}
    assert json.loads(stored.read_text())["schema"] == "streamer.calibration/1"


def test_a_camera_that_was_never_calibrated_has_none(tmp_path):
    assert load_calibration(tmp_path, "gate", **WITH) is None


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"head": "d" * 64}, r"another track head \(aaaaaaaaaaaa\) than is in use \(dddddddddddd\)"),
        ({"head": None}, r"another track head \(aaaaaaaaaaaa\) than is in use \(none\)"),
        ({"detector": "d" * 64}, "another detector"),
        ({"timezone": "UTC"}, r"another time zone \(Europe/Berlin\) than is in use \(UTC\)"),
    ],
)
def test_one_of_other_models_is_refused_with_what_to_do(tmp_path, stored, changed, said):
    with pytest.raises(ArtifactError, match=rf"{said}.*run `streamer calibrate --camera gate` again"):
        load_calibration(tmp_path, "gate", **(WITH | changed))


@pytest.mark.parametrize("scene_head", [None, "d" * 64])
def test_tracks_are_as_good_without_the_scene_head_of_that_time(tmp_path, stored, scene_head):
    found = load_calibration(tmp_path, "gate", **(WITH | {"scene_head": scene_head}))
    assert found is not None
    assert found.normal_tracks.count == 3
    assert found.normal_scene.count == 0


def test_one_of_another_camera_is_refused(tmp_path, stored):
    stored.rename(calibration_path(tmp_path, "yard"))
    with pytest.raises(ArtifactError, match="of camera 'gate', not of 'yard'"):
        load_calibration(tmp_path, "yard", **WITH)


@pytest.mark.parametrize("cut", [0, 1, 50, -3])
def test_a_broken_file_is_refused_not_guessed(tmp_path, stored, cut):
    stored.write_bytes(stored.read_bytes()[:cut])
    with pytest.raises(ArtifactError, match=r"gate\.json: not a whole calibration.*again"):
        load_calibration(tmp_path, "gate", **WITH)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("schema", "streamer.calibration/2"),
        ("seconds", 0),
        ("tracks", {"24": [1.0]}),
        ("tracks", {"07": [1.0, "x"]}),
        ("tracks", {"07": [1e999]}),
        ("usual", {"speed_1": [2.0, 1.0, 3.0]}),
        ("mood", "good"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path, stored, key, value):
    stored.write_text(json.dumps(json.loads(stored.read_text()) | {key: value}))
    with pytest.raises(ArtifactError, match=f"not a whole calibration.*{key}"):
        load_calibration(tmp_path, "gate", **WITH)


def test_a_new_one_takes_the_place_of_the_old(tmp_path, stored):
    before = stored.read_bytes()
    save_calibration(learned(), tmp_path)
    assert stored.read_bytes() != before
    assert list(stored.parent.iterdir()) == [stored]


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path, stored):
    in_the_way = calibration_path(tmp_path, "yard")
    in_the_way.mkdir()
    with pytest.raises(ArtifactError, match=r"yard\.json: cannot be written: Is a directory"):
        save_calibration(learned("yard"), tmp_path)
    assert sorted(stored.parent.iterdir()) == [stored, in_the_way]


def test_a_calibration_cannot_be_changed(stored):
    with pytest.raises(ValidationError):
        Calibration.model_validate_json(stored.read_bytes()).camera = "yard"


def test_what_is_usual_is_the_spread_of_all_steps_however_many(tmp_path):
    """Three times as many as are kept, drifting: the late ones count as much as the early ones."""
    rng = np.random.default_rng(0)
    n = 3 * MOST_STEPS
    rows = np.stack([np.linspace(0, 1, n), rng.normal(size=n), rng.normal(size=n)], axis=1).astype(np.float32)
    usual = learned(steps=np.array_split(rows, 500)).usual
    assert set(usual) == {"speed_1", "turning"}
    np.testing.assert_allclose(usual["speed_1"], (0.01, 0.5, 0.99), atol=0.01)
    np.testing.assert_allclose(usual["turning"], (-2.33, 0, 2.33), atol=0.1)


# --- in words

FEATURES = ("speed_1", "turning", "height_change_1", "longest_still_s", "embedding_00")
USUAL = {
    "speed_1": (0.0, 0.8, 1.6),
    "turning": (0.0, 0.1, 1.0),
    "height_change_1": (-0.2, 0.0, 0.2),
    "longest_still_s": (0.0, 0.7, float(np.log1p(30.0))),
}


def words(here=True, usual=USUAL, **values):
    row = np.array([[values.get(name, 0.1 if name == "turning" else 0.0) for name in FEATURES]], np.float32)
    return Unusual(FEATURES, usual, here=here).words(row)[0]


def test_what_is_within_the_usual_is_not_worth_a_word():
    assert words(speed_1=1.5, turning=0.9, height_change_1=-0.1) == ()


def test_a_runner_among_walkers_is_so_many_times_as_fast():
    assert words(speed_1=2.4) == ("three times as fast as usual here",)
    assert words(speed_1=1.7) == ("twice as fast as usual here",)
    assert words(speed_1=8.8, here=False) == ("11 times as fast as usual",)


def test_where_most_stand_nobody_is_a_multiple_of_nothing():
    standing = USUAL | {"speed_1": (0.0, 0.01, 0.5)}
    assert words(speed_1=2.4, usual=standing) == ("faster than nearly everybody here",)


def test_the_farthest_comes_first_and_directions_are_told_apart():
    assert words(speed_1=2.0, height_change_1=-1.0) == ("suddenly much lower", "twice as fast as usual here")
    assert words(speed_1=4.0, height_change_1=-0.3)[0] == "five times as fast as usual here"
    assert words(height_change_1=1.0) == ()  # to rise has no words


def test_times_are_told_in_seconds():
    assert words(longest_still_s=float(np.log1p(95.0))) == ("still for 95 s (usual here: up to 30 s)",)


def test_there_are_words_only_for_features_that_exist():
    assert {phrase.feature for phrase in PHRASES} <= {*MOTION, *SCENE_MOTION}


def test_features_without_a_usual_range_stay_silent():
    assert words(usual={}, speed_1=9.0) == ()
