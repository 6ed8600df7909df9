"""What is served to people and programs, and to whom."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from streamer.config.model.values import Identifier, PasswordHash, Strict, Token


class HttpConfig(Strict):
    """Where /metrics, /livez and /readyz are served, and cameras woken; port 0 takes a free one.

    token: who sends it may wake cameras, from anywhere; without one only this machine may. It belongs into the
    environment: ${STREAMER_TOKEN}.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 9095
    token: Token | None = None


Role = Literal["viewer", "operator", "admin"]


class WebUser(Strict):
    """Somebody who logs in at the console. viewer sees, operator handles alerts, admin changes the configuration."""

    role: Role = "viewer"
    password: PasswordHash


class WebToken(Strict):
    """A program that uses the console's API, by `Authorization: Bearer TOKEN`."""

    role: Role = "viewer"
    token: Token


AllowedSource = Literal["files", "devices", "loopback", "link_local", "any_scheme", "options", "variables"]


class WebConfig(Strict):
    """The operators' console and its API; port 0 takes a free one. `streamer run` serves it unless told `web: null`.

    Without users whoever is at this machine may do everything, and nobody else anything: another address than this
    machine's own needs users. cert, key: PEM files, for TLS. keep_alerts: how many the console remembers.
    allow_sources: which cameras beyond those of the network an admin may configure through the API.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 9096
    users: dict[Identifier, WebUser] = {}
    tokens: dict[Identifier, WebToken] = {}
    cert: Path | None = None
    key: Path | None = None
    session_hours: Annotated[float, Field(gt=0, le=24 * 31)] = 12.0
    keep_alerts: Annotated[int, Field(ge=100, le=1_000_000)] = 20_000
    allow_sources: list[AllowedSource] = []

    @model_validator(mode="after")
    def _is_open_to_nobody(self) -> WebConfig:
        if not self.users and self.host not in ("127.0.0.1", "::1", "localhost"):
            raise ValueError(f"'host: {self.host}' lets others in: it needs 'users' (`streamer user hash` makes one)")
        if (self.cert is None) != (self.key is None):
            raise ValueError("'cert' and 'key' belong together: name both files, or none")
        if both := sorted(self.users.keys() & self.tokens.keys()):
            raise ValueError(f"'{both[0]}' is the name of a user and of a token: who did what must be clear")
        return self
