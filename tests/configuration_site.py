"""A configuration file with secrets in it, behind the desk and what may be done from afar: nothing watches by it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from streamer.assembly.configuration_api import ConfigurationOverApi
from streamer.assembly.configuration_desk import ConfigurationDesk
from streamer.config import load_config
from streamer.config.history import History
from tests.changing import MemoryChanging
from tests.fakes import FakeClock

TEXT = """\
# was rtsp://admin:oldpw@10.0.0.9/ once
redis: {url: "redis://:${REDIS_PASSWORD}@redis.example:6379"}
cameras:
  gate:
    url: rtsp://user:s3cret@10.0.0.5/main   # the old one
    zones:
      yard: [[0.1, 0.1], [0.9, 0.1], [0.5, 0.9]]   # gravel
  film: {url: /videos/a.mp4}
  local: {url: "rtsp://127.0.0.1:8554/x", options: {headers: "Cookie: abcd1234"}}
web: {tokens: {ci: {token: sixteen-letters-or-more}}}
"""
SECRETS = ("s3cret", "oldpw", "abcd1234", "sixteen-letters", "r3d-passw0rd")


@dataclass
class Site:
    path: Path
    desk: ConfigurationDesk
    api: ConfigurationOverApi
    changing: MemoryChanging

    @property
    def text(self) -> str:
        return self.path.read_text()


def a_site(folder: Path, *allowed: str) -> Site:
    path = folder / "cameras.yaml"
    path.write_text(TEXT)
    changing = MemoryChanging(load_config(path))
    desk = ConfigurationDesk(path, changing, History(folder / "configurations"), FakeClock())
    return Site(path, desk, ConfigurationOverApi(desk, allowed), changing)
