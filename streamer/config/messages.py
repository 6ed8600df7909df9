"""What pydantic found, said to a person: the key as it stands in the file, and what would be right."""

from __future__ import annotations

import difflib
import re
import types
import typing
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from streamer.config.lines import Path as KeyPath
from streamer.config.lines import dotted
from streamer.config.model import Config


def path_in_file(loc: tuple[int | str, ...], value: Any) -> KeyPath:
    """pydantic's location without the parts that only it knows (union tags, '[key]')."""
    path: list[str | int] = []
    for i, part in enumerate(loc):
        in_group = isinstance(value, dict) and part in value
        if in_group or (isinstance(value, list) and isinstance(part, int) and part < len(value)):
            path.append(part)
            value = value[part]
        elif i == len(loc) - 1 and isinstance(part, str) and part != "[key]":
            path.append(part)  # a key that is missing
    return tuple(path)


def describe(detail: ErrorDetails, path: KeyPath, whole: type[BaseModel] = Config) -> tuple[KeyPath, str]:
    """Where a problem stands, and what it is, for a person; `whole` is what the file as a whole should be."""
    kind, given = detail["type"], detail.get("input")
    context = detail.get("ctx", {})
    name = dotted(path)
    if kind == "extra_forbidden":
        known = _known_keys(detail["loc"][:-1], whole)
        close = difflib.get_close_matches(str(path[-1]), known, n=1)
        hint = (
            f"; did you mean '{close[0]}'?" if close else f"; known here: {', '.join(sorted(known))}" if known else ""
        )
        return path, f"{name}: unknown key{hint}"
    if kind == "missing":
        return path[:-1], f"{dotted(path[:-1]) or 'the file'}: '{path[-1]}' is missing"
    if kind == "union_tag_invalid":
        return (
            *path,
            "kind",
        ), f"{name}.kind: there is no rule '{context.get('tag')}'; it should be one of {_tags(context)}"
    if kind == "union_tag_not_found":
        return path, f"{name}: 'kind' is missing; it should be one of {_rule_kinds()}"
    if kind == "value_error":
        return path, f"{name}: {context.get('error', detail['msg'])}"
    if detail["loc"] and detail["loc"][-1] == "[key]":
        return path, f"{name}: a name may hold letters, digits, '_', '-' and '.', and begins with a letter or a digit"
    if kind == "string_pattern_mismatch" and (schemes := re.match(r"\^\(?([a-z|?+\[\]]+)\)?://", context["pattern"])):
        each = schemes[1].replace("https?", "http|https").replace("rediss?[+]", "redis+").split("|")
        starts = [f"{scheme}://" for scheme in each]
        return path, f"{name}: should begin with {' or '.join(starts)}"
    wish = detail["msg"][0].lower() + detail["msg"][1:]
    wish = wish.replace("input should", "should")
    secret = bool(path) and path[-1] in ("url", "footage_url", "secret", "token", "password")
    return path, f"{name}: {wish}" + ("" if secret else f"; got {_shown(given)}")


def _tags(context: Mapping[str, Any]) -> str:
    return str(context.get("expected_tags", _rule_kinds())).replace("'", "")


def _rule_kinds() -> str:
    return "intrusion, loitering, line_crossing, occupancy, wrong_direction, stopped, speeding"


def _shown(value: object) -> str:
    text = repr(value) if isinstance(value, (str, int, float, bool)) or value is None else kind_of(value)
    return text if len(text) <= 60 else text[:57] + "…"


def kind_of(value: object) -> str:
    """What a value is, in a person's words."""
    if isinstance(value, dict):
        return "a group of keys"
    return "a list" if isinstance(value, list) else "a text" if isinstance(value, str) else repr(value)


def _known_keys(loc: tuple[int | str, ...], whole: type[BaseModel]) -> list[str]:
    """The keys that the model at a pydantic location knows."""
    here: Any = whole
    for part in loc:
        here = _inner(here, part)
    here = _only_model(here) or here
    if isinstance(here, type) and issubclass(here, BaseModel):
        return [field.alias or name for name, field in here.model_fields.items()]
    return []


def _inner(here: Any, part: int | str) -> Any:
    here = _bare(here)
    if isinstance(here, type) and issubclass(here, BaseModel):
        for name, field in here.model_fields.items():
            if part in (name, field.alias):
                return _bare(field.annotation)
        return None
    origin, arguments = typing.get_origin(here), typing.get_args(here)
    if origin is dict:
        return _bare(arguments[1])
    if origin in (list, tuple):
        return _bare(arguments[0])
    if origin in (typing.Union, types.UnionType):  # the discriminator's tag, or the only model of `Model | None`
        for choice in arguments:
            kind = getattr(choice, "model_fields", {}).get("kind")
            if kind is not None and part in typing.get_args(kind.annotation):
                return choice
        model = _only_model(here)
        return _inner(model, part) if model else None
    return None


def _only_model(here: Any) -> type[BaseModel] | None:
    """The model of `Model | None`."""
    models = [a for a in typing.get_args(here) if isinstance(a, type) and issubclass(a, BaseModel)]
    return models[0] if len(models) == 1 else None


def _bare(annotation: Any) -> Any:
    while typing.get_origin(annotation) is typing.Annotated:
        annotation = typing.get_args(annotation)[0]
    return annotation
