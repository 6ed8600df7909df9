"""How the cores are used is measured once and remembered; several detectors work beside each other as one."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from streamer.detect import load_detector
from streamer.detect.detector import OnnxDetector
from streamer.detect.plan import Arrangement, Plan, arrangements, best
from streamer.detect.planning import measured, plan_file, remember, remembered
from streamer.detect.pool import DetectorPool
from streamer.types import Frame
from tests.fakes import StillPicture
from tests.onnx_models import write_tiny


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_tiny(tmp_path / "tiny").folder


def a_picture(detector: OnnxDetector, camera: str = "gate") -> Frame:
    w, h = detector.input_fit.canvas_wh
    grey = np.full((h, w, 3), 114, np.uint8)
    return Frame(camera, "s", 0, grey, (w, h), 0.0, 0.0, 0.0, StillPicture(grey))


def test_cores_are_used_one_by_one_all_together_or_in_between():
    assert arrangements(1) == (Arrangement(1, 1),)
    assert arrangements(2) == (Arrangement(2, 1), Arrangement(1, 2))
    assert arrangements(8) == (Arrangement(8, 1), Arrangement(4, 2), Arrangement(2, 4), Arrangement(1, 8))
    assert arrangements(6) == (Arrangement(6, 1), Arrangement(3, 2), Arrangement(1, 6))


def test_many_lanes_must_be_clearly_faster_than_few():
    many, few = Arrangement(4, 1), Arrangement(1, 4)
    assert best({many: 100.0, few: 60.0}) == many
    assert best({many: 100.0, few: 97.0}) == few
    assert best({many: 60.0, few: 100.0}) == few


def test_every_arrangement_is_tried_and_the_costs_of_calls_are_those_of_the_chosen_one(folder: Path):
    def lanes(arrangement: Arrangement) -> list[OnnxDetector]:
        return [load_detector(folder, threads=arrangement.threads) for _ in range(arrangement.lanes)]

    plan, detectors = measured(lanes, arrangements(2), max_batch=3)
    assert set(plan.pictures_per_s) == {Arrangement(2, 1), Arrangement(1, 2)}
    assert plan.capacity == plan.pictures_per_s[plan.arrangement] > 0
    assert len(detectors) == plan.arrangement.lanes
    assert set(plan.seconds) == {1, 2, 3}
    assert min(plan.seconds.values()) > 0


def test_where_there_is_no_choice_the_capacity_follows_from_what_calls_cost():
    assert Plan(Arrangement(2, 1), {1: 0.010, 4: 0.020}, {}).capacity == pytest.approx(400)


def test_a_plan_is_remembered_and_one_that_is_damaged_is_made_again(tmp_path: Path, folder: Path):
    plan = Plan(Arrangement(2, 1), {1: 0.01, 8: 0.07}, {Arrangement(2, 1): 180.0, Arrangement(1, 2): 140.0})
    path = plan_file(tmp_path / "plans", load_detector(folder), 2, 8)
    assert remembered(path) is None
    remember(path, plan)
    assert remembered(path) == plan
    for damage in ("", "{", "[]", '{"arrangement": [1]}', path.read_text().replace("0.01", "-1")):
        path.write_text(damage)
        assert remembered(path) is None


def test_where_nothing_can_be_kept_the_plan_is_only_lost(tmp_path: Path):
    (tmp_path / "plans").write_text("a file, not a folder")
    remember(tmp_path / "plans" / "one.json", Plan(Arrangement(1, 1), {1: 0.01}, {}))
    assert remembered(tmp_path / "plans" / "one.json") is None


def test_another_model_another_number_of_cores_or_batch_has_a_plan_of_its_own(tmp_path: Path, folder: Path):
    detector = load_detector(folder)
    assert len({plan_file(tmp_path, detector, cores, batch) for cores in (1, 2) for batch in (4, 8)}) == 4


def test_lanes_share_the_work_and_their_times_add_up(folder: Path):
    pool = DetectorPool([load_detector(folder), load_detector(folder)])
    picture, alone = a_picture(pool.first), load_detector(folder)
    [expected] = alone.detect([picture])
    found = []

    def work() -> None:
        for _ in range(20):
            found.extend(pool.detect([picture]))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(found) == 60
    assert all((each.boxes_xyxy == expected.boxes_xyxy).all() for each in found)
    assert pool.timings.frames == pool.timings.runs == 60
    assert pool.lanes == 2


def test_a_pool_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        DetectorPool([])
