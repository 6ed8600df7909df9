"""Passwords as what can be kept of them: scrypt (RFC 7914), salted, in one line of text."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os

LEAST_LENGTH = 10

# About 60 ms and 32 MB on one core of a small server: what OWASP's cheat sheet of 2023 calls equivalent to the best.
_N, _R, _P = 2**15, 8, 1
_MOST_MEMORY = 256 * 2**20


def hashed(password: str, salt: bytes | None = None) -> str:
    """`scrypt$N$R$P$SALT$HASH` of a password, for the configuration."""
    salt = os.urandom(16) if salt is None else salt
    return f"scrypt${_N}${_R}${_P}${_text(salt)}${_text(_scrypt(password, salt, _N, _R, _P))}"


def matches(password: str, stored: str) -> bool:
    """Whether a password is the one that was hashed; takes as long either way."""
    try:
        _, n, r, p, salt, digest = stored.split("$")
        return hmac.compare_digest(
            _scrypt(password, base64.b64decode(salt), int(n), int(r), int(p)), base64.b64decode(digest)
        )
    except ValueError:
        return False


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, maxmem=_MOST_MEMORY, dklen=32)


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
