"""How Redis is spoken to: connections that fail fast, and what its refusals mean in a sentence.

Publisher and subscriber share it, so that both call the same trouble by the same name. Retrying is not done here: those
who wait decide how long, and the client library's own hidden retries are switched off.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.retry import Retry

from streamer.errors import ConfigError, SinkError, SinkRejected, SinkUnavailable, redact

CONNECT_WITHIN_S = 2.0
ANSWER_WITHIN_S = 5.0

# What a server answers → what is wrong, and what the reader of the message can do about it.
_REFUSALS = {
    "OOM": "is out of memory (maxmemory reached with noeviction); give it more or trim its streams",
    "READONLY": "is a read-only replica; the address should lead to the primary",
    "LOADING": "is still loading its data",
    "BUSY": "is busy with somebody's slow script",
    "MASTERDOWN": "is a replica that has lost its primary",
    "CLUSTERDOWN": "is a cluster that is down",
    "TRYAGAIN": "is a cluster that is moving these keys",
    "MOVED": "is one node of a cluster; keys need one slot: set the prefix to '{streamer}' and name the right node",
    "CROSSSLOT": "is a cluster and the keys lie in several slots: set the prefix to '{streamer}'",
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
)


def connect(url: str, *, answer_within_s: float = ANSWER_WITHIN_S) -> redis.Redis:
    """A client that connects when it is first used. Raises ConfigError for an address that is none."""
    try:
        return redis.Redis.from_url(
            url,
            socket_connect_timeout=CONNECT_WITHIN_S,
            socket_timeout=answer_within_s,
            socket_keepalive=True,
            retry=Retry(NoBackoff(), 0),
        )
    except ValueError as error:
        raise _no_address(url, error) from error


def connect_async(url: str, *, answer_within_s: float = ANSWER_WITHIN_S) -> redis.asyncio.Redis:
    """The same for asyncio."""
    try:
        return redis.asyncio.Redis.from_url(
            url,
            socket_connect_timeout=CONNECT_WITHIN_S,
            socket_timeout=answer_within_s,
            socket_keepalive=True,
            retry=redis.asyncio.retry.Retry(NoBackoff(), 0),
        )
    except ValueError as error:
        raise _no_address(url, error) from error


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


def _no_address(url: str, error: ValueError) -> ConfigError:
    return ConfigError([f"{redact(url)!r} is no Redis address ({redact(str(error))}); expected redis://HOST:PORT/DB"])
