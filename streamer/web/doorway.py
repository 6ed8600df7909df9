"""What every request and every answer passes through: ASGI middleware, which leaves streams as they are."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BODY_BYTES = 512 * 1024

_HEADERS = (
    (b"content-security-policy", b"default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:;"
     b" object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"),
    (b"x-frame-options", b"DENY"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
)  # fmt: skip

Header = tuple[bytes, bytes]


class Doorway:
    """Lets no large body in, which would be read before anybody is asked who they are; says what browsers may do."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, with our headers."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [*message.get("headers", ()), *_HEADERS]
                if str(scope["path"]).startswith("/api/") and _value(headers, b"cache-control") is None:
                    headers.append((b"cache-control", b"no-store"))
                message = {**message, "headers": headers}
            await send(message)

        if scope["type"] == "http" and (refused := _refusal(scope["headers"])):
            await _say(with_headers, *refused)
        else:
            await self._app(scope, receive, with_headers)


def _refusal(headers: Sequence[Header]) -> tuple[int, bytes] | None:
    if _value(headers, b"transfer-encoding") is not None:
        return 411, b'{"detail":"send the body with a Content-Length, not in chunks"}'
    length = _value(headers, b"content-length") or b"0"
    if not length.isdigit() or int(length) > MOST_BODY_BYTES:
        return 413, b'{"detail":"the body may have %d bytes"}' % MOST_BODY_BYTES
    return None


async def _say(send: Send, status: int, body: bytes) -> None:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _value(headers: Sequence[Header], name: bytes) -> bytes | None:
    return next((value for each, value in headers if each == name), None)
