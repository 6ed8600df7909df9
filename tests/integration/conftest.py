"""What several tests of the whole way share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from streamer.demo.clips import encode
from streamer.demo.street import Street
from streamer.demo.views import SEED, VIEWS
from tests.redis_server import RedisServer


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis of the module's own."""
    with RedisServer(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture
def server(shared_server: RedisServer) -> RedisServer:
    """The same, running and empty."""
    if shared_server.pid is None:
        shared_server.start()
    with redis.Redis.from_url(shared_server.url) as client:
        client.flushall()
    return shared_server


@pytest.fixture(scope="session")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve seconds of a drawn street, 10 frames a second."""
    folder = tmp_path_factory.mktemp("street")
    view = Street(VIEWS["gate"], SEED)
    encode((view.frame(i / 10) for i in range(120)), folder / "street.mp4", fps=10)
    return folder / "street.mp4"
