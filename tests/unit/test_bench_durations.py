"""Percentiles of the book against counting, readings of the machine against arithmetic."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.bench.durations import DurationBook, spread
from streamer.bench.usage import (
    cpu_between,
    cpu_by_thread,
    gpu_reading,
    machine_cpu,
    mean_reading,
    resident_mb,
    slope_per_minute,
)


@settings(deadline=None)
@given(st.lists(st.floats(1e-6, 10.0), min_size=1, max_size=400))
def test_a_percentile_is_a_duration_that_occurred_and_that_its_share_does_not_exceed(seconds: list[float]) -> None:
    found = spread(seconds)
    for share, ms in ((0.5, found.p50_ms), (0.9, found.p90_ms), (0.99, found.p99_ms)):
        assert any(ms == pytest.approx(each * 1e3) for each in seconds)
        within = sum(each * 1e3 <= ms * (1 + 1e-12) for each in seconds)
        below = sum(each * 1e3 < ms * (1 - 1e-12) for each in seconds)
        assert within >= share * len(seconds) - 1e-6
        assert below < share * len(seconds) + 1e-6
    assert found.most_ms == pytest.approx(max(seconds) * 1e3)
    assert found.mean_ms == pytest.approx(sum(seconds) / len(seconds) * 1e3)


def test_the_book_keeps_names_apart_and_forgets_when_asked() -> None:
    book = DurationBook()
    book.add("infer", 0.010)
    book.add("wait", 0.002)
    book.add("infer", 0.030)
    assert {name: each.samples for name, each in book.spreads().items()} == {"infer": 2, "wait": 1}
    assert book.spreads()["infer"].mean_ms == pytest.approx(20.0)
    book.forget()
    assert book.spreads() == {}


def test_nothing_measured_is_no_time() -> None:
    assert spread([]).samples == 0


@settings(deadline=None)
@given(
    slope=st.floats(-50, 50),
    start=st.floats(0, 1000),
    at_s=st.lists(st.integers(0, 600), min_size=3, max_size=40, unique=True),
)
def test_the_slope_of_a_straight_line_is_its_own(slope: float, start: float, at_s: list[int]) -> None:
    at = [1000.0 + each for each in sorted(at_s)]
    values = [start + slope * each / 60.0 for each in at]
    assert slope_per_minute(at, values) == pytest.approx(slope, abs=1e-4)


def test_two_readings_are_no_slope() -> None:
    assert slope_per_minute([0.0, 1.0], [10.0, 20.0]) == 0.0


def test_lines_of_nvidia_smi_are_read_and_others_are_not() -> None:
    assert gpu_reading("37, 12, 2048\n") == {
        "gpu_load_percent": 37.0,
        "gpu_memory_load_percent": 12.0,
        "gpu_memory_used_mb": 2048.0,
    }
    assert gpu_reading("[N/A], 12, 2048") == {"gpu_memory_load_percent": 12.0, "gpu_memory_used_mb": 2048.0}
    assert gpu_reading("NVIDIA-SMI has failed") is None
    assert mean_reading([{"a": 1.0, "b": 4.0}, {"a": 2.0}]) == {"a": 1.5, "b": 4.0}
    assert mean_reading([]) is None


def test_a_thread_that_works_is_charged_under_its_name_and_one_that_waits_is_not() -> None:
    done, leave = threading.Event(), threading.Event()

    def work() -> None:
        until_s = time.thread_time() + 0.1
        while time.thread_time() < until_s:
            np.add(1.0, 1.0)
        done.set()
        leave.wait()

    threads = [
        threading.Thread(target=work, name="worker:one", daemon=True),
        threading.Thread(target=leave.wait, name="waiter:one", daemon=True),
    ]
    before = cpu_by_thread()
    for thread in threads:
        thread.start()
    assert done.wait(60.0)
    after = cpu_by_thread()
    leave.set()
    for thread in threads:
        thread.join()
    cores = cpu_between(before, after, 1.0)
    assert cores["worker"] == pytest.approx(0.1, abs=0.05)
    assert cores["waiter"] < 0.02
    assert sum(after.values()) >= sum(before.values()) + 0.09


def test_this_system_tells_its_memory_and_its_processors_time() -> None:
    assert (resident_mb() or 0.0) > 10.0
    earlier = machine_cpu()
    assert earlier is not None
    assert (machine_cpu() or 0.0) >= earlier
