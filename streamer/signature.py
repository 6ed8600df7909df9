"""Alert messages that were signed, so that nobody else who may write to the broker can raise or end an alert.

HMAC-SHA256 (RFC 2104) over the bytes of the message (`data`), as `v1=` and hex in the stream field `signature`. It says
who wrote the message, not when: one that is put into the stream again is the same `(id, seq)`, which subscribers drop.
"""

from __future__ import annotations

import hashlib
import hmac

FIELD = "signature"
LEAST_KEY = 16
"""Characters; shorter keys can be guessed at leisure by whoever reads the stream."""


def signed(key: str, message: str | bytes) -> str:
    """The value of the field for this message."""
    content = message.encode() if isinstance(message, str) else message
    return "v1=" + hmac.new(key.encode(), content, hashlib.sha256).hexdigest()


def refuse_unsigned(key: str, message: bytes, signature: bytes | None) -> None:
    """Raises ValueError where the message has no signature, or another than this key gives."""
    if signature is None:
        raise ValueError("not a signed message: it has no signature, and this reader accepts signed ones only")
    if not hmac.compare_digest(signed(key, message).encode(), signature):
        raise ValueError("the message's signature does not match: another key, or a changed message")
