"""What cameras cost and nodes have, out of a record of `streamer bench`; and the plan on paper."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from streamer.assembly import admission
from streamer.cluster.capacity import AWAKE, PLANNED_WITH, Look, capacity_of, cost_of, rates_of
from streamer.errors import ConfigError
from tests.benchmarks.scale_plan import PAGE, Assumed, Measured, plan, table, written

RECORD: dict[str, Any] = {
    "machine": {"cores": 8},
    "model": {"provider": "CPUExecutionProvider"},
    "video": {"width_px": 1000, "height_px": 1000, "fps": 25.0},
    "costs": {
        "decode_cpu_s_per_video_s": 0.05,
        "demux_cpu_s_per_video_s": 0.01,
        "convert_cpu_s_per_frame": 0.001,
        "run_s_per_frame_by_batch": {"1": 0.02, "4": 0.01},
        "run_cpu_s_per_frame_by_batch": {"1": 0.02, "4": 0.01},
        "prepare_s_per_frame_by_batch": {"1": 0.001},
        "outputs_s_per_frame_by_batch": {"1": 0.001},
        "track_cpu_s_per_frame": 0.001,
        "rules_cpu_s_per_frame": 0.0005,
        "publish_cpu_s_per_frame": 0.0005,
        "service_cpu_s_per_frame": None,
    },
}
SEEN = Look(1000, 1000, 25.0, 5.0, "always")


def record(**costs: Any) -> dict[str, Any]:
    changed = copy.deepcopy(RECORD)
    changed["costs"].update(costs)
    return changed


def test_a_camera_costs_what_its_stream_and_pictures_cost() -> None:
    rates = rates_of(RECORD, "bench.json")
    cost = cost_of(SEEN, rates)
    assert cost.cpu == pytest.approx(0.05 + 0.01 + 5 * (0.005 + 0.01))
    assert (cost.model, cost.gpu) == (0.0, 0.0)  # it is in the processor's time
    twice = cost_of(Look(2000, 1000, 25.0, 5.0, "always"), rates)
    assert twice.cpu - cost.cpu == pytest.approx(0.05)  # twice the pixels to decode
    assert cost_of(Look(1000, 1000, 25.0, 5.0, "motion"), rates).cpu < cost.cpu / 3


def test_a_node_that_is_twice_as_fast_has_twice_as_much() -> None:
    reference = rates_of(RECORD, "bench.json")
    halved = {
        name: {k: v / 2 for k, v in cost.items()} if isinstance(cost, dict) else cost and cost / 2
        for name, cost in RECORD["costs"].items()
    }
    faster = rates_of(record(**halved), "bench.json")
    assert capacity_of(reference, reference).cpu == pytest.approx(8 * PLANNED_WITH)
    assert capacity_of(faster, reference).cpu == pytest.approx(16 * PLANNED_WITH)


def test_a_model_on_a_gpu_takes_time_of_the_gpu() -> None:
    on_gpu = record(run_cpu_s_per_frame_by_batch={"1": 0.0001})
    on_gpu["model"]["provider"] = "CUDAExecutionProvider"
    rates = rates_of(on_gpu, "bench.json")
    cost, capacity = cost_of(SEEN, rates), capacity_of(rates, rates, gpus=2)
    assert cost.gpu == pytest.approx(5 * 0.01)
    assert capacity.gpu == pytest.approx(2 * PLANNED_WITH)


def test_a_file_that_is_no_record_is_named() -> None:
    broken = copy.deepcopy(RECORD)
    del broken["costs"]["track_cpu_s_per_frame"]
    with pytest.raises(
        ConfigError, match=r"node-7\.json lacks what a node can do .*track_cpu_s_per_frame.*streamer bench"
    ):
        rates_of(broken, "node-7.json")


def test_placement_and_admission_think_the_same_of_sleeping_cameras() -> None:
    assert dict(AWAKE) == dict(admission.AWAKE)


MEASURED = Measured(60.0, 0.1, 10.0, 600.0, 400.0, 30.0, 600.0, 5.0, 1.0, 10_000, 200, 50.0)


def test_the_plan_grows_as_it_must() -> None:
    columns = {size: plan(size, MEASURED, Assumed()) for size in (100, 10_000, 1_000_000)}
    small, middle, large = columns.values()
    assert small["nodes"] == 1
    assert middle["nodes"] == 15  # 10 000 / (60 a core × 16 cores × 0.7), rounded up
    assert middle["frames_per_s"] == pytest.approx(10_000 * 5 * 0.1)
    assert large["cells"] >= 20  # no placement is asked for more than it was tried with, by the stated factor
    assert large["alerts_server_busy"] <= Assumed().redis_used
    assert large["usd_per_hour"] > 50 * middle["usd_per_hour"]
    half = plan(10_000, MEASURED, Assumed(analyse_fps=2.5))
    assert half["redis_in_mbit_s"] == pytest.approx(middle["redis_in_mbit_s"] / 2)


def test_the_page_shows_a_whole_table_and_keeps_its_text() -> None:
    text = table({100: plan(100, MEASURED, Assumed())}, Assumed())
    page = PAGE.read_text(encoding="utf-8")
    again = written(page, text)
    assert text in again
    assert again.partition("<!--")[0] == page.partition("<!--")[0]
    assert "| nodes | 1 |" in page  # the command was run with --write
