"""The page of all keys is the schema's, whole and current."""

from __future__ import annotations

import re

from pydantic import BaseModel

from streamer import cli
from streamer.config.editor_schema import _models
from streamer.config.model import Config
from streamer.config.reference import reference
from tests.conftest import ROOT

PAGE = ROOT / "docs" / "reference.md"


def keys_of(model: type[BaseModel]) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}


def test_the_page_in_the_repository_is_what_the_command_prints(capsys):
    assert cli.main(["config", "reference"]) == 0
    assert capsys.readouterr().out.strip() == PAGE.read_text().strip(), "streamer config reference > docs/reference.md"


def test_every_key_of_every_part_is_there():
    told = set(re.findall(r"^\| `([^`]+)` \|", reference(), re.M))
    wanted = set().union(*(keys_of(model) for _, model in _models(Config))) - {"kind"}
    assert wanted <= told
    assert told <= wanted


def test_every_part_has_its_table_once():
    headings = re.findall(r"^## (.+)$", reference(), re.M)
    assert len(headings) == len(set(headings))
    assert {"cameras.NAME.privacy", "keep", "web.users.NAME", "cameras.NAME.rules[].schedule[]"} <= set(headings)
    kinds = [heading for heading in headings if heading.startswith("rules[] of kind")]
    assert len(kinds) == 9


def test_every_row_has_four_cells():
    rows = [line for line in reference().splitlines() if line.startswith("|")]
    assert len(rows) > 150
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {5}


def test_limits_defaults_and_what_is_needed_are_told():
    page = reference()
    assert "| `url` | text | needed |" in page
    assert "| `analyse_fps` | number > 0, ≤ 240 or `all` | `5` |" in page
    assert "| `redact` | `none` or `heads` or `boxes` | `none` |" in page
