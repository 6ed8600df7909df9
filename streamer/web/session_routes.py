"""Logging in and out, and who one is."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response
from pydantic import BaseModel, Field

from streamer.web.audited import note
from streamer.web.guard import COOKIE, person_of
from streamer.web.login_limit import LoginLimit
from streamer.web.parts import ConsoleParts, Who
from streamer.web.sessions import Person


class Login(BaseModel):
    """A name and a password of the configuration."""

    user: str = Field(max_length=64)
    password: str = Field(max_length=1024)


class SessionBody(BaseModel):
    """Who one is. csrf: to be sent along as X-CSRF-Token with everything that changes something."""

    user: str
    role: str
    csrf: str | None
    login: bool = Field(description="False where there are no users: whoever is at this machine may do everything.")


def add_session_routes(app: FastAPI, parts: ConsoleParts) -> None:
    """The routes of this file."""
    sessions, clock = parts.sessions, parts.clock
    # By address and name, so that nobody locks out a person by guessing from elsewhere; by address for all names.
    of_name, of_peer = LoginLimit(at_once=5, another_every_s=10), LoginLimit(at_once=30, another_every_s=2)

    @app.post("/api/login", tags=["session"])
    def log_in(login: Login, request: Request, response: Response) -> SessionBody:
        """Begin a session: sets a cookie that scripts cannot read. 401 for a wrong name or password, 429 too often."""
        peer = request.client.host if request.client else "?"
        name, now_s = f"{peer} {login.user}", clock.monotonic()
        known = login.user if sessions.knows(login.user) else "somebody unknown"
        note(request, what="by password", who=Who(known, "public", peer))
        wait_s = max(of_name.wait_s(name, now_s), of_peer.wait_s(peer, now_s))
        if wait_s > 0:
            raise HTTPException(
                429, f"too many tries; try again in {wait_s:.0f} s", headers={"Retry-After": str(int(wait_s) + 1)}
            )
        begun = sessions.log_in(login.user, login.password)
        if begun is None:
            raise HTTPException(401, "this name and password do not belong together")
        of_name.forget(name)
        secret, person = begun
        note(request, what="by password", who=Who(person.name, person.role.name.lower(), peer))
        response.set_cookie(
            *(COOKIE, secret), httponly=True, samesite="strict", secure=parts.secure, max_age=int(parts.session_s)
        )
        return _body(person, True)

    @app.post("/api/logout", tags=["session"], status_code=204)
    def log_out(request: Request, response: Response) -> None:
        """End the session."""
        sessions.log_out(request.cookies.get(COOKIE, ""))
        response.delete_cookie(COOKIE)

    @app.get("/api/session", tags=["session"])
    def session(request: Request) -> SessionBody:
        """Who one is; 401 where nobody."""
        return _body(person_of(request), sessions.local is None)


def _body(person: Person, login: bool) -> SessionBody:
    fields: dict[str, Any] = {"user": person.name, "role": person.role.name.lower(), "csrf": person.csrf}
    return SessionBody(**fields, login=login)
