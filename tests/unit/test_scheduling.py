"""What a batch costs, what can still be in time, whose turn it is, and which cameras a machine takes."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.scheduling.admission import Asking, admit
from streamer.scheduling.costs import CostModel
from streamer.scheduling.shares import FairShares
from streamer.scheduling.triage import Waiting, given_up

FLAT = {1: 0.010, 2: 0.020, 4: 0.040, 8: 0.080}  # a CPU thread: company saves nothing
STEEP = {1: 0.010, 2: 0.011, 4: 0.013, 8: 0.017}  # a GPU


def test_sizes_in_between_are_interpolated_and_larger_ones_cost_their_share():
    costs = CostModel({1: 0.010, 4: 0.016})
    assert [costs.seconds(n) for n in (1, 2, 4, 8)] == pytest.approx([0.010, 0.012, 0.016, 0.032])


def test_where_company_saves_nothing_batches_stay_small_and_nobody_waits_for_it():
    costs = CostModel(FLAT)
    assert costs.best_size(8) <= 2
    assert not costs.worth_waiting(1, 8)


def test_where_company_is_nearly_free_batches_are_full_and_worth_a_wait():
    costs = CostModel(STEEP)
    assert costs.best_size(8) == 8
    assert costs.worth_waiting(3, 8)
    assert not costs.worth_waiting(8, 8)


def test_a_busy_machine_makes_every_size_slower_and_a_hiccup_hardly():
    costs = CostModel(FLAT)
    for _ in range(60):
        costs.took(2, 0.040)
    assert costs.seconds(8) == pytest.approx(0.160, rel=0.01)
    costs.took(1, 60.0)
    assert costs.slowness < 4.0


def test_nothing_is_foretold_before_anything_is_known():
    costs = CostModel()
    assert costs.seconds(4) == 0.0
    assert costs.best_size(8) == 8
    costs.took(2, 0.030)
    assert costs.seconds(4) == pytest.approx(0.060)


def test_who_was_quiet_has_saved_up_nothing():
    shares = FairShares()
    for _ in range(100):
        shares.waiting(["busy"])
        shares.served("busy")
    shares.waiting(["busy", "quiet"])
    assert shares.tag("quiet", 1) >= shares.tag("busy", 0) - 1.0


def in_time(order: list[Waiting], now_s: float, cost_s: float) -> int:
    done, late = 0, 0
    for due_s, _ in order:
        if now_s + (done + 1) * cost_s <= due_s:
            done += 1
        else:
            late += 1
    return done


@given(
    st.lists(st.tuples(st.integers(0, 40), st.sampled_from("abc")), min_size=1, max_size=7),
    st.integers(1, 12),
)
def test_as_many_frames_are_in_time_as_any_order_could_manage(frames, cost):
    waiting = [Waiting(float(due), camera) for due, camera in frames]
    gone = given_up(waiting, 0.0, float(cost), FairShares())
    kept = len(waiting) - gone.total()
    best = max(in_time(list(order), 0.0, float(cost)) for order in itertools.permutations(waiting))
    assert kept == max(1, best)


def test_under_overload_everybody_is_served_alike_whatever_they_send():
    shares, served = FairShares(), Counter()
    queues = {"few": [], "some": [], "many": []}
    rates = {"few": 4, "some": 6, "many": 20}  # frames a second; the machine does 9
    for step in range(2000):
        now_s = step * 0.05
        for camera, fps in rates.items():
            if (step * fps) // 20 > ((step - 1) * fps) // 20:
                queues[camera].append(now_s + 0.5)
        waiting = [Waiting(due, camera) for camera, dues in queues.items() for due in dues]
        shares.waiting([camera for camera, dues in queues.items() if dues])
        for camera, n in given_up(waiting, now_s, 1 / 9, shares).items():
            del queues[camera][:n]
        if step % 2 == 0 and (heads := [(dues[0], camera) for camera, dues in queues.items() if dues]):
            _, camera = min(heads)
            queues[camera].pop(0)
            shares.served(camera)
            served[camera] += 1
    assert max(served.values()) / min(served.values()) < 1.1


def test_weight_decides_who_keeps_more_under_overload():
    shares, served = FairShares({"heavy": 4.0}), Counter()
    queues = {"heavy": [], "light": []}
    for step in range(2000):
        now_s = step * 0.1
        for dues in queues.values():
            dues.append(now_s + 0.5)
        waiting = [Waiting(due, camera) for camera, dues in queues.items() for due in dues]
        shares.waiting(queues)
        for camera, n in given_up(waiting, now_s, 0.1, shares).items():
            del queues[camera][:n]
        _, camera = min((dues[0], camera) for camera, dues in queues.items() if dues)
        queues[camera].pop(0)
        shares.served(camera)
        served[camera] += 1
    assert 3.0 < served["heavy"] / served["light"] < 5.0


def test_what_fits_is_taken_as_it_is():
    taken = admit([Asking("a", 5.0), Asking("b", 25.0, awake=0.2)], 20.0, "degrade", 1.0)
    assert taken.fps == {"a": 5.0, "b": 25.0}
    assert taken.refused == {}
    assert taken.load == pytest.approx(0.5)


def test_what_does_not_fit_is_looked_at_less_often_the_greedy_first():
    taken = admit([Asking("a", 2.0), Asking("b", 10.0), Asking("c", 10.0)], 12.0, "degrade", 1.0)
    assert taken.fps == pytest.approx({"a": 2.0, "b": 5.0, "c": 5.0}, abs=1e-6)


def test_the_last_of_the_least_important_is_refused_where_even_the_least_is_too_much():
    asking = [Asking("a", 5.0), Asking("low", 5.0, weight=0.25), Asking("b", 5.0), Asking("c", 5.0)]
    taken = admit(asking, 2.0, "degrade", 1.0)
    assert set(taken.fps) == {"a", "b"}
    assert "2 pictures a second" in taken.refused["low"]


def test_refusing_takes_the_important_first_and_nobody_gets_less():
    taken = admit([Asking("a", 5.0), Asking("b", 5.0), Asking("high", 5.0, weight=4.0)], 11.0, "refuse", 1.0)
    assert taken.fps == {"a": 5.0, "high": 5.0}
    assert set(taken.refused) == {"b"}


def test_admitting_takes_everybody_and_says_how_much_it_is():
    taken = admit([Asking("a", 50.0), Asking("b", 50.0)], 10.0, "admit", 1.0)
    assert taken.fps == {"a": 50.0, "b": 50.0}
    assert taken.load == pytest.approx(10.0)


@given(
    st.lists(st.tuples(st.floats(0.1, 60), st.floats(0.05, 1), st.sampled_from([0.25, 1.0, 4.0])), max_size=12),
    st.floats(1, 200),
    st.floats(0.1, 5),
)
def test_nobody_gets_more_than_asked_and_all_together_no_more_than_there_is(cameras, pictures_per_s, least_fps):
    asking = [Asking(f"c{i}", *each) for i, each in enumerate(cameras)]
    for policy in ("degrade", "refuse"):
        taken = admit(asking, pictures_per_s, policy, least_fps)
        by_name = {each.camera: each for each in asking}
        assert set(taken.fps) | set(taken.refused) == set(by_name)
        assert all(fps <= by_name[camera].fps + 1e-9 for camera, fps in taken.fps.items())
        used = sum(fps * by_name[camera].awake for camera, fps in taken.fps.items())
        assert used <= pictures_per_s * (1 + 1e-6) or len(taken.fps) == 1
