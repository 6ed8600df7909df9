"""Bringing a file whose size is known over a connection that breaks: on from where it broke, never more than its size.

HTTP as in RFC 9110: a Range request for what is missing (14.2), with If-Range (13.1.5) and the server's mark of the
file, so that a file that was replaced meanwhile comes whole instead of as the tail of another one. A server that knows
no ranges is asked from the start each time. Whether the bytes are the right ones is the hash's matter, not looked at
here.
"""

from __future__ import annotations

import errno
import http.client
import re
import socket
import ssl
import time
import urllib.error
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from rich.filesize import decimal

from streamer.catalogue.address import Address
from streamer.catalogue.errors import DownloadFailed
from streamer.catalogue.partial import Partial
from streamer.errors import ArtifactError

_CHUNK_BYTES = 1 << 16
# No number of tries changes these.
_HOPELESS = (ssl.SSLCertVerificationError, http.client.InvalidURL)
_TRY_AGAIN = (408, 425, 429, 500, 502, 503, 504)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for a server.

    stall_s: for a connection, and for each next byte. waits_s: how long before the next try, after one, two, … tries
    in a row that brought nothing new (at least one); one more than these ends the download. sleep: how to wait.
    """

    stall_s: float = 30.0
    waits_s: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0)
    sleep: Callable[[float], None] = time.sleep


class Watcher(Protocol):
    """Who is told how it goes."""

    def reached(self, size: int) -> None:
        """So many bytes are there; fewer than before where the server makes us start over."""

    def broke(self, why: str, wait_s: float) -> None:
        """The connection broke; the next try comes after wait_s seconds."""


class _Broken(Exception):
    """One try ended early, and another may go better; the text says why."""


class Download:
    """One file from one address into one partial file."""

    def __init__(
        self, address: Address, partial: Partial, size_bytes: int, watcher: Watcher, patience: Patience | None = None
    ) -> None:
        self._address, self._partial, self._size_bytes, self._watcher = address, partial, size_bytes, watcher
        self._patience = patience or Patience()
        self._answered = False

    def run(self) -> None:
        """Fetch what is missing; afterwards the partial file has its full size.

        Raises DownloadFailed (no connection, or the server says no) and PlaceUnusable (as Partial), after both of which
        what came is kept; ArtifactError where the server's file has another size than was promised.
        """
        waits_s, fruitless = self._patience.waits_s, 0
        if self._partial.size > self._size_bytes:
            self._partial.start_over()
        furthest = self._partial.size
        while self._partial.size < self._size_bytes:
            try:
                self._fetch()
            except _Broken as broken:
                # Against the furthest ever: a server without ranges brings something each time, and perhaps never all.
                fruitless = 0 if self._partial.size > furthest else fruitless + 1
                furthest = max(furthest, self._partial.size)
                if fruitless > len(waits_s):
                    raise DownloadFailed(
                        f"{self._address.shown}: {broken}; {fruitless} tries in a row brought nothing new{self._kept()}"
                    ) from broken
                wait_s = waits_s[max(fruitless - 1, 0)]
                self._watcher.broke(str(broken), wait_s)
                self._patience.sleep(wait_s)

    def _fetch(self) -> None:
        """One connection. Raises _Broken where another one may bring more."""
        mark = self._partial.mark_from(self._address.shown)
        begun = self._partial.size
        headers = {"Range": f"bytes={begun}-"} if begun else {}
        if begun and mark:
            headers["If-Range"] = mark
        try:
            with self._address.open(headers, self._patience.stall_s) as answer:
                self._answered = True
                self._take(answer, begun, mark)
        except urllib.error.HTTPError as error:
            self._answered = True
            with error:
                self._refused(error.code, error.reason)
        except (OSError, http.client.HTTPException) as error:
            cause = _cause(error)
            why = self._why(cause)
            # Before the server ever answered, what cannot be reached will not be in fifteen seconds either.
            if isinstance(cause, _HOPELESS) or (not self._answered and _is_unreachable(cause)):
                raise DownloadFailed(f"{self._address.shown}: {why}{self._kept()}") from error
            raise _Broken(why) from error

    def _refused(self, status: int, reason: str) -> None:
        if 300 <= status < 400:  # urllib's own words: a circle, too many, or not to such an address
            raise DownloadFailed(
                f"{self._address.shown}: its redirects lead nowhere: {status} {reason.splitlines()[0]}"
            )
        said = f"the server answered {status} {reason}".rstrip()
        if status == 416:  # our part is no part of what lies there now
            self._partial.start_over()
            raise _Broken(said)
        if status in _TRY_AGAIN:
            raise _Broken(said)
        raise DownloadFailed(f"{self._address.shown}: {said}{self._kept()}")

    def _take(self, answer: Any, begun: int, mark: str | None) -> None:
        """Write down what the server sends."""
        its_mark = _mark(answer)
        if answer.status == 206 and begun:
            start, whole = _range(answer.headers.get("Content-Range", ""))
            if start != begun or (mark and its_mark and mark != its_mark):
                self._partial.start_over()
                raise _Broken("the server sent another part than the missing one")
        elif answer.status == 200:
            length = answer.headers.get("Content-Length", "")
            whole = int(length) if length.isdigit() else None
        else:
            raise DownloadFailed(f"{self._address.shown}: the server answered {answer.status}, not with the file")
        if whole is not None and whole != self._size_bytes:
            kind = answer.headers.get_content_type()
            raise ArtifactError(
                f"{self._address.shown}: is not the promised file: it has {whole} bytes ({kind}), expected "
                f"{self._size_bytes}; nothing of it was fetched"
            )
        if answer.status == 200 and begun:
            self._partial.start_over()
        self._partial.remember(self._address.shown, its_mark)
        self._watcher.reached(self._partial.size)
        while chunk := answer.read1(_CHUNK_BYTES):
            if self._partial.size + len(chunk) > self._size_bytes:
                self._partial.start_over()
                raise ArtifactError(
                    f"{self._address.shown}: is not the promised file: it goes on after {self._size_bytes} bytes, "
                    "where that one ends; what came was deleted"
                )
            self._partial.append(chunk)
            self._watcher.reached(self._partial.size)
        if self._partial.size < self._size_bytes:
            raise _Broken(f"the connection ended after {decimal(self._partial.size)} of {decimal(self._size_bytes)}")

    def _why(self, cause: BaseException) -> str:
        """A connection's failure in words."""
        way = f" (by way of the proxy {self._address.proxy})" if self._address.proxy else ""
        if isinstance(cause, ssl.SSLCertVerificationError):
            return (
                f"the server's certificate is not trusted ({cause.verify_message}){way}; if your network puts its own "
                "certificates in, name the file of its authority in SSL_CERT_FILE"
            )
        if isinstance(cause, http.client.InvalidURL):
            return f"is no address that can be asked for ({cause})"
        if isinstance(cause, socket.gaierror):
            return f"the host was not found ({cause.strerror}): no network, or no such name{way}"
        if isinstance(cause, TimeoutError):
            return f"nothing came for {self._patience.stall_s:g} s{way}"
        if isinstance(cause, ConnectionRefusedError):
            return f"the connection was refused{way}"
        if isinstance(cause, http.client.IncompleteRead):
            return f"the connection ended within an answer{way}"
        if isinstance(cause, OSError):
            return f"the connection failed ({cause.strerror or cause}){way}"
        return f"the answer makes no sense ({type(cause).__name__}: {cause}){way}"

    def _kept(self) -> str:
        if not self._partial.size:
            return ""
        return (
            f"; {decimal(self._partial.size)} of {decimal(self._size_bytes)} are kept, and the same command goes on "
            "from there"
        )


def _mark(answer: Any) -> str | None:
    """What tells this file from another one at the same address: a strong ETag, or else its date."""
    etag = answer.headers.get("ETag")
    found = etag if etag and not etag.startswith("W/") else answer.headers.get("Last-Modified")
    return str(found) if found else None


def _range(text: str) -> tuple[int | None, int | None]:
    """First byte and whole size in 'bytes 100-199/200'; None for what is not told."""
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", text.strip())
    if not match:
        return None, None
    return int(match[1]), None if match[2] == "*" else int(match[2])


def _cause(error: Exception) -> BaseException:
    """What urllib has wrapped."""
    inner = error.reason if isinstance(error, urllib.error.URLError) else error
    return inner if isinstance(inner, BaseException) else error


def _is_unreachable(cause: BaseException) -> bool:
    return isinstance(cause, (socket.gaierror, ConnectionRefusedError)) or (
        isinstance(cause, OSError) and cause.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH)
    )
