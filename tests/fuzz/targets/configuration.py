"""Configuration: the text of a file as a person or a tool may leave it, and edits put into such a text."""

# ruff: noqa: E501 - tables of odd values, and texts that are one line
from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from streamer.config.cameras_text import settings_of, with_camera, without_camera
from streamer.config.load import config_of, load_config
from streamer.config.places_text import with_places, with_rules
from streamer.errors import ConfigError
from tests.fuzz.mutations import NASTY_VALUES, mutated_bytes, mutated_json, mutated_text
from tests.fuzz.target import Wrong

ROOT = Path(__file__).resolve().parents[3]
SMALL = """# one of everything that is small
redis: {url: "redis://localhost:6379/0"}
model: {path: lookout, threads: 1}
web: {users: {ada: {role: viewer, password: "${SECRET:-scrypt$32768$8$1$mMkGAocbNkuns6joAB7dEA==$Rtbp77XFBvMKeTU5FBSbi4Q23Xkevwa698Jgg+o8h7Q=}"}}}
webhooks: {phone: {url: "https://example.org/hook", secret: "${HOOK:-a-long-enough-secret-0123456789}"}}
cameras:
  gate:
    url: rtsp://user:${PASSWORD:-none}@10.0.0.1/stream1   # the front
    analyse_fps: 5
    zones:
      yard: &yard [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9]]
      same: *yard
    lines: {door: [[0.1, 0.2], [0.8, 0.2]]}
    rules:
      - {name: in, kind: intrusion, zone: yard, labels: [person], severity: critical}
      - name: count
        kind: line_crossing
        line: door
      - {name: late, kind: loitering, zone: yard, dwell_s: 9, schedule: [{days: [mon, tue], from: "22:00", to: "06:00"}]}
"""
TEXTS = (SMALL, SMALL, SMALL, (ROOT / "deploy/kubernetes/cameras.yaml").read_text(encoding="utf-8"))
_HASH = "scrypt$32768$8$1$mMkGAocbNkuns6joAB7dEA==$Rtbp77XFBvMKeTU5FBSbi4Q23Xkevwa698Jgg+o8h7Q="
ENVIRONMENT = {"REDIS_PASSWORD": "p", "GATE_PASSWORD": "q", "YARD_PASSWORD": "r", "ADMIN_HASH": _HASH}


class ConfigurationText:
    """parse_config and load_config: a ConfigError with sentences, and nothing else."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "streamer.yaml"

    def try_one(self, rng: random.Random) -> bool:
        """One text, or one file of bytes that are no text."""
        text = rng.choice(TEXTS)
        try:
            if rng.random() < 0.2:
                encoded = text.encode(rng.choice(("utf-8", "utf-16", "utf-32", "latin-1", "utf-8-sig")), "replace")
                self._file.write_bytes(mutated_bytes(rng, encoded))
                load_config(self._file, ENVIRONMENT)
            else:
                config_of(mutated_text(rng, text), self._file, "c.yaml", ENVIRONMENT)
        except ConfigError as error:
            if not error.problems or not all(problem.strip() for problem in error.problems):
                raise Wrong("a refusal without a sentence") from error
            return False
        return True

    def close(self) -> None:
        """Nothing is open."""


_CAMERA: dict[str, Any] = {
    "url": "rtsp://10.0.0.2/a",
    "analyse_fps": 4,
    "zones": {"all": [[0, 0], [1, 0], [1, 1]]},
    "rules": [{"name": "in", "kind": "intrusion", "zone": "all"}],
}
_NAMES = ("gate", "new", "on", "12", "", "a: b", "#", "*gate", "ünï", "\n", "- x", "{", "null", "\x00", "x" * 300)


class CameraEdits:
    """cameras_text: what is returned says just what was meant, or the edit is refused."""

    def __init__(self, folder: Path) -> None:
        pass

    def try_one(self, rng: random.Random) -> bool:
        """One camera put in, changed or taken out, in a text that may be broken."""
        text = mutated_text(rng, SMALL, 2) if rng.random() < 0.6 else SMALL
        name = rng.choice(_NAMES)
        settings = mutated_json(rng, _CAMERA)
        try:
            if rng.random() < 0.3:
                after = without_camera(text, name)
                if _has(after, name):
                    raise Wrong(f"{name!r} is still there")
            else:
                after = with_camera(text, name, settings if isinstance(settings, dict) else _CAMERA)
                if not _has(after, name):
                    raise Wrong(f"{name!r} is not there")
        except (ValueError, LookupError) as error:
            return _is_refusal(error)
        return True

    def close(self) -> None:
        """Nothing is open."""


class PlaceEdits:
    """places_text: zones, lines and rules put into a text: the next text or a ValueError."""

    def __init__(self, folder: Path) -> None:
        pass

    def try_one(self, rng: random.Random) -> bool:
        """Some shapes under odd names, or a rule with odd values."""
        text = mutated_text(rng, SMALL, 2) if rng.random() < 0.6 else SMALL
        camera = rng.choice(("gate", "gate", *_NAMES))
        numbers = (0.0, 1.0, 0.5, -1.0, 1e308, 1e-300, 0.123456789)
        shapes = {
            rng.choice(_NAMES): [(rng.choice(numbers), rng.choice(numbers)) for _ in range(rng.randint(0, 5))]
            for _ in range(rng.randint(0, 3))
        }
        rule = {"name": rng.choice(_NAMES), "kind": "intrusion", "zone": rng.choice(NASTY_VALUES)}
        try:
            with_places(text, camera, shapes, {})
            with_rules(text, camera, [rule])
        except ValueError as error:
            return _is_refusal(error)
        return True

    def close(self) -> None:
        """Nothing is open."""


def _has(text: str, camera: str) -> bool:
    try:
        settings_of(text, camera)
    except LookupError:
        return False
    return True


def _is_refusal(error: Exception) -> bool:
    """False, as refused is; raised again where it is an accident (a key or a place that was not looked for)."""
    if type(error) in (KeyError, IndexError, UnicodeEncodeError, UnicodeDecodeError):
        raise error
    return False
