"""From a file to a checked configuration, or to every problem at once: file, line, key, and what would be right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from streamer.config.lines import Document, dotted, read_document
from streamer.config.lines import Path as KeyPath
from streamer.config.messages import describe, kind_of, path_in_file
from streamer.config.model import Config
from streamer.errors import ConfigError, redact

_MOST_BYTES = 4_000_000
Problem = tuple[int, str]


def load_config(path: Path, environment: Mapping[str, str] | None = None) -> Config:
    """The configuration in a file. Raises ConfigError with every problem in it.

    Relative paths in the file (model.path, data_dir, jsonl.path) are taken from the file's own folder.
    """
    return config_of(read_text(path), path, str(path), environment)


def config_of(text: str, path: Path, origin: str, environment: Mapping[str, str] | None = None) -> Config:
    """What the file would mean if this were its text; `origin` names it in messages. Raises ConfigError."""
    return _rooted(parse_config(text, origin, environment), path.parent)


def read_text(path: Path) -> str:
    """The text of a configuration file, its line ends as they are. Raises ConfigError."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror or error}"]) from error
    if len(raw) > _MOST_BYTES:
        raise ConfigError([f"{path}: is {len(raw)} bytes; a configuration has at most {_MOST_BYTES}"])
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: is not UTF-8 text at byte {error.start}"]) from error


def parse_config(text: str, origin: str, environment: Mapping[str, str] | None = None) -> Config:
    """The configuration in a text; `origin` names it in messages. Raises ConfigError with every problem in it."""
    document = read_document(text, environment)
    problems = list(document.problems)
    if document.value is None and not problems:
        problems.append((1, "is empty; it needs at least 'cameras:' with one camera"))
    elif not isinstance(document.value, dict) and not problems:
        problems.append((1, f"should hold keys such as 'cameras:', not {kind_of(document.value)}"))
    if isinstance(document.value, dict):
        problems += _schema_problems(document)
        problems += _cross_problems(document)
    if problems:
        raise ConfigError(
            [redact(f"{origin}:{line}: {document.without_secrets(text)}") for line, text in sorted(set(problems))]
        )
    return Config.model_validate(document.value)


def quick_config(source: str, redis_url: str | None, **camera: Any) -> Config:
    """What `streamer run --source … --redis …` stands for: one camera, one rule that says when people are seen."""
    somebody = {
        "name": "somebody",
        "kind": "occupancy",
        "zone": "picture",
        "above": 0,
        "labels": ["person"],
        "open_after_s": 0.5,
    }
    whole = {"picture": [[0, 0], [1, 0], [1, 1], [0, 1]]}
    raw: dict[str, Any] = {"cameras": {"camera": {"url": source, "zones": whole, "rules": [somebody], **camera}}}
    if redis_url:
        raw["redis"] = {"url": redis_url}
    try:
        return Config.model_validate(raw)
    except ValidationError as error:
        sentences = [describe(detail, path_in_file(detail["loc"], raw))[1] for detail in error.errors()]
        raise ConfigError([redact(f"command line: {sentence}") for sentence in sentences]) from error


def _rooted(config: Config, folder: Path) -> Config:
    changes: dict[str, Any] = {"data_dir": folder / config.data_dir}
    model = config.model.path
    # A bare name may be that of a bundled or pulled model, unless a folder of that name lies beside the file.
    if model and (str(model) != model.name or (folder / model).exists()):
        changes["model"] = config.model.model_copy(update={"path": folder / model})
    if config.jsonl:
        changes["jsonl"] = config.jsonl.model_copy(update={"path": folder / config.jsonl.path})
    if config.web and config.web.cert and config.web.key:
        pem = {"cert": folder / config.web.cert, "key": folder / config.web.key}
        changes["web"] = config.web.model_copy(update=pem)
    cameras = {}
    for name, camera in config.cameras.items():
        local = "://" not in camera.url and not camera.format and not camera.url.startswith("/")
        cameras[name] = camera.model_copy(update={"url": str(folder / camera.url)}) if local else camera
    return config.model_copy(update={**changes, "cameras": cameras})


def _schema_problems(document: Document) -> Iterator[Problem]:
    try:
        Config.model_validate(document.value)
    except ValidationError as error:
        for detail in error.errors():
            path = path_in_file(detail["loc"], document.value)
            key, sentence = describe(detail, path)
            yield document.line_of(key), sentence


def _cross_problems(document: Document) -> Iterator[Problem]:
    """What no single key can know: names that must exist, and names that must not stand twice."""
    cameras = document.value.get("cameras")
    for camera, settings in cameras.items() if isinstance(cameras, dict) else ():
        rules = settings.get("rules") if isinstance(settings, dict) else None
        seen: dict[str, int] = {}
        for i, rule in enumerate(rules if isinstance(rules, list) else ()):
            if not isinstance(rule, dict):
                continue
            path: KeyPath = ("cameras", camera, "rules", i)
            for key, shelf in (("zone", "zones"), ("line", "lines")):
                there = settings.get(shelf) if isinstance(settings.get(shelf), dict) else {}
                if isinstance(rule.get(key), str) and rule[key] not in there:
                    have = f"this camera has {', '.join(sorted(there))}" if there else f"this camera has no {shelf}"
                    line = document.line_of((*path, key))
                    yield line, f"{dotted((*path, key))}: there is no {key} '{rule[key]}'; {have}"
            name = rule.get("name")
            if isinstance(name, str):
                line = document.line_of((*path, "name"))
                if name in seen:
                    first = f"first on line {seen[name]}"
                    yield line, f"{dotted((*path, 'name'))}: '{name}' names two rules of this camera; {first}"
                seen.setdefault(name, line)
                if name.startswith(("camera.", "behaviour.", "canary.", "service.")):
                    begin = name.partition(".")[0]
                    yield line, f"{dotted((*path, 'name'))}: names that begin with '{begin}.' belong to the service"
