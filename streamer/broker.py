"""How Redis is spoken to: connections that fail fast, and what its refusals mean in a sentence.

Publisher and subscriber share it, so that both call the same trouble by the same name. Retrying is not done here: those
who wait decide how long, and the client library's own hidden retries are switched off.

    redis://HOST:6379/0                                    one server; unix:///run/redis.sock
    redis+sentinel://SENTINEL:26379,SENTINEL:26379/NAME/0  the primary that these sentinels name
    redis+cluster://HOST:6379,HOST:6379                    a Redis Cluster that these servers belong to

With TLS: rediss://, rediss+sentinel://, rediss+cluster://, and ?ca=FILE for an authority of one's own,
?cert=FILE&key=FILE where the server wants to know who we are. `?sentinel_password=` is the sentinels' own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import urlsplit

import redis
import redis.asyncio
import redis.asyncio.sentinel
import redis.cluster
import redis.sentinel
from redis.backoff import NoBackoff
from redis.retry import Retry

from streamer.errors import ConfigError, SinkError, SinkRejected, SinkUnavailable, redact
from streamer.redis_address import Address, read_address
from streamer.redis_cluster import AsyncCluster, Cluster
from streamer.wire import Keys

CONNECT_WITHIN_S = 2.0
ANSWER_WITHIN_S = 5.0
_LIMITS: Mapping[str, Any] = {"socket_connect_timeout": CONNECT_WITHIN_S, "socket_keepalive": True}

# What a server answers → what is wrong, and what the reader of the message can do about it.
_REFUSALS = {
    "OOM": "is out of memory (maxmemory reached with noeviction); give it more or trim its streams",
    "READONLY": "is a read-only replica; the address should lead to the primary",
    "LOADING": "is still loading its data",
    "BUSY": "is busy with somebody's slow script",
    "MASTERDOWN": "is a replica that has lost its primary",
    "CLUSTERDOWN": "is a cluster that is down",
    "TRYAGAIN": "is a cluster that is moving these keys",
    "MOVED": "is one node of a cluster: begin the address with redis+cluster://",
    "CROSSSLOT": "is a cluster and the keys lie in several slots: begin the address with redis+cluster://",
    "MISCONF": "refuses writes because it cannot save to its disk",
    "NOREPLICAS": "refuses writes because too few replicas follow it",
    "NOAUTH": "wants a password and the address has none",
    "WRONGPASS": "refuses the user name or password",
    "NOPERM": "does not allow this user these commands or keys (ACL)",
    "WRONGTYPE": "holds something else under one of our keys; remove that key or choose another prefix",
    "NOPROTO": "is too old for this client",
}
_BY_CLASS: tuple[tuple[type[Exception], str], ...] = (
    (redis.exceptions.BusyLoadingError, "LOADING"),
    (redis.exceptions.ReadOnlyError, "READONLY"),
    (redis.exceptions.OutOfMemoryError, "OOM"),
    (redis.exceptions.NoPermissionError, "NOPERM"),
    (redis.exceptions.AskError, "MOVED"),
    (redis.exceptions.ClusterCrossSlotError, "CROSSSLOT"),
)


def connect(url: str, *, answer_within_s: float = ANSWER_WITHIN_S) -> redis.Redis:
    """A client that connects when it is first used. Raises ConfigError for an address that is none.

    Of a cluster it is one that takes the same calls; what it raises is a RedisError there too.
    """
    address, options = _read(url), {**_LIMITS, "socket_timeout": answer_within_s, "retry": Retry(NoBackoff(), 0)}
    try:
        match address.shape:
            case "one":
                return redis.Redis.from_url(address.plain_url, **options)
            case "sentinel":
                sentinels = redis.sentinel.Sentinel(  # type: ignore[no-untyped-call]
                    address.hosts,
                    sentinel_kwargs={**options, **address.sentinel_options},
                    **options,
                    **address.options,
                )
                primary: redis.Redis = sentinels.master_for(address.service)  # type: ignore[no-untyped-call]
                return primary
            case "cluster":
                nodes = [redis.cluster.ClusterNode(*host) for host in address.hosts]  # type: ignore[no-untyped-call]
                return cast(
                    redis.Redis,
                    Cluster(lambda: redis.RedisCluster(startup_nodes=nodes, **options, **address.options)),
                )
    except (ValueError, TypeError) as error:
        raise _no_address(url, error) from error


def connect_async(url: str, *, answer_within_s: float = ANSWER_WITHIN_S) -> redis.asyncio.Redis:
    """The same for asyncio."""
    retry = redis.asyncio.retry.Retry(NoBackoff(), 0)
    address, options = _read(url), {**_LIMITS, "socket_timeout": answer_within_s, "retry": retry}
    try:
        match address.shape:
            case "one":
                return redis.asyncio.Redis.from_url(address.plain_url, **options)
            case "sentinel":
                sentinels = redis.asyncio.sentinel.Sentinel(  # type: ignore[no-untyped-call]
                    address.hosts,
                    sentinel_kwargs={**options, **address.sentinel_options},
                    **options,
                    **address.options,
                )
                primary: redis.asyncio.Redis = sentinels.master_for(address.service)
                return primary
            case "cluster":
                nodes = [redis.asyncio.cluster.ClusterNode(*host) for host in address.hosts]
                return cast(
                    redis.asyncio.Redis,
                    AsyncCluster(lambda: redis.asyncio.RedisCluster(startup_nodes=nodes, **options, **address.options)),
                )
    except (ValueError, TypeError) as error:
        raise _no_address(url, error) from error


def keys_for(url: str, prefix: str = "streamer") -> Keys:
    """How keys are laid out where this address leads: over a cluster by camera, else as they always were."""
    return Keys(prefix, sharded=urlsplit(url).scheme in ("redis+cluster", "rediss+cluster"))


def where(url: str) -> str:
    """The address for a message: without user, password or query."""
    parts = urlsplit(redact(url))
    return f"Redis at {parts.netloc.rpartition('@')[2]}{parts.path}" if parts.netloc else f"Redis at {parts.path}"


def translate(error: Exception, url: str) -> SinkError:
    """The house's error for one of the client library's (or a plain socket error); the message holds no credentials.

    Nearly everything is SinkUnavailable: what an operator can mend must not cost an alert. Rejected is only what the
    server will never take from anybody, a message above its size limit.
    """
    code, text = _code(error), redact(str(error).strip())
    if "exceeds maximum allowed size" in text or "invalid bulk length" in text:
        return SinkRejected(f"{where(url)} refuses a message for its size (proto-max-bulk-len): {text}")
    if code in _REFUSALS:
        return SinkUnavailable(f"{where(url)} {_REFUSALS[code]} [{text}]")
    if isinstance(error, redis.exceptions.AuthenticationError):
        return SinkUnavailable(f"{where(url)} refuses the user name or password [{text}]")
    if isinstance(error, redis.exceptions.TimeoutError | TimeoutError):
        return SinkUnavailable(f"{where(url)} does not answer in time [{text}]")
    if isinstance(error, redis.exceptions.ConnectionError | OSError):
        return SinkUnavailable(f"{where(url)} cannot be reached [{text}]")
    return SinkUnavailable(f"{where(url)} refused: {text or type(error).__name__}")


def _code(error: Exception) -> str:
    for kind, code in _BY_CLASS:
        if isinstance(error, kind):
            return code
    if "uthentication required" in str(error) or "client already authenticated" in str(error):
        return "NOAUTH"
    # redis-py strips the code from some errors and keeps it in others; Lua errors carry it inside the text
    words = str(error).replace("-", " ").split()
    return next((word.rstrip(":,.") for word in words if word.rstrip(":,.") in _REFUSALS), "")


def _read(url: str) -> Address:
    try:
        return read_address(url)
    except ValueError as error:
        raise _no_address(url, error) from error


def _no_address(url: str, error: Exception) -> ConfigError:
    return ConfigError([f"{redact(url)!r} is no Redis address ({redact(str(error))}); expected redis://HOST:PORT/DB"])
