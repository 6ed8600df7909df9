"""Clients of a Redis Cluster that behave as those of one server: connected when first used, failing as RedisErrors."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, cast

import redis
from redis.commands.core import Script
from redis.exceptions import RedisClusterException


class Cluster:
    """A cluster's client that connects when it is first used, as others do, and whose errors are RedisErrors."""

    def __init__(self, make: Callable[[], redis.RedisCluster]) -> None:
        self._make = make
        self._made: redis.RedisCluster | None = None

    def __getattr__(self, name: str) -> Any:
        with _as_redis_errors():
            if self._made is None:
                self._made = self._make()
        return _guarded(getattr(self._made, name))

    def register_script(self, script: str) -> Script:
        """As of a client of one server."""
        return Script(cast(redis.RedisCluster, self), script.encode())

    def pipeline(self, transaction: bool = False) -> Pipeline:
        """Commands for many servers, sent to each in one go; never a transaction."""
        if transaction:
            raise ValueError("a cluster knows no transaction over several keys")
        return Pipeline(self.__getattr__("pipeline")())

    def close(self) -> None:
        """Let go of what was connected."""
        if self._made is not None:
            self._made.close()

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Pipeline:
    """A cluster's pipeline; scripts may be part of it, which the library's own methods do not allow."""

    def __init__(self, pipe: Any) -> None:
        self._pipe = pipe

    def __getattr__(self, name: str) -> Any:
        return _guarded(getattr(self._pipe, name))


class AsyncCluster:
    """The same for asyncio."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._made: Any = None

    def __getattr__(self, name: str) -> Any:
        if self._made is None:
            self._made = self._make()
        method = getattr(self._made, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            with _as_redis_errors():
                return await method(*args, **kwargs)

        return call

    async def aclose(self) -> None:
        """Let go of what was connected."""
        if self._made is not None:
            await self._made.aclose()


@contextlib.contextmanager
def _as_redis_errors() -> Iterator[None]:
    """What a cluster's client raises where no server of it can be reached is no RedisError."""
    try:
        yield
    except RedisClusterException as error:
        raise redis.ConnectionError(str(error)) from error


def _guarded(attribute: Any) -> Any:
    if not callable(attribute):
        return attribute

    def call(*args: Any, **kwargs: Any) -> Any:
        with _as_redis_errors():
            return attribute(*args, **kwargs)

    return call
