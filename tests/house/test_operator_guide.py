"""What the operator's guide calls a button is one, and what it promises of numbers is so."""

from __future__ import annotations

import re

from streamer.config.model import ClipsConfig, WebConfig
from tests.conftest import ROOT

GUIDE = (ROOT / "docs" / "guide-operator.md").read_text()
CONSOLE = "\n".join(path.read_text() for path in sorted((ROOT / "streamer" / "web").rglob("*.js")))
CONSOLE += "\n".join(path.read_text() for path in sorted((ROOT / "streamer" / "web").rglob("*.html")))
CONSOLE += "\n".join(path.read_text() for path in sorted((ROOT / "streamer" / "web").glob("*.py")))
NOT_BUTTONS = {"quotes"}


def test_every_word_in_quotes_stands_in_the_console():
    quoted = set(re.findall(r"“([^”]+)”", GUIDE)) - NOT_BUTTONS
    assert len(quoted) > 15
    assert {each for each in quoted if each not in CONSOLE} == set()


def test_the_times_that_it_tells_are_the_defaults():
    assert ClipsConfig().before_s == 5
    assert WebConfig().session_hours == 12
    for choice in ("15 minutes", "1 hour", "8 hours", "1 day"):
        assert f'"{choice}"' in CONSOLE


def test_every_picture_of_the_guide_is_there():
    shown = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", GUIDE)
    assert len(shown) >= 6
    assert all((ROOT / "docs" / path).exists() for path in shown)
