"""A real Prometheus on a free port of 127.0.0.1 that scrapes one service once a second, for tests."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

import yaml

from tests.redis_server import free_port

START_WITHIN_S = 30.0


@dataclass(frozen=True)
class Prometheus:
    """A server that runs."""

    address: str

    def ask(self, expression: str) -> list[dict[str, Any]]:
        """The series that an expression gives now. Raises AssertionError with Prometheus' own words."""
        query = urlencode({"query": expression})
        with urlopen(f"{self.address}/api/v1/query?{query}", timeout=10) as answered:
            answer = json.load(answered)
        assert answer["status"] == "success", answer
        found = answer["data"]["result"]
        return [{"metric": {}, "value": found}] if answer["data"]["resultType"] == "scalar" else found


@contextmanager
def prometheus(folder: Path, target: str, rules: Path, job: str) -> Iterator[Prometheus]:
    """Scrapes target (HOST:PORT) as this job and works out the rules (a pattern of files), both once a second."""
    folder.mkdir()
    config = folder / "prometheus.yml"
    config.write_text(
        yaml.safe_dump(
            {
                "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
                "rule_files": [str(rules)],
                "scrape_configs": [{"job_name": job, "static_configs": [{"targets": [target]}]}],
            }
        )
    )
    port = free_port()
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={config}",
                f"--storage.tsdb.path={folder / 'tsdb'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        address = f"http://127.0.0.1:{port}"
        _wait_until_ready(address, process, folder / "log")
        yield Prometheus(address)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline_s = time.monotonic() + START_WITHIN_S
    while True:
        try:
            with urlopen(f"{address}/-/ready", timeout=2):
                return
        except (URLError, OSError):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline_s, f"Prometheus is not ready: {log.read_text()}"
            time.sleep(0.1)
