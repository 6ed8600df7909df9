"""What may be configured through the API: network cameras, and not what this machine alone can reach.

Whoever may change cameras from afar could otherwise have the service read files, open devices, ask services that listen
on this machine alone or a cloud's metadata service, or send what its environment holds somewhere else. What stands in
the file already stays allowed: whoever wrote it was at the machine. `web.allow_sources` allows more.

A name is resolved when it is configured; one that leads elsewhere later, and playlists that name other addresses, are
for the network's own rules.
"""

from __future__ import annotations

import socket
from collections.abc import Collection, Iterator, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from urllib.parse import urlsplit

from streamer.capture.address import is_webcam, scheme, with_escaped_password
from streamer.config import CameraConfig, Config
from streamer.config.lines import Path as KeyPath
from streamer.config.lines import dotted
from streamer.config.references import referred_to
from streamer.config.shown import scalars
from streamer.errors import redact

SCHEMES = frozenset({"rtsp", "rtsps", "http", "https", "srt", "rtmp"})
SECTIONS = ("web", "http", "redis", "webhooks", "jsonl", "data_dir")
"""Who may come in, where results go, and where files are written: changed at the machine only."""

_METADATA = frozenset(map(ip_address, ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254")))
_Address = IPv4Address | IPv6Address


def refused_over_api(before: Config, wanted: Config, allowed: Collection[str]) -> list[str]:
    """A sentence for everything in the wanted configuration that may not be brought in through the API."""
    known = {url for camera in before.cameras.values() for url in (camera.url, camera.footage_url)}
    problems = [
        f"{section}: is not changed through the API: change it in the file, at the machine"
        for section in SECTIONS
        if getattr(before, section) != getattr(wanted, section)
    ]
    if before.model.trusted_keys != wanted.model.trusted_keys:
        problems.append("model.trusted_keys: is not changed through the API: change it in the file, at the machine")
    problems += [
        f"{key}: through the API a model is named, not its folder: {path}"
        for key, path in _models(wanted).items()
        if path not in _models(before).values() and str(path) != path.name and "files" not in allowed
    ]
    for name, camera in wanted.cameras.items():
        problems += [
            f"cameras.{name}.{key}: {problem}"
            for key, problem in _of_camera(camera, before.cameras.get(name), known, allowed)
        ]
    return problems


def refused_references(before: str, wanted: str, allowed: Collection[str]) -> list[str]:
    """A sentence for every reference to a variable or a file that would be sent where it was not sent before."""
    if "variables" in allowed:
        return []
    old = {scalar.path: scalar.value for scalar in scalars(before)}
    new = {scalar.path: scalar.value for scalar in scalars(wanted)}
    return [
        f"{dotted(path)}: {', '.join(referred_to(value))} is used in a new place, which needs 'variables' in"
        " web.allow_sources; or change it in the file, at the machine"
        for path, value in new.items()
        if next(referred_to(value), None) and not _goes_where_it_went(path, value, old, new)
    ]


def refused_source(camera: CameraConfig, before: Config, allowed: Collection[str]) -> list[str]:
    """The same for one camera that is only tried."""
    known = {url for each in before.cameras.values() for url in (each.url, each.footage_url)}
    alike = next((each for each in before.cameras.values() if each.url == camera.url), None)
    return [f"{key}: {problem}" for key, problem in _of_camera(camera, alike, known, allowed)]


def _of_camera(
    camera: CameraConfig, was: CameraConfig | None, known: Collection[str | None], allowed: Collection[str]
) -> Iterator[tuple[str, str]]:
    options_stay = was is not None and (was.format, was.options) == (camera.format, camera.options)
    if not options_stay:
        if camera.format and "devices" not in allowed:
            yield "format", "needs 'devices' in web.allow_sources"
        if camera.options and "options" not in allowed:
            yield "options", "FFmpeg's options can lead anywhere: they need 'options' in web.allow_sources"
    for key, url in (("url", camera.url), ("footage_url", camera.footage_url)):
        if url and url not in known and (problem := _of_address(url, camera.format, allowed)):
            yield key, problem


def _of_address(url: str, format: str | None, allowed: Collection[str]) -> str | None:
    of = scheme(url)
    if of is None:
        needed, what = ("devices", "a device") if format or is_webcam(url) else ("files", "a file")
        return None if needed in allowed else f"{what} of the service's machine needs '{needed}' in web.allow_sources"
    if of not in SCHEMES and "any_scheme" not in allowed:
        return f"{of}:// is none of {', '.join(sorted(SCHEMES))}; it needs 'any_scheme' in web.allow_sources"
    host = _host(url)
    if host is None:
        return None if of not in SCHEMES else f"{redact(url)} names no host"
    for address in _addresses(host):
        kind = _kind(address)
        if kind and kind not in allowed:
            where = "this machine itself" if kind == "loopback" else "a link-local or metadata address"
            return f"{host} is {where}, which needs '{kind}' in web.allow_sources"
    return None


def _host(url: str) -> str | None:
    try:
        return urlsplit(with_escaped_password(url)).hostname or None
    except ValueError:
        return None


def _addresses(host: str) -> Iterator[_Address]:
    """Those that a name has now; none where nobody knows it, and then nothing can be connected to."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return
    for *_, address in found:
        yield ip_address(str(address[0]).partition("%")[0])


def _kind(address: _Address) -> str | None:
    if isinstance(address, IPv6Address):
        address = address.ipv4_mapped or address.sixtofour or address
    if address.is_loopback or address.is_unspecified:
        return "loopback"
    return "link_local" if address.is_link_local or address in _METADATA else None


def _models(config: Config) -> Mapping[str, Path]:
    """Every key that names a model, where it names one."""
    named = {"model.path": config.model.path, "behaviour.track": config.behaviour.track,
             "behaviour.scene": config.behaviour.scene, "inference.capacity": config.inference.capacity}  # fmt: skip
    for name, camera in config.cameras.items():
        look = camera.detect.second_look
        named[f"cameras.{name}.detect.second_look.model"] = look.model if look else None
    return {key: path for key, path in named.items() if path is not None}


def _goes_where_it_went(path: KeyPath, value: str, old: Mapping[KeyPath, str], new: Mapping[KeyPath, str]) -> bool:
    if old.get(path) == value:
        address = (*path[:2], "url")
        return path[2:3] != ("options",) or old.get(address) == new.get(address)
    return "://" in value and value in old.values()
