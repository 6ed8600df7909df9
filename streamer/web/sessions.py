"""Who is logged in. In memory only: a restart asks everybody for the password again."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

from streamer.clock import Clock
from streamer.web import passwords
from streamer.web.access import Role

MOST_SESSIONS = 1000


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks, and what they may. csrf: what a browser must send along to change something; None of programs."""

    name: str
    role: Role
    csrf: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Account:
    """A user of the configuration: password is its hash (passwords.py)."""

    role: Role
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Token:
    """A program of the configuration."""

    role: Role
    token: str = field(repr=False)


class Sessions:
    """Logs people in, and knows them again; from any thread.

    Without accounts whoever asks is `local`, an admin: the server lets nobody from elsewhere come this far.
    """

    def __init__(
        self, accounts: Mapping[str, Account], tokens: Mapping[str, Token], clock: Clock, *, last_s: float
    ) -> None:
        self._accounts, self._clock, self._last_s = dict(accounts), clock, last_s
        self._tokens = {_digest(token.token): Person(name, token.role) for name, token in tokens.items()}
        self._lock = threading.Lock()
        self._checking = threading.Lock()  # one at a time: each takes a core and memory
        self._people: OrderedDict[str, tuple[Person, float]] = OrderedDict()
        self._nobody = passwords.hashed(secrets.token_urlsafe())
        self._local = None if accounts else Person("local", Role.ADMIN, secrets.token_urlsafe(24))

    @property
    def local(self) -> Person | None:
        """Who everybody is where there are no accounts."""
        return self._local

    def log_in(self, name: str, password: str) -> tuple[str, Person] | None:
        """A new session's secret and who it is; None for a wrong name or password, after as long either way."""
        account = self._accounts.get(name)
        with self._checking:
            right = passwords.matches(password, account.password if account else self._nobody)
        if account is None or not right:
            return None
        secret = secrets.token_urlsafe(32)
        person = Person(name, account.role, secrets.token_urlsafe(24))
        with self._lock:
            self._people[_digest(secret)] = person, self._clock.monotonic() + self._last_s
            while len(self._people) > MOST_SESSIONS:
                self._people.popitem(last=False)
        return secret, person

    def knows(self, name: str) -> bool:
        """Whether somebody has this name. What else is typed there may be a password: it is never written down."""
        return name in self._accounts

    def who(self, secret: str) -> Person | None:
        """Whose session it is; None where it is over or never was."""
        with self._lock:
            found = self._people.get(_digest(secret))
            if found is None or found[1] <= self._clock.monotonic():
                self._people.pop(_digest(secret), None)
                return None
            return found[0]

    def of_token(self, token: str) -> Person | None:
        """The program that has this token."""
        return self._tokens.get(_digest(token))

    def log_out(self, secret: str) -> None:
        """The session is over; once more is harmless."""
        with self._lock:
            self._people.pop(_digest(secret), None)


def same_text(one: str, other: str) -> bool:
    """Equal, without telling by time how far."""
    return hmac.compare_digest(one.encode(), other.encode())


def _digest(secret: str) -> str:
    # Looked up by a digest, so that neither a memory dump nor the time of a comparison gives the secret away.
    return hashlib.sha256(secret.encode()).hexdigest()
