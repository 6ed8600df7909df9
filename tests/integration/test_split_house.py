"""The ordinary house with its model behind a door: the same alerts, and where nobody is behind it, it says so."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from streamer.apart.desk import AnsweringDesk
from streamer.apart.door import Doors
from streamer.apart.gatherer import GatherPolicy
from streamer.assembly.apart import open_apart
from streamer.assembly.house import House, open_house
from streamer.assembly.model import ModelOf, open_model
from streamer.clock import SystemClock
from streamer.config import Config, load_config
from streamer.config.model import ModelConfig
from streamer.scheduling.costs import CostModel
from tests.apart import HereDoor
from tests.integration.test_run_equals_replay import RULES, identity
from tests.living import one_camera, published, replayed, write_config
from tests.redis_server import RedisServer

pytestmark = pytest.mark.timeout(300)
WITHIN_S = 120.0


def through(doors: Doors) -> ModelOf:
    return lambda config: open_apart(config, doors, "north", SystemClock())


def a_real_desk() -> AnsweringDesk:
    model = open_model(ModelConfig(threads=1, lanes=1), 8)
    desk = AnsweringDesk(
        model.pool, model.pool.first.model_hash, GatherPolicy(), SystemClock(), costs=CostModel(model.plan.seconds)
    )
    desk.start()
    return desk


def apart(path: Path) -> Config:
    config = load_config(path)
    settings = {"apart": {"require": ["role=inference"]}}
    text = config.model_dump(mode="python", exclude_unset=True)
    text["inference"] = {**text.get("inference", {}), **settings}
    return Config.model_validate(text)


def eventually(true: Callable[[], bool], what: str) -> None:
    until_s = time.monotonic() + WITHIN_S
    while not true():
        assert time.monotonic() < until_s, what
        time.sleep(0.05)


def ready(house: House) -> tuple[int, dict[str, object]]:
    assert house.telemetry is not None
    try:
        with urllib.request.urlopen(f"{house.telemetry.address}/readyz", timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        return refused.code, json.load(refused)


def test_a_recording_gives_the_ids_that_replay_gives_though_a_door_dies(
    server: RedisServer, tmp_path: Path, street: Path
) -> None:
    path = one_camera(tmp_path, server.url, **RULES, url=str(street))
    _, expected = replayed(street, path, tmp_path / "out.jsonl")
    dying, other = HereDoor("m", a_real_desk()), HereDoor("n", a_real_desk())
    doors = Doors([dying, other])
    with open_house(apart(path), SystemClock(), str(path), model_of=through(doors)) as house:
        frames = threading.Thread(
            target=lambda: (eventually(lambda: len(dying.asked) > 10, "it was asked"), dying.die())
        )
        frames.start()
        report = house.service.run()
        frames.join(WITHIN_S)
        [unit] = house.service.cameras or (None,)
        rows = {(name, labels): value for name, labels, value in house.metrics.readings()}
    assert report.clean, report
    assert unit is None or unit.ledger.counts().dropped == {}
    assert rows["streamer_questions_total", ("answered",)] > 10
    assert len(expected) > 4
    assert [identity(change) for change in published(server.url)] == [identity(change) for change in expected]
    other.die()


def test_while_nobody_answers_it_is_not_ready_and_every_frame_says_why(tmp_path: Path, street: Path) -> None:
    path = write_config(
        tmp_path / "c.yaml",
        data_dir=str(tmp_path / "data"),
        http={"port": 0},
        cameras={"gate": {"url": str(street), "pace": "realtime", "loop": True, "decode": "always", "clips": None}},
    )
    doors = Doors()
    config = apart(path).model_copy(update={"inference": apart(path).inference.model_copy(update={"max_age_s": 30.0})})
    with open_house(config, SystemClock(), str(path), model_of=through(doors)) as house:
        running = threading.Thread(target=house.service.run)
        running.start()
        [unit] = house.service.cameras
        eventually(lambda: unit.ledger.counts().dropped.get("unanswered", 0) > 5, "frames are counted as unanswered")
        assert unit.ledger.counts().analysed == 0
        status, said = ready(house)
        assert status == 503
        assert said["model"] == {"ok": False, "trouble": "no inference node has been found yet"}
        door = HereDoor("m", a_real_desk())
        doors.become([door])
        eventually(lambda: unit.ledger.counts().analysed > 5, "and analysed as soon as somebody answers")
        assert ready(house)[0] == 200
        rows = {(name, labels): value for name, labels, value in house.metrics.readings()}
        assert rows["streamer_inference_nodes", ()] == 1.0
        assert rows["streamer_question_bytes_total", ("pictures",)] > 0
        house.service.stop()
        running.join(WITHIN_S)
        counts = unit.ledger.counts()
        assert counts.waiting == 0
        assert counts.received == counts.analysed + sum(counts.skipped.values()) + sum(counts.dropped.values())
    door.die()
