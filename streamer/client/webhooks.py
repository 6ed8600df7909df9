"""For who receives our webhooks: is this request really from there, and fresh?"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Mapping


def verify(
    secret: str, headers: Mapping[str, str], body: bytes, *, now: float | None = None, within_s: float = 300
) -> str:
    """The message id (`ID:SEQ`, the same when a request is repeated) of a request that the holder of the secret signed.

    Follows the Standard Webhooks specification. Raises ValueError where a header is missing, the signature is not
    right, or the request is older or newer than within_s.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    try:
        message_id, stamp, signatures = (lower[f"webhook-{part}"] for part in ("id", "timestamp", "signature"))
        age_s = abs((time.time() if now is None else now) - int(stamp))
    except KeyError as error:
        raise ValueError(f"not a signed webhook: header {error} is missing") from error
    except ValueError as error:
        raise ValueError("not a signed webhook: webhook-timestamp is no number") from error
    key = base64.b64decode(secret.removeprefix("whsec_")) if secret.startswith("whsec_") else secret.encode()
    right = hmac.new(key, b".".join((message_id.encode(), stamp.encode(), body)), hashlib.sha256).digest()
    expected = "v1," + base64.b64encode(right).decode()
    if not any(hmac.compare_digest(expected.encode(), given.encode()) for given in signatures.split()):
        raise ValueError("the webhook's signature does not match: another secret, or a changed message")
    if age_s > within_s:
        raise ValueError(
            f"the webhook is {age_s:.0f} s away from now (limit {within_s:.0f} s): replayed, or a wrong clock"
        )
    return message_id
