"""Alert changes by HTTP POST, signed, one request each, in order.

Headers follow the Standard Webhooks specification (standardwebhooks.com), for which verifying libraries exist in most
languages: `webhook-id` is `ID:SEQ` and stays the same when a request is repeated, so that the receiver can tell;
`webhook-signature` is `v1,` and the base64 HMAC-SHA256 of `id.timestamp.body`. A receiver in Python can use
`streamer.client.webhooks.verify`.

2xx: taken. 408, 425, 429, 5xx, redirects, no connection: tried again, for ever, in order. Any other 4xx: this message
will never be taken and is set aside, the next one goes on. A lost answer means that a request comes twice.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import http.client
import ssl
from collections.abc import Sequence
from urllib.parse import urlsplit

from streamer.clock import Clock
from streamer.errors import ConfigError, SinkRejected, SinkUnavailable, redact
from streamer.sinks.outbox import StoredChange

_TRY_AGAIN = (408, 425, 429)


class Webhook:
    """The receiver that stands for one address.

    secret: signs; `whsec_` and base64 as the specification has it, or any text. timeout_s is for each step of a
    request. Certificates are verified; proxies and redirects are not followed. Raises ConfigError for an address that
    is not http(s) or a secret that is none.
    """

    def __init__(self, name: str, url: str, clock: Clock, *, secret: str | None = None, timeout_s: float = 5.0) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError([f"webhook {name}: {redact(url)!r} is no address; expected https://HOST/PATH"])
        self._label, self._clock, self._timeout_s = name, clock, timeout_s
        self._key = None if secret is None else _key(name, secret)
        self._secure, self._host, self._port = parts.scheme == "https", parts.hostname, parts.port
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._authorization = None
        if parts.username is not None:
            pair = f"{parts.username}:{parts.password or ''}".encode()
            self._authorization = "Basic " + base64.b64encode(pair).decode()
        self._tls = ssl.create_default_context() if self._secure else None

    @property
    def name(self) -> str:
        """'webhook:NAME'."""
        return f"webhook:{self._label}"

    @property
    def longest_wait_s(self) -> float:
        """Somebody else's server is not to be hammered."""
        return 60.0

    def remembers(self, line: str) -> None:
        """Nothing: HTTP has no memory, the outbox's mark counts."""

    def deliver(self, line: str, after_row: int, rows: Sequence[StoredChange]) -> int:  # noqa: ARG002 - no memory
        """Post the first row only: it is marked before the next goes out, so that a crash repeats one at most."""
        self._post(rows[0])
        return 1

    def close(self) -> None:
        """Nothing is held between requests."""

    def _post(self, row: StoredChange) -> None:
        body = row.body.encode()
        status = self._status(body, self._headers(row.name, body))
        if 200 <= status < 300:
            return
        said = f"{self.name} at {self._host} answered {status} to alert {row.name}"
        if status >= 500 or status in _TRY_AGAIN:
            raise SinkUnavailable(said)
        if status < 400:
            raise SinkUnavailable(f"{said}: redirects are not followed, configure the final address")
        raise SinkRejected(said)

    def _headers(self, message_id: str, body: bytes) -> dict[str, str]:
        stamp = str(int(self._clock.now()))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "streamer",
            "webhook-id": message_id,
            "webhook-timestamp": stamp,
        }
        if self._key is not None:
            signed = hmac.new(self._key, f"{message_id}.{stamp}.".encode() + body, hashlib.sha256).digest()
            headers["webhook-signature"] = "v1," + base64.b64encode(signed).decode()
        if self._authorization is not None:
            headers["Authorization"] = self._authorization
        return headers

    def _status(self, body: bytes, headers: dict[str, str]) -> int:
        connection = (
            http.client.HTTPSConnection(self._host, self._port, timeout=self._timeout_s, context=self._tls)
            if self._secure
            else http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)
        )
        try:
            connection.request("POST", self._target, body, headers)
            return connection.getresponse().status  # the body is of no interest, and may be endless
        except (OSError, http.client.HTTPException) as error:
            raise SinkUnavailable(f"{self.name} at {self._host} cannot be reached: {_what(error)}") from error
        finally:
            connection.close()


def _key(name: str, secret: str) -> bytes:
    if not secret.startswith("whsec_"):
        key = secret.encode()
    else:
        try:
            key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        except binascii.Error as error:
            raise ConfigError([f"webhook {name}: the secret begins with whsec_ but no base64 follows"]) from error
    if len(key) < 8:
        raise ConfigError([f"webhook {name}: the secret has {len(key)} bytes; at least 8, better 32"])
    return key


def _what(error: OSError | http.client.HTTPException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message})"
    return redact(str(error)) or type(error).__name__
