"""Addresses that a model may be fetched from, and who opens them: https, or http where nobody can sit in between."""

from __future__ import annotations

import base64
import ipaddress
import urllib.request
from collections.abc import Mapping
from email.message import Message
from typing import IO, Any
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from streamer import __version__
from streamer.catalogue.errors import DownloadFailed
from streamer.errors import ConfigError, redact


class Address:
    """One address, checked, with its opener and what a message may show of it.

    allow_http: plain http from any host; without it only from this machine. user:password@ is sent as basic
    authentication to this host alone. Proxies come from the environment (https_proxy, http_proxy, no_proxy), but
    never for this machine. Raises ConfigError for an address that is none or is not allowed.
    """

    def __init__(self, text: str, *, allow_http: bool = False) -> None:
        parts = _split(text)
        problem = "is no address; expected https://HOST/PATH" if parts is None else _problem(parts, allow_http)
        if parts is None or problem:
            raise ConfigError([f"{redact(text)}: {problem}"])
        self.shown = redact(text)
        self.host = parts.hostname or ""
        self.proxy = _proxy_for(parts)
        self._url = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment=""))
        self._authorization = _basic(parts)
        redirects = _CarefulRedirects(allow_http)
        handlers = [urllib.request.ProxyHandler({})] if _is_this_machine(self.host) else []
        self._opener = urllib.request.build_opener(redirects, *handlers)

    def open(self, headers: Mapping[str, str], timeout_s: float) -> Any:
        """The answer to a GET, redirects followed (http.client.HTTPResponse).

        Raises urllib.error.HTTPError for a status that is no success, OSError and http.client.HTTPException for a
        connection that fails, DownloadFailed for a redirect to where this address must not lead.
        """
        request = urllib.request.Request(self._url, headers={"User-Agent": f"streamer/{__version__}", **headers})
        if self._authorization:
            request.add_unredirected_header("Authorization", self._authorization)
        return self._opener.open(request, timeout=timeout_s)


class _CarefulRedirects(urllib.request.HTTPRedirectHandler):
    """Follows a redirect only to where the address itself might have led."""

    def __init__(self, allow_http: bool) -> None:
        self._allow_http = allow_http

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> urllib.request.Request | None:
        parts = _split(newurl)
        problem = "which is no address" if parts is None else _problem(parts, self._allow_http)
        if problem:
            raise DownloadFailed(f"{redact(req.full_url)} leads on to {redact(newurl)}: {problem}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]


def _split(text: str) -> SplitResult | None:
    try:
        parts = urlsplit(text)
        _ = parts.port  # only looked at here does a port that is no number show
    except ValueError:
        return None
    return parts if parts.scheme and parts.hostname else None


def _problem(parts: SplitResult, allow_http: bool) -> str:
    if parts.scheme == "https" or (parts.scheme == "http" and (allow_http or _is_this_machine(parts.hostname or ""))):
        return ""
    if parts.scheme == "http":
        return "plain http can be read and changed on its way; use https, or say --allow-http (the hash is checked)"
    return f"expected an https address, not {parts.scheme}"


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _basic(parts: SplitResult) -> str | None:
    if parts.username is None:
        return None
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


def _proxy_for(parts: SplitResult) -> str | None:
    """The proxy that the environment names for this address, without its password; for messages."""
    host = parts.hostname or ""
    if _is_this_machine(host) or urllib.request.proxy_bypass(host):
        return None
    proxy = urllib.request.getproxies().get(parts.scheme)
    return redact(proxy) if proxy else None
