"""A configuration's detect keys: off by default, refused in a sentence, and built around one model."""

from __future__ import annotations

import json

import numpy as np
import pytest

from streamer.assembly.camera import config_hash
from streamer.assembly.labels import check_labels
from streamer.assembly.regions import Looking, is_one_by_one, looking
from streamer.config import parse_config
from streamer.detect.easy import EasyFrames
from streamer.detect.regions import RegionDetector
from streamer.detect.second_look import SecondLooks
from streamer.errors import ConfigError
from tests.drawn_squares import SquareFinder, drawn, seen
from tests.unit.test_second_look import write_colours

WH = (384, 288)


def a_config(**detect):
    return parse_config(yaml_of({"gate": detect, "plain": {}}), "cameras.yaml", {})


def yaml_of(cameras):
    return json.dumps({"cameras": {name: {"url": "x.mp4", "detect": detect} for name, detect in cameras.items()}})


def test_without_a_word_the_detector_is_asked_as_it_is():
    finder = SquareFinder()
    assert looking(a_config(), finder) is finder


@pytest.mark.parametrize(
    ("detect", "expected"),
    [
        ({"tiles": [2, 2]}, "'tiles' is for 'regions: tiles'; the camera has 'regions: whole'"),
        ({"regions": "motion", "overlap": 0.3}, "'overlap' is for 'regions: tiles'; the camera has 'regions: motion'"),
        ({"whole_every_s": 2}, "'whole_every_s' is for 'regions: motion'"),
        ({"regions": "tiles", "tiles": [1, 1]}, "the whole picture once more"),
        ({"regions": "tiles", "tiles": [0, 2]}, "greater than or equal to 1"),
        ({"regions": "squares"}, "should be 'whole', 'tiles' or 'motion'"),
        ({"skip_easy": {"longest": 1}}, "unknown key; did you mean 'longest_s'?"),
        ({"second_look": {"labels": ["person"]}}, "'model' is missing"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_place(detect, expected):
    with pytest.raises(ConfigError) as refused:
        a_config(**detect)
    assert expected in str(refused.value)
    assert "cameras.gate.detect" in str(refused.value)


def test_a_second_look_at_what_the_model_never_finds_is_refused():
    config = a_config(second_look={"model": "colours", "labels": ["gren"]})
    with pytest.raises(
        ConfigError, match=r"gate\.detect\.second_look\.labels: the model has no 'gren'; did you mean 'green'"
    ):
        check_labels(config, SquareFinder(), "cameras.yaml")


def test_settings_of_the_detector_sign_alerts_only_where_there_are_some():
    plain, tiled = a_config(), a_config(regions="tiles")
    assert config_hash(plain.cameras["gate"], plain) == config_hash(plain.cameras["plain"], plain)
    assert config_hash(tiled.cameras["gate"], tiled) != config_hash(plain.cameras["gate"], plain)


def test_all_options_together_are_one_call_of_the_model_for_a_batch(tmp_path):
    folder = write_colours(tmp_path / "colours", labels=("red", "green", ""))
    config = a_config(
        regions="tiles",
        skip_easy={"frames": "still", "longest_s": 0.5},
        second_look={"model": str(folder), "labels": ["red", "green"], "below": 0.6},
    )
    finder = SquareFinder()
    detector = looking(config, finder)
    assert isinstance(detector, EasyFrames)
    picture = drawn(WH, [("red", 40, 40, 64, 64), ("green", 200, 100, 300, 200)])
    for i in range(4):
        frames = [seen(picture, finder.input_fit, camera, i / 10) for camera in ("gate", "plain")]
        gate, plain = detector.detect(frames)
        assert len(gate) == 2
        assert (gate.scores > 0.6).all()  # doubtful ones were confirmed
        assert len(plain) == 2
        assert plain.scores.min() < 0.6
    assert [len(call) for call in finder.calls] == [6, 6, 1, 1]


@pytest.mark.parametrize(
    ("detect", "kind"),
    [({"regions": "tiles"}, RegionDetector), ({"regions": "motion"}, RegionDetector), ({"skip_easy": {}}, EasyFrames)],
)
def test_a_recording_gives_the_same_boxes_alone_and_beside_others(detect, kind):
    """Promise 5: replay sees one camera, run a batch of them."""
    pictures = [
        drawn(WH, [("red", 60 + 8 * min(i, 6), 60, 100 + 8 * min(i, 6), 120), ("green", 300, 200, 340, 240)])
        for i in range(14)
    ]

    def watched(config, others):
        finder = SquareFinder()
        detector, told = looking(config, finder), []
        assert isinstance(detector, kind)
        for i, picture in enumerate(pictures):
            beside = [seen(pictures[-i], finder.input_fit, name, i / 5) for name in others]
            told.append(detector.detect([*beside, seen(picture, finder.input_fit, "gate", i / 5)])[-1])
        return told

    both = parse_config(yaml_of({"gate": detect, "yard": detect, "plain": {}}), "cameras.yaml", {})
    for alone, beside in zip(watched(a_config(**detect), []), watched(both, ["plain", "yard"]), strict=True):
        np.testing.assert_array_equal(alone.boxes_xyxy, beside.boxes_xyxy)
        np.testing.assert_array_equal(alone.scores, beside.scores)


def test_what_remembers_a_camera_gets_its_frames_one_by_one():
    def is_so(**detect):
        return is_one_by_one(a_config(**detect).cameras["gate"].detect)

    assert not is_so()
    assert not is_so(regions="tiles")
    assert is_so(regions="motion")
    assert is_so(skip_easy={})


def test_a_camera_whose_settings_change_is_looked_at_as_if_it_had_always_been_so(tmp_path):
    folder = write_colours(tmp_path / "colours", labels=("red", "green", ""))
    again = {"model": str(folder), "labels": ["red", "green"], "below": 0.6}
    wishes = [{}, {"regions": "tiles"}, {"second_look": again}, {"regions": "motion", "second_look": again}, {}]
    finder = SquareFinder()
    changing = Looking(finder)
    picture = drawn(WH, [("red", 40, 40, 64, 64), ("green", 200, 100, 300, 200)])
    for i, wish in enumerate(wishes):
        config = a_config(**wish)
        changing.take("gate", changing.looks(config.cameras["gate"].detect))
        fixed = looking(config, SquareFinder())
        frames = [seen(picture, finder.input_fit, camera, i / 10) for camera in ("gate", "plain")]
        for one, other in zip(changing.detect(frames), fixed.detect(frames), strict=True):
            np.testing.assert_array_equal(one.boxes_xyxy, other.boxes_xyxy)
            np.testing.assert_array_equal(one.scores, other.scores)


def test_a_second_look_alone_wraps_the_model_and_opens_one_classifier_for_all(tmp_path):
    again = {"model": str(write_colours(tmp_path / "colours")), "labels": ["red"]}
    config = parse_config(yaml_of({"gate": {"second_look": again}, "yard": {"second_look": again}}), "c.yaml", {})
    assert isinstance(looking(config, SquareFinder()), SecondLooks)
