"""What the documents show is tried: a reader copies from them."""

from __future__ import annotations

import json
import re

import jsonschema
import pytest

from streamer.config import parse_config
from streamer.wire import json_schema
from tests.conftest import ROOT

README = (ROOT / "README.md").read_text()


SECRETS = {"REDIS_PASSWORD": "r", "GATE_PASSWORD": "g"}


def test_the_configuration_in_the_readme_is_right():
    [example] = re.findall(r"```yaml\n(.*?)```", README, flags=re.S)
    config = parse_config(example, "README.md", SECRETS)
    assert [rule.kind for rule in config.cameras["gate"].rules] == ["intrusion", "loitering"]


def test_the_alert_in_the_readme_is_one_that_the_wire_knows():
    [example] = re.findall(r"```json\n(.*?)```", README, flags=re.S)
    shown = json.loads(example)
    assert shown.pop("type") == "alert"
    jsonschema.validate(shown, json_schema("alert"))


def test_the_whole_configuration_of_the_rules_is_right_and_has_every_kind():
    [example] = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "rules.md").read_text(), flags=re.S)
    config = parse_config(example, "rules.md", SECRETS)
    kinds = {rule.kind for rule in config.cameras["gate"].rules}
    assert kinds == {
        "intrusion",
        "loitering",
        "line_crossing",
        "occupancy",
        "stopped",
        "wrong_direction",
        "speeding",
        "behaviour.fallen",
        "behaviour.anomaly",
    }


@pytest.mark.parametrize(
    "document", [*sorted(p.relative_to(ROOT).as_posix() for p in ROOT.glob("docs/**/*.md")), "README.md"]
)
def test_what_a_document_links_to_is_there(document):
    path = ROOT / document
    for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text()):
        assert (path.parent / target).exists(), f"{document} links to {target}"


def headings(text: str) -> set[str]:
    """What GitHub makes of headings: small letters, no signs, dashes for spaces."""
    plain = re.sub(r"^```.*?^```", "", text, flags=re.S | re.M)
    return {
        re.sub(r"[^\w\- ]", "", title.replace("`", "")).strip().lower().replace(" ", "-")
        for title in re.findall(r"^#+ (.*)$", plain, re.M)
    }


@pytest.mark.parametrize(
    "document", [*sorted(p.relative_to(ROOT).as_posix() for p in ROOT.glob("docs/**/*.md")), "README.md"]
)
def test_a_place_within_a_document_that_is_linked_to_is_there(document):
    path = ROOT / document
    for target, place in re.findall(r"\]\(([^)#:\s]*)#([^)\s]+)\)", path.read_text()):
        page = path.parent / target if target else path
        assert page.exists(), f"{document} links to {target}"
        assert place in headings(page.read_text()), f"{document} links to {target}#{place}"


def test_the_on_call_guide_tells_of_every_alert_rule():
    guide = (ROOT / "docs" / "guide-oncall.md").read_text()
    rules = re.findall(r"- alert: (\w+)", (ROOT / "deploy/prometheus/rules/alerts.yml").read_text())
    assert len(rules) >= 20
    assert {name for name in rules if f"[{name}](operations.md#{name.lower()})" not in guide} == set()


@pytest.mark.parametrize("guide", ["guide-ml.md"])
def test_configurations_in_a_guide_are_right(guide):
    examples = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / guide).read_text(), flags=re.S)
    assert examples
    for example in examples:
        assert parse_config(example, guide, SECRETS).cameras


def test_every_page_is_in_the_readmes_table_of_contents():
    pages = {path.name for path in (ROOT / "docs").glob("*.md")}
    assert {page for page in pages if f"docs/{page})" not in README} == set()


def test_the_readme_stays_short():
    assert len(README.splitlines()) <= 130
