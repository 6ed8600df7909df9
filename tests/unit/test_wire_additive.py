"""Schemas may grow; what integrators rely on may not go. The frozen copies lie in tests/golden/wire."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from streamer.wire import SCHEMA_NAMES, SchemaName, json_schema

GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "wire"


def breaking_changes(old: dict[str, Any], new: dict[str, Any], at: str = "message") -> list[str]:
    """Sentences about what a reader of old messages or a checker against the old schema would trip over.

    Messages are written by us and read by others: nothing that was promised may be missing, renamed or of another
    type, values may not come from a wider set, and nothing that was optional may be demanded (stored messages of
    yesterday must stay valid).
    """
    found = []
    old_types, new_types = _types(old), _types(new)
    if old_types != new_types:
        found.append(f"{at}: type was {sorted(old_types)}, is {sorted(new_types)}")
    words = ("const", "enum", "minItems", "maxItems", "minimum", "maximum")
    found += [f"{at}: {w} was {old.get(w)}, is {new.get(w)}" for w in words if old.get(w) != new.get(w)]
    found += [
        f"{at}.{key}: no longer promised" for key in old.get("required", ()) if key not in new.get("required", ())
    ]
    found += [f"{at}.{key}: newly required" for key in new.get("required", ()) if key not in old.get("required", ())]
    for name, was in old.get("properties", {}).items():
        if name not in new.get("properties", {}):
            found.append(f"{at}.{name}: gone")
        else:
            found += breaking_changes(was, new["properties"][name], f"{at}.{name}")
    if "items" in old:
        found += breaking_changes(old["items"], new.get("items", {}), f"{at}[]")
    return found


def _types(schema: dict[str, Any]) -> set[str]:
    types = schema.get("type", [])
    return {types} if isinstance(types, str) else set(types)


@pytest.mark.parametrize("name", SCHEMA_NAMES)
def test_schemas_have_only_grown_since_they_were_promised(name: SchemaName) -> None:
    promised = json.loads((GOLDEN / f"{name}-1.json").read_text())
    assert breaking_changes(promised, json_schema(name)) == []


@pytest.mark.parametrize("name", SCHEMA_NAMES)
def test_schemas_are_schemas(name: SchemaName) -> None:
    Draft202012Validator.check_schema(json_schema(name))
    assert json_schema(name)["$id"] == f"streamer.{name}/1"


def _removed(schema: dict[str, Any]) -> None:
    del schema["properties"]["place"]


def _renamed(schema: dict[str, Any]) -> None:
    schema["properties"]["zone"] = schema["properties"].pop("place")


def _retyped(schema: dict[str, Any]) -> None:
    schema["properties"]["seq"]["type"] = "string"


def _made_nullable(schema: dict[str, Any]) -> None:
    schema["properties"]["score"]["type"] = ["number", "null"]


def _newly_required(schema: dict[str, Any]) -> None:
    schema["required"].append("place")


def _no_longer_promised(schema: dict[str, Any]) -> None:
    schema["required"].remove("score")


def _new_word(schema: dict[str, Any]) -> None:
    schema["properties"]["change"]["enum"].append("muted")


def _longer_box(schema: dict[str, Any]) -> None:
    schema["properties"]["box"]["maxItems"] = 5


def _retyped_items(schema: dict[str, Any]) -> None:
    schema["properties"]["track_ids"]["items"]["type"] = "string"


@pytest.mark.parametrize(
    "breaks",
    [
        _removed,
        _renamed,
        _retyped,
        _made_nullable,
        _newly_required,
        _no_longer_promised,
        _new_word,
        _longer_box,
        _retyped_items,
    ],
)
def test_the_checker_sees_every_kind_of_break(breaks: Any) -> None:
    old = json_schema("alert")
    new = copy.deepcopy(old)
    breaks(new)
    assert breaking_changes(old, new)


def test_the_checker_allows_a_new_optional_key_and_another_description() -> None:
    old = json_schema("alert")
    new = copy.deepcopy(old)
    new["properties"]["colour"] = {"type": ["string", "null"]}
    new["properties"]["id"]["description"] = "said better"
    assert breaking_changes(old, new) == []
