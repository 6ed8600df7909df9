"""Whether an RTSP client knows the password: Basic and Digest as in RFC 2617."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets

REALM = "camera"
_PART = re.compile(r'(\w+)=(?:"([^"]*)"|([^",\s]+))')


class Login:
    """One user. digest: challenge by Digest (MD5, without qop, as cameras do) in place of Basic."""

    def __init__(self, user: str, password: str, *, digest: bool = False) -> None:
        self.user, self.password, self._digest = user, password, digest
        self._nonce = secrets.token_hex(16)

    @property
    def challenge(self) -> str:
        """What WWW-Authenticate says."""
        return f'Digest realm="{REALM}", nonce="{self._nonce}"' if self._digest else f'Basic realm="{REALM}"'

    def lets_in(self, method: str, authorization: str | None) -> bool:
        """Whether this request may be answered."""
        scheme, _, proof = (authorization or "").partition(" ")
        if self._digest:
            return scheme.lower() == "digest" and self._is_right(method, proof)
        expected = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        return scheme.lower() == "basic" and hmac.compare_digest(proof.strip(), expected)

    def _is_right(self, method: str, proof: str) -> bool:
        said = {name: quoted or bare for name, quoted, bare in _PART.findall(proof)}
        if said.get("username") != self.user or said.get("nonce") != self._nonce:
            return False
        who = _md5(f"{self.user}:{REALM}:{self.password}")
        what = _md5(f"{method}:{said.get('uri', '')}")
        return hmac.compare_digest(said.get("response", ""), _md5(f"{who}:{self._nonce}:{what}"))


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
