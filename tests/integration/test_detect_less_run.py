"""Looking less, looking at parts: the threaded service still tells what `replay` tells, to the id."""

from __future__ import annotations

import pytest

from tests.integration.test_run_equals_replay import a_config, identity
from tests.living import published, replayed, running
from tests.redis_server import RedisServer


@pytest.mark.parametrize(
    "detect",
    [
        {"regions": "tiles", "tiles": [1, 2]},
        {"regions": "motion", "skip_easy": {"frames": "followed"}},
    ],
    ids=["tiles", "motion and easy frames"],
)
def test_a_recording_gives_the_same_ids_in_run_and_replay(tmp_path, street, detect):
    with RedisServer(tmp_path / "redis") as redis:
        config = a_config(tmp_path, redis.url, url=str(street), detect=detect)
        _, expected = replayed(street, config, tmp_path / "out.jsonl")
        with running(config) as service:
            assert service.wait(60) == 0, config.with_suffix(".log").read_text()
        assert len(expected) > 0
        assert [identity(c) for c in published(redis.url)] == [identity(c) for c in expected]
