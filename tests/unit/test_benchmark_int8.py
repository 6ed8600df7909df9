"""When the `int8` benchmark calls eight bits worth it."""

from __future__ import annotations

from typing import Any

import pytest

from models.detector.yardsticks import COCO
from tests.benchmarks.int8 import verdict


def net(ms: float, ap50: float) -> dict[str, Any]:
    """Figures of one net, as far as the verdict reads them."""
    return {"run_cpu_ms_per_picture": {"1": ms}, "person_ap50": {COCO: ap50}}


@pytest.mark.parametrize(
    ("ms", "ap50", "worth_it"),
    [(4.0, 0.40, True), (4.0, 0.397, True), (4.0, 0.39, False), (9.0, 0.40, False), (12.0, 0.41, False)],
)
def test_int8_is_worth_it_where_it_is_clearly_faster_and_finds_as_many(ms: float, ap50: float, worth_it: bool) -> None:
    assert verdict(net(10.0, 0.40), net(ms, ap50))["worth_it"] is worth_it


def test_a_verdict_tells_how_much_faster_and_what_share_is_lost() -> None:
    assert verdict(net(10.0, 0.40), net(4.0, 0.30)) == {"speed_up": 2.5, "loss": 0.25, "worth_it": False}
