"""RTSP requests out of a byte stream, and answers to them (RFC 2326)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_MOST_BYTES = 65536
_REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 454: "Session Not Found",
            455: "Method Not Valid in This State", 461: "Unsupported Transport"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class RtspRequest:
    """One request; names of headers are lower case."""

    method: str
    url: str
    headers: Mapping[str, str]


class RequestReader:
    """Bytes in, whole requests out; what a client sends interleaved (its RTCP) is passed over."""

    def __init__(self) -> None:
        self._waiting = b""

    def take(self, content: bytes) -> Iterator[RtspRequest]:
        """Requests that are complete with these bytes. Raises ValueError where it is no RTSP."""
        self._waiting += content
        while self._waiting:
            if self._waiting[:1] == b"$":
                if len(self._waiting) < 4:
                    return
                end = 4 + int.from_bytes(self._waiting[2:4], "big")
                if len(self._waiting) < end:
                    return
                self._waiting = self._waiting[end:]
                continue
            head, mark, rest = self._waiting.partition(b"\r\n\r\n")
            if not mark:
                if len(self._waiting) > _MOST_BYTES:
                    raise ValueError("a request without an end")
                return
            request = _request(head)
            body = int(request.headers.get("content-length", "0"))
            if len(rest) < body:
                return
            self._waiting = rest[body:]
            yield request


def _request(head: bytes) -> RtspRequest:
    first, *lines = head.decode("utf-8", "replace").split("\r\n")
    method, url, version = first.split(" ")
    if not version.startswith("RTSP/1."):
        raise ValueError(f"not RTSP: {version!r}")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return RtspRequest(method, url, headers)


def answer(request: RtspRequest, status: int = 200, headers: Mapping[str, str] | None = None, body: str = "") -> bytes:
    """The bytes of an answer to this request."""
    lines = [f"RTSP/1.0 {status} {_REASONS[status]}", f"CSeq: {request.headers.get('cseq', '0')}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body:
        lines.append(f"Content-Length: {len(body.encode())}")
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()
