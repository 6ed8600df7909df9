"""The console: where it is served, who may come in, and whether what they type is readable on the way."""

from __future__ import annotations

import importlib.util
from collections import Counter
from collections.abc import Iterator

from streamer.assembly.certificate import check_web
from streamer.commands.doctor.finding import Finding, checked
from streamer.config import Config
from streamer.config.model import WebConfig

_THIS_MACHINE = ("127.0.0.1", "::1", "localhost")


def examined_console(config: Config) -> Iterator[Finding]:
    """As `streamer run` would serve it."""
    if config.web is None and "web" in config.model_fields_set:
        yield Finding("console", None, "switched off (web: null)")
        return
    if importlib.util.find_spec("fastapi") is None or importlib.util.find_spec("uvicorn") is None:
        yield Finding("console", None, "is not served: pip install 'streamer[web]'")
        return
    web = config.web or WebConfig()
    yield checked("console", lambda: _served(config, web))


def _served(config: Config, web: WebConfig) -> Finding:
    check_web(config, "web")
    scheme, alone = "https" if web.cert else "http", web.host in _THIS_MACHINE
    said = f"{scheme}://{web.host}:{web.port}"
    roles = Counter([*(user.role for user in web.users.values()), *(token.role for token in web.tokens.values())])
    measured = {"users": len(web.users), "tokens": len(web.tokens), "admins": roles["admin"]}
    if not web.users:
        return Finding(
            "console", None, f"{said}, without users: whoever is at this machine may do everything", measured
        )
    said += f", {len(web.users)} users and {len(web.tokens)} tokens"
    said += f" ({', '.join(f'{n} {role}' for role, n in sorted(roles.items()))})"
    if not roles["admin"]:
        said += "; nobody is admin: zones, cameras and configuration can be changed in the file alone"
    if not alone and not web.cert:
        said += "; without TLS: passwords can be read on the way, unless a proxy with TLS stands in front"
        return Finding("console", None, said, measured)
    return Finding("console", True, said, measured)
