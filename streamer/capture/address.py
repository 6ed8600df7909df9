"""Camera addresses: what kind they are, and how FFmpeg wants their passwords."""

from __future__ import annotations

import re
from urllib.parse import quote

_LIVE_SCHEMES = frozenset(
    {"rtsp", "rtsps", "rtspt", "rtspu", "http", "https", "udp", "tcp", "rtp", "srt", "rtmp", "rtmps", "mms"}
)
_LIVE_FORMATS = frozenset({"v4l2", "video4linux2", "lavfi", "x11grab", "avfoundation", "dshow", "decklink", "rtsp"})
_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*)://")
_HOST = re.compile(r"^(\[[0-9A-Fa-f:.%]+\]|[^\s@:/?#\[\]]+)(:\d{1,5})?$")


def scheme(url: str) -> str | None:
    """The scheme in lower case; None for a path."""
    match = _SCHEME.match(url)
    return match[1].lower() if match else None


def is_rtsp(url: str) -> bool:
    """True for RTSP, whose reads may be interrupted and resumed."""
    return (scheme(url) or "").startswith("rtsp")


def is_live(url: str, format: str | None = None) -> bool:
    """True for what shows the present: network cameras, webcams, capture devices, lavfi; false for a recording."""
    return scheme(url) in _LIVE_SCHEMES or format in _LIVE_FORMATS or is_webcam(url, format)


def is_webcam(url: str, format: str | None = None) -> bool:
    """True for a Video4Linux device."""
    return format in ("v4l2", "video4linux2") or (format is None and url.startswith("/dev/video"))


def with_escaped_password(url: str) -> str:
    """The same address with every character of user and password escaped that has a meaning in addresses.

    People paste passwords as they are: `rtsp://admin:p@ss/w:rd@host/1`. FFmpeg splits at the first '/' and needs
    such characters as %XX. What already reads as %XX is taken for an escape and kept. Where the part before the
    first '/' is no host, the password must hold that '/', and it ends at the last '@' after which a host follows.
    (A password that is a number, or ends in '@' and a word, up to its first '/' reads as a host: such a one has to be
    escaped by hand.)
    """
    match = _SCHEME.match(url)
    if not match:
        return url
    rest = url[match.end() :]
    end = re.search(r"[/?#]", rest)
    authority = rest[: end.start()] if end else rest
    userinfo, at, host = authority.rpartition("@")
    if not (_HOST.match(host) and (at or "@" not in rest)):
        for found in reversed(list(re.finditer("@", rest))):
            host = re.split(r"[/?#]", rest[found.end() :], maxsplit=1)[0]
            if _HOST.match(host) and not (not at and _HOST.match(authority)):
                userinfo, at = rest[: found.start()], "@"
                break
        else:
            return url
    if not at:
        return url
    user, colon, password = userinfo.partition(":")
    return f"{match[0]}{_escaped(user)}{colon}{_escaped(password)}@{rest[len(userinfo) + 1 :]}"


def _escaped(text: str) -> str:
    # quote() escapes '%' too: keep those that already start an escape.
    return re.sub(r"%25([0-9A-Fa-f]{2})", r"%\1", quote(text, safe=""))
