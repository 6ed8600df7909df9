"""The quick version of the benchmark: three kills of the publishing process, faults of Redis, and nobody notices."""

from __future__ import annotations

from pathlib import Path

from tests.benchmarks.exactly_once import judge, run


def test_nothing_is_lost_doubled_or_out_of_order_through_three_kills(tmp_path: Path) -> None:
    verdict = run(tmp_path, changes=500, kills=3, seed=7, say=print)
    assert verdict.kills == 3
    assert verdict.redis_faults
    assert verdict.sent > 400
    assert (verdict.lost, verdict.doubled, verdict.out_of_order) == (0, 0, 0), verdict.examples


def test_the_judge_sees_every_kind_of_failure() -> None:
    stored = [("a", 1), ("a", 2), ("b", 1)]
    perfect = judge(stored, ["a:1"], ["a:1", "b:1", "a:2"])
    assert (perfect.sent, perfect.lost, perfect.doubled, perfect.out_of_order) == (3, 0, 0, 0)
    assert judge(stored, [], ["a:1", "b:1"]).lost == 1
    assert judge(stored, ["c:1"], ["a:1", "a:2", "b:1"]).lost == 1  # promised before a kill, and not even stored
    assert judge(stored, [], ["a:1", "a:2", "b:1", "b:1"]).doubled == 1
    assert judge(stored, [], ["a:2", "a:1", "b:1"]).out_of_order == 1
