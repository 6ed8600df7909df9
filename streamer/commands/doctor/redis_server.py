"""Redis, or each server of a cluster: version, memory policy, persistence, how fast it answers, and its clock."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Mapping
from typing import Any

import redis

from streamer.broker import connect, translate, where
from streamer.commands.doctor.finding import Finding
from streamer.errors import SinkError

_LEAST_VERSION = (6, 2)
_MOST_SKEW_S = 2.0
_SLOW_ANSWER_S = 0.05
_PINGS = 20


def examined_redis(url: str) -> Iterator[Finding]:
    """What is there at the address of the configuration."""
    try:
        client = connect(url)
        try:
            skew_s, pings_s = _heard(client)
            told = _told(client)
        except redis.RedisError as error:
            raise translate(error, url) from error
        finally:
            client.close()
    except SinkError as error:
        yield Finding("redis", False, str(error))
        return
    yield _reached(url, told, pings_s)
    for name, info in told.items():
        yield from judged_redis(name, info)
    measured = {"skew_s": round(skew_s, 4)}
    if abs(skew_s) > _MOST_SKEW_S:
        said = f"its clock is {skew_s:+.2f} s from ours; set both by NTP, or times in alerts and leases will not match"
        yield Finding("redis clock", False, said, measured)
    else:
        yield Finding("redis clock", True, f"its clock is {skew_s:+.3f} s from ours", measured)


def judged_redis(name: str, info: Mapping[str, Any]) -> Iterator[Finding]:
    """Pure: what the answer to INFO means for us. name: of the server, where there are several."""
    what, version = f"redis {name}".strip(), str(info.get("redis_version", "unknown"))
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
    if numbers and numbers < _LEAST_VERSION:
        yield Finding(what, False, f"version {version} is too old: 6.2 or newer is needed", {"version": version})
    if info.get("role") == "slave":
        yield Finding(what, False, "is a replica: the address should lead to the primary")
    yield _memory(what, info)
    yield _persistence(what, info)


def _memory(what: str, info: Mapping[str, Any]) -> Finding:
    policy, most, used = (
        str(info.get("maxmemory_policy", "unknown")),
        info.get("maxmemory", 0),
        info.get("used_memory", 0),
    )
    measured = {"maxmemory_policy": policy, "maxmemory_mb": most / 1e6, "used_mb": round(used / 1e6, 1)}
    said = f"{used / 1e6:.0f} MB in use of {f'{most / 1e6:.0f} MB' if most else 'as much as there is'}, policy {policy}"
    if policy.startswith("allkeys"):
        said += "; it may throw our keys away, and everything would be sent again: set maxmemory-policy noeviction"
        return Finding(f"{what} memory", False, said, measured)
    if most and used > 0.9 * most:
        said += "; nearly full: new alerts would wait in the outbox. Give it more, or lower redis.alerts_keep"
        return Finding(f"{what} memory", False, said, measured)
    return Finding(f"{what} memory", True, said, measured)


def _persistence(what: str, info: Mapping[str, Any]) -> Finding:
    appends = bool(info.get("aof_enabled", 0))
    measured = {"appendonly": "yes" if appends else "no"}
    refused = [key for key in ("rdb_last_bgsave_status", "aof_last_write_status") if info.get(key, "ok") != "ok"]
    if refused:
        said = f"{refused[0]} is {info[refused[0]]}: it cannot save to its disk; look at its log"
        return Finding(f"{what} persistence", False, said, measured)
    if appends:
        return Finding(f"{what} persistence", True, "appendonly yes", measured)
    said = "appendonly no: after a crash it has forgotten what was new, and is told again; set appendonly yes"
    return Finding(f"{what} persistence", None, said, measured)


def _reached(url: str, told: Mapping[str, Mapping[str, Any]], pings_s: list[float]) -> Finding:
    middle_s, worst_s = statistics.median(pings_s), max(pings_s)
    versions = ", ".join(sorted({str(info.get("redis_version", "unknown")) for info in told.values()}))
    said = f"{where(url)}, version {versions or 'not told (INFO is not allowed)'}"
    said += f", answers in {middle_s * 1e3:.1f} ms, at most {worst_s * 1e3:.1f} ms of {_PINGS}"
    if middle_s > _SLOW_ANSWER_S:
        said += "; it is slow or far away: alerts are late by as much"
    measured = {
        "version": versions or None,
        "answer_ms": round(middle_s * 1e3, 2),
        "answer_worst_ms": round(worst_s * 1e3, 2),
    }
    return Finding("redis", True, said, measured)


def _heard(client: redis.Redis) -> tuple[float, list[float]]:
    """Seconds that our clock is ahead of the server's, as of the middle of the fastest question; each answer's time."""
    answers = []
    for _ in range(_PINGS):
        asked_at, began_s = time.time(), time.perf_counter()
        seconds, micros = _one(client.time())
        took_s = time.perf_counter() - began_s
        answers.append((took_s, asked_at + took_s / 2 - (seconds + micros / 1e6)))
    return min(answers)[1], [took_s for took_s, _ in answers]


def _told(client: redis.Redis) -> Mapping[str, Mapping[str, Any]]:
    """INFO by server; of one server its name is empty. Empty where the user may not ask."""
    try:
        info: Any = client.info()
    except redis.exceptions.NoPermissionError:
        return {}
    return (
        info
        if info and all(isinstance(each, dict) and "redis_version" in each for each in info.values())
        else {"": info}
    )


def _one(answer: Any) -> Any:
    """The answer, or of a cluster's answers any."""
    return next(iter(answer.values())) if isinstance(answer, dict) else answer
