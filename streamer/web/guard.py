"""Before any endpoint: who asks, may they, and does a browser mean it."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from fastapi import HTTPException, Request

from streamer.web.access import ACCESS, CHANGING, Role
from streamer.web.parts import ConsoleParts, Who
from streamer.web.sessions import Person, same_text

COOKIE = "streamer_session"
CSRF_HEADER = "x-csrf-token"
# Each says that the peer's address is not who asks: a proxy on this machine stands between.
_SECOND_HAND = ("forwarded", "x-forwarded-for", "x-real-ip", "via")


class Guard:
    """A dependency of every route. Sets request.state.person; raises 401 or 403 with a sentence."""

    def __init__(self, parts: ConsoleParts) -> None:
        self._sessions, self._host = parts.sessions, parts.host

    def __call__(self, request: Request) -> None:
        """Let it through, or raise."""
        least = ACCESS[request.method if request.method != "HEAD" else "GET", request.scope["route"].path]
        person = self._person(request)
        request.state.person = person
        by_token = "authorization" in request.headers
        if request.method in CHANGING and not by_token and not _is_from_our_own_page(request):
            raise HTTPException(403, "this was sent by a page of another address")
        if least is Role.PUBLIC:
            return
        if person is None:
            raise HTTPException(401, "log in first, or send a token as 'Authorization: Bearer TOKEN'")
        if person.role < least:
            raise HTTPException(
                403, f"this needs the role {least.name.lower()}; '{person.name}' is {person.role.name.lower()}"
            )
        if request.method in CHANGING and person.csrf is not None:
            sent = request.headers.get(CSRF_HEADER, "")
            if not same_text(sent, person.csrf):
                raise HTTPException(403, f"send the session's csrf value as the header {CSRF_HEADER}")

    def _person(self, request: Request) -> Person | None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self._sessions.of_token(token.strip())
        if self._sessions.local is not None:
            return self._sessions.local if self._is_this_machine(request) else None
        secret = request.cookies.get(COOKIE)
        return self._sessions.who(secret) if secret else None

    def _is_this_machine(self, request: Request) -> bool:
        """Not a peer from elsewhere, no proxy, and no web page whose name was made to point here."""
        peer = request.client.host if request.client else ""
        named = request.headers.get("host", "").rpartition(":")[0] or request.headers.get("host", "")
        return (
            _is_loopback(peer)
            and named.strip("[]") in ("127.0.0.1", "localhost", "::1", self._host)
            and not any(header in request.headers for header in _SECOND_HAND)
        )


def _is_from_our_own_page(request: Request) -> bool:
    """Browsers say which page sends a change; programs say nothing, and have no cookies to be robbed of."""
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")


def person_of(request: Request) -> Person:
    """Who asks; behind the guard there always is somebody, but on public routes."""
    person: Person = request.state.person
    return person


def who_of(request: Request) -> Who:
    """Who asks, for the audit log."""
    person: Person | None = getattr(request.state, "person", None)
    address = request.client.host if request.client else "?"
    return Who(person.name, person.role.name.lower(), address) if person else Who("nobody", "public", address)


def _is_loopback(peer: str) -> bool:
    try:
        return ip_address(peer.partition("%")[0]).is_loopback
    except ValueError:
        return False
