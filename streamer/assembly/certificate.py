"""Is the certificate there that a console was configured with? Only the disk can tell."""

from __future__ import annotations

from pathlib import Path

from streamer.config import Config
from streamer.errors import ConfigError


def check_web(config: Config, origin: str) -> None:
    """Raises ConfigError for a configured console whose certificate is not there; `origin` names the configuration."""
    web = config.web
    files = {"cert": web.cert, "key": web.key} if web else {}
    problems = [f"{origin}: web.{name}: there is no file {path}" for name, path in files.items() if _is_gone(path)]
    if problems:
        raise ConfigError(problems)


def _is_gone(path: Path | None) -> bool:
    return path is not None and not path.is_file()
