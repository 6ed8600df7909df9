"""Numbers that the documents cite are those of the benchmarks' files, as far as they are rounded.

`0.847<!-- vtest:ap50 -->` says that 0.847 is the key `ap50` of docs/benchmarks/vtest.json; inner keys stand behind a
slash, and `x100` makes percent of a share.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.conftest import ROOT

BENCHMARKS = ROOT / "docs" / "benchmarks"
CITED = re.compile(r"(?P<number>\d[\d,]*\.?\d*|\.\d+)<!-- (?P<file>\w+):(?P<key>[^>]+?)(?: x(?P<times>\d+))? -->")
CITATIONS = [
    pytest.param(match, id=f"{page.name} {match['file']}:{match['key']}")
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
    for match in CITED.finditer(page.read_text())
]


def kept(file: str, key: str) -> float:
    found: Any = json.loads((BENCHMARKS / f"{file}.json").read_text())
    for part in key.split("/"):
        found = found[int(part)] if isinstance(found, list) else found[part]
    return float(found)


def agrees(number: str, value: float) -> bool:
    """Whether a number as it is written is the value, rounded to as many decimals as it has."""
    decimals = len(number.partition(".")[2])
    return abs(float(number.replace(",", "")) - value) <= 0.5 * 10**-decimals + 1e-9


@pytest.mark.parametrize("cited", CITATIONS)
def test_a_number_is_what_the_benchmark_found(cited):
    value = kept(cited["file"], cited["key"]) * float(cited["times"] or 1)
    assert agrees(cited["number"], value), f"{cited['number']} is written, {value} was measured"


def test_the_pages_cite_most_benchmarks():
    assert len(CITATIONS) > 60
    assert {"vtest", "detector", "exactly_once", "gating_mixed", "ceiling"} <= {c.values[0]["file"] for c in CITATIONS}


def test_every_mark_in_a_page_is_read():
    for page in (ROOT / "README.md", ROOT / "docs" / "measured.md"):
        text = page.read_text()
        assert len(re.findall(r"<!-- \w+:", text)) == len(CITED.findall(text)), page


def test_rounding_is_seen_through_and_nothing_else():
    assert agrees("0.85", 0.8467)
    assert agrees("12,164", 12164)
    assert agrees(".3805", 0.38049)
    assert not agrees("0.84", 0.8467)
    assert not agrees("0.8", 0.86)
