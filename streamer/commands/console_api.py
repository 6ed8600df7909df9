"""The API of a running service's console, as commands use it: one question, one answer, and errors as sentences."""

from __future__ import annotations

import argparse
import json
import os
import ssl
import sys
import urllib.error
import urllib.request
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from streamer.errors import ConfigError, StreamerError, redact

DEFAULT_SERVICE = "http://127.0.0.1:9096"
_PATIENCE_S = 120.0  # a change waits for cameras to be as they should
_MOST_ANSWER = 8_000_000


class ServiceAway(StreamerError):
    """The running service cannot be asked, or does not let us."""


def add_service(parser: argparse.ArgumentParser) -> None:
    """The arguments by which a command finds the service."""
    parser.add_argument(
        "--service",
        metavar="URL",
        default=os.environ.get("STREAMER_SERVICE", DEFAULT_SERVICE),
        help=f"the console of the running service (default: $STREAMER_SERVICE, else {DEFAULT_SERVICE})",
    )
    parser.add_argument(
        "--token",
        default=os.environ.get("STREAMER_TOKEN"),
        help="of web.tokens, with the role admin (default: $STREAMER_TOKEN; a command line is read by all)",
    )
    parser.add_argument(
        "--ca", type=Path, metavar="PEM", help="whom to trust where the console's certificate is our own"
    )


class ConsoleApi:
    """Asks the console at an address. Raises ServiceAway, and ConfigError for what it refuses."""

    def __init__(self, service: str, token: str | None, ca: Path | None = None) -> None:
        self._address, self._token = service.rstrip("/"), token
        parts = urlsplit(self._address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError([f"--service {redact(service)}: should be an address such as {DEFAULT_SERVICE}"])
        local = _is_local(parts.hostname)
        if token and parts.scheme == "http" and not local:
            print("streamer: the token goes over the network as it is: use https://", file=sys.stderr)
        try:
            secured = ssl.create_default_context(cafile=ca)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError([f"--ca {ca}: cannot be used: {error}"]) from error
        handlers = [_NoWayRound(), urllib.request.HTTPSHandler(context=secured)]
        self._opener = urllib.request.build_opener(*handlers, *([urllib.request.ProxyHandler({})] if local else []))
        self._csrf: str | None = None

    @classmethod
    def of(cls, args: argparse.Namespace) -> ConsoleApi:
        """The one that the command line names."""
        return cls(args.service, args.token, args.ca)

    def get(self, path: str) -> Any:
        """What is there."""
        return self._ask("GET", path)

    def send(self, method: str, path: str, body: object) -> Any:
        """Change something."""
        if not self._token and self._csrf is None:  # without users whoever is at the machine may, but must mean it
            self._csrf = str(self._ask("GET", "/api/session").get("csrf") or "")
        return self._ask(method, path, body)

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        headers = {"Accept": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        if self._csrf:
            headers["X-CSRF-Token"] = self._csrf
        sent = None
        if body is not None:
            headers["Content-Type"], sent = "application/json", json.dumps(body).encode()
        request = urllib.request.Request(self._address + path, sent, headers, method=method)
        try:
            with self._opener.open(request, timeout=_PATIENCE_S) as answer:
                return json.loads(answer.read(_MOST_ANSWER))
        except urllib.error.HTTPError as error:
            raise self._refusal(error) from error
        except (OSError, ValueError) as error:
            why = getattr(error, "reason", None) or error
            raise ServiceAway(f"no console answers at {redact(self._address)}: {why}") from error

    def _refusal(self, error: urllib.error.HTTPError) -> StreamerError:
        try:
            detail = json.loads(error.read(_MOST_ANSWER)).get("detail")
        except (OSError, ValueError, AttributeError):
            detail = None
        if error.code in (404, 409, 422) and detail is not None:
            return ConfigError(_problems(detail))
        hint = "; set STREAMER_TOKEN to one of web.tokens with the role admin" if error.code in (401, 403) else ""
        return ServiceAway(f"{redact(self._address)}: {detail or f'answered {error.code}'}{hint}")


class _NoWayRound(urllib.request.HTTPRedirectHandler):
    """Follows nothing: a token is for who was named."""

    def redirect_request(self, *_: object) -> None:
        return None


def _problems(detail: object) -> list[str]:
    if isinstance(detail, dict) and isinstance(detail.get("problems"), list):
        return [str(problem) for problem in detail["problems"]]
    if isinstance(detail, list):  # what the API could not read
        return [f"{'.'.join(map(str, each.get('loc', ())[1:]))}: {each.get('msg')}" for each in detail]
    return [str(detail)]


def _is_local(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
