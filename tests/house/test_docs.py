"""What the documents show is tried: a reader copies from them."""

from __future__ import annotations

import re

import pytest

from streamer.config import parse_config
from tests.conftest import ROOT

README = (ROOT / "README.md").read_text()


def test_the_configuration_in_the_readme_is_right():
    [example] = re.findall(r"```yaml\n(.*?)```", README, flags=re.S)
    config = parse_config(example, "README.md", {"REDIS_PASSWORD": "r", "GATE_PASSWORD": "g"})
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
