"""Secrets that a configuration only names: the environment and other files hold them.

`${NAME}` and `${NAME:-default}` come from the environment, `${file:/run/secrets/name}` from a file (as Docker, systemd
and Kubernetes mount them), `$$` is a dollar sign.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

MOST_BYTES = 64 * 1024
_REFERENCE = re.compile(r"\$(?:\$|\{(?:file:([^}]*)|([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?)\})")


class Unresolved(ValueError):
    """A reference to what is not there; the message is a sentence without secrets."""


def filled_in(text: str, environment: Mapping[str, str]) -> tuple[str, list[str]]:
    """The text with every reference replaced, and the values that came from outside of it. Raises Unresolved."""
    used: list[str] = []

    def value_of(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        path, name, default = match.groups()
        if name is not None and name not in environment:
            if default is None:
                raise Unresolved(f"the environment variable {name} is not set; set it, or write ${{{name}:-default}}")
            return str(default)
        used.append(environment[name] if name is not None else read_secret(path))
        return used[-1]

    return _REFERENCE.sub(value_of, text), used


def referred_to(text: str) -> Iterator[str]:
    """Every reference in a text, as it stands there, but for its default: `${NAME}`, `${file:/run/secrets/name}`."""
    for match in _REFERENCE.finditer(text):
        if match[0] != "$$":
            yield f"${{file:{match[1]}}}" if match[2] is None else f"${{{match[2]}}}"


def read_secret(path: str) -> str:
    """What a file holds, without line ends behind it. Raises Unresolved."""
    file = Path(path)
    if not file.is_absolute():
        raise Unresolved(f"${{file:{path}}} should name a file from the root on, such as ${{file:/run/secrets/name}}")
    try:
        if not file.is_file():
            raise Unresolved(f"the secret file {path} is {'no file' if file.exists() else 'not there'}")
        with file.open("rb") as opened:
            raw = opened.read(MOST_BYTES + 1)
    except OSError as error:
        raise Unresolved(f"the secret file {path} cannot be read: {error.strerror or error}") from error
    if len(raw) > MOST_BYTES:
        raise Unresolved(f"the secret file {path} is too big: a secret has at most {MOST_BYTES} bytes")
    try:
        return raw.decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise Unresolved(f"the secret file {path} is not UTF-8 text at byte {error.start}") from error
