"""Addresses of Redis taken apart: one server, sentinels, a cluster, with or without TLS (broker.py has their forms)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

_FILES = {"ca": "ssl_ca_certs", "cert": "ssl_certfile", "key": "ssl_keyfile"}
_PORTS = {"cluster": 6379, "sentinel": 26379}


@dataclass(frozen=True, slots=True)
class Address:
    """An address taken apart. plain_url is for one server, the rest for the others; options as redis-py calls them."""

    shape: Literal["one", "cluster", "sentinel"]
    plain_url: str = ""
    hosts: tuple[tuple[str, int], ...] = ()
    service: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    sentinel_options: Mapping[str, Any] = field(default_factory=dict)


def read_address(url: str) -> Address:
    """The parts of an address. Raises ValueError, with passwords in it: to be redacted."""
    parts = urlsplit(url)
    scheme, _, shape = parts.scheme.partition("+")
    query = {_FILES.get(name, name): value for name, value in parse_qsl(parts.query)}
    if not shape:
        ours = any(name in _FILES for name, _ in parse_qsl(parts.query))
        return Address("one", urlunsplit(parts._replace(query=urlencode(query))) if ours else url)
    if shape not in _PORTS or scheme not in ("redis", "rediss"):
        raise ValueError(f"{parts.scheme}:// is not known")
    user, _, hosts = parts.netloc.rpartition("@")
    name, _, password = (unquote(part) for part in user.partition(":"))
    options: dict[str, Any] = {"username": name or None, "password": password or None}
    if scheme == "rediss":
        options["ssl"] = True
    sentinel: dict[str, Any] = {**options, "username": None, "password": query.pop("sentinel_password", None)}
    sentinel["username"] = query.pop("sentinel_username", None)
    if unknown := [name for name in query if not name.startswith("ssl_")]:
        raise ValueError(f"it does not know '{unknown[0]}'")
    service, _, number = parts.path.strip("/").partition("/")
    if shape == "sentinel":
        if not service:
            raise ValueError("the name of the sentinels' service is missing, as in redis+sentinel://HOST:26379/NAME")
        options["db"] = int(number or 0)
    elif service not in ("", "0"):
        raise ValueError("a cluster has database 0 only")
    found = tuple(_host(each, _PORTS[shape]) for each in hosts.split(","))
    return Address(
        cast(Literal["cluster", "sentinel"], shape), "", found, service, {**options, **query}, {**sentinel, **query}
    )


def _host(text: str, default_port: int) -> tuple[str, int]:
    host = urlsplit(f"//{text}")
    if not host.hostname:
        raise ValueError("a host is missing")
    return host.hostname, host.port or default_port
