"""The GPU benchmark says in a sentence that there is no GPU, and its judgement of parity can be trusted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from streamer.detect import load_detector
from streamer.sessions.nvidia import gpu_count
from tests.benchmarks import gpu
from tests.benchmarks.report import KEPT_IN
from tests.fakes import StillPicture
from tests.onnx_models import BOXES, SCORES, streamer_graph, write_tiny


@pytest.mark.skipif(gpu_count() > 0, reason="this machine has a GPU")
def test_without_a_gpu_it_measures_nothing_and_ends_with_3(capsys):
    before = (KEPT_IN / "gpu.json").read_bytes() if (KEPT_IN / "gpu.json").exists() else None
    assert gpu.main([]) == 3
    told = capsys.readouterr()
    assert told.err.count("\n") == 1
    assert "no NVIDIA GPU" in told.err
    assert not told.out
    assert ((KEPT_IN / "gpu.json").read_bytes() if (KEPT_IN / "gpu.json").exists() else None) == before


def frames(n: int) -> list[gpu.Frame]:
    image = np.zeros((32, 32, 3), np.uint8)
    return [gpu.Frame("c", "s", i, image, (32, 32), 0.0, 0.0, 0.0, StillPicture(image)) for i in range(n)]


def test_parity_is_whole_with_itself_and_falls_with_what_moved(tmp_path):
    reference = load_detector(write_tiny(tmp_path / "a").folder)
    moved = BOXES.copy()
    moved[2] += 4  # one of the two objects that are sure
    other = load_detector(write_tiny(tmp_path / "b", streamer_graph(moved, SCORES)).folder)
    whole = gpu.parity(reference, reference, frames(3))
    assert whole["same_share"] == 1.0
    assert whole["box_px_p99"] == whole["score_difference_most"] == 0.0
    found = gpu.parity(reference, other, frames(3))
    assert found["objects"] == whole["objects"] > 0
    assert found["same_share"] < 1.0
    assert found["box_px_p99"] == pytest.approx(4.0)


@pytest.mark.needs("torch")
def test_bare_runs_are_measured_for_each_batch():
    from streamer.zoo import bundled_model

    told = gpu.bare_runs(gpu.Way("torch", "as_exported", "cpu"), bundled_model(), (1, 2), each_s=0.05)
    assert [each["batch"] for each in told] == [1, 2]
    assert all(each["ms"] > 0 and each["pictures_per_s"] > 0 for each in told)


def test_a_way_is_what_a_configuration_says(tmp_path):
    way = gpu.Way("tensorrt", "fp16", 1)
    config = way.config(tmp_path)
    assert (way.name, config.provider, config.precision, config.devices) == ("tensorrt_fp16", "tensorrt", "fp16", (1,))
    assert replace(way, precision="as_exported").name == "tensorrt"
