"""Which model a configuration means, and on how many lanes it runs."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pytest
from pydantic import ValidationError

from streamer.assembly.model import open_detector, open_model
from streamer.config.model import ModelConfig
from streamer.errors import ConfigError
from streamer.zoo import bundled_model
from tests.onnx_models import write_tiny


def test_lanes_are_as_many_as_the_configuration_says():
    opened = open_model(ModelConfig(threads=2, lanes=2), max_batch=2)
    assert opened.pool.lanes == 2
    assert opened.plan.capacity > 0


def test_what_proved_fastest_is_remembered(caplog: pytest.LogCaptureFixture, tmp_path: Path):
    model = ModelConfig(path=write_tiny(tmp_path / "tiny").folder, threads=2)
    first, again = open_model(model, max_batch=2), open_model(model, max_batch=2)
    assert first.plan == again.plan
    assert first.pool.lanes == again.pool.lanes == first.plan.arrangement.lanes


def test_more_lanes_than_threads_are_refused():
    with pytest.raises(ValidationError, match="at least as many 'threads'"):
        ModelConfig(threads=1, lanes=2)
    with pytest.raises(ConfigError, match="need as many cores"):
        open_model(ModelConfig(lanes=200), max_batch=1)


def test_the_fastest_of_two_precisions_is_one_of_both_and_its_boxes_are_read_from_the_trackers_floor_on():
    detector = open_detector(ModelConfig(precision="fastest"))
    assert detector.model_name in ("lookout", "lookout-int8")
    assert detector.thresholds.min_score >= 0.1


def test_where_there_is_no_int8_the_model_runs_as_it_was_exported(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    alone = tmp_path / "lookout"
    shutil.copytree(bundled_model(), alone)
    with caplog.at_level(logging.WARNING, logger="streamer.assembly"):
        assert open_detector(ModelConfig(path=alone, precision="fastest")).model_name == "lookout"
    assert "there is no lookout-int8 beside" in caplog.text
