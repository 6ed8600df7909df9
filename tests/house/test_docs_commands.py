"""Every command that a document shows is one that there is, with options that it has."""

from __future__ import annotations

import argparse
import importlib.util
import re
import shlex
from pathlib import Path

import pytest

from streamer.cli import build_parser
from tests.conftest import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
_FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.S | re.M)
_INLINE = re.compile(r"`([^`\n]+)`")
_ENDS = {"|", ">", ">>", "&&", "||", ";", "…", "&"}


def lines(page: Path) -> list[str]:
    """What stands in code: lines of blocks that hold commands, continued ones joined, and code within sentences."""
    text = page.read_text()
    blocks = [
        body.replace("\\\n", " ") for kind, body in _FENCED.findall(text) if kind in ("", "sh", "bash", "console")
    ]
    inline = _INLINE.findall(_FENCED.sub("", text))
    return [line.strip() for block in blocks for line in block.splitlines()] + [each.strip() for each in inline]


def words(line: str) -> list[str]:
    """The words of a command up to a pipe, a comment or three dots; none where it cannot be read as one."""
    line = re.sub(r"^\$ ", "", re.sub(r"\s{2,}[a-zA-Z0-9“].*$", lambda m: m[0] if "--" in m[0] else "", line))
    try:
        split = shlex.split(line, comments=True)
    except ValueError:
        return []
    for number, word in enumerate(split):
        if word in _ENDS:
            return split[:number]
    return split


def commands(page: Path) -> list[list[str]]:
    """`streamer …`, wherever in a line it begins a command."""
    found = []
    for line in lines(page):
        for part in re.split(r"&& |; |\$\(|\| ", line):
            said = words(part.rstrip(")\"'") if part.count('"') % 2 else part)
            said = [*said[1:]] if said[:1] in (["/opt/streamer/bin/streamer"],) else said
            if said[:1] == ["-"] or len(said) < 2:
                continue
            if said[0].rpartition("/")[2] == "streamer" and re.fullmatch(r"[a-z]+", said[1]):
                found.append(said[1:])
    return found


def actions(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    [choice] = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)] or [None]
    return dict(choice.choices) if choice else {}


def problem(said: list[str]) -> str | None:
    """What is wrong with a command; None where it could be typed."""
    parser, rest = build_parser(), list(said)
    while rest and (below := actions(parser)):
        name = rest[0]
        if name.startswith("-"):
            break
        if "|" in name:  # `list|pull|show` names several
            missing = [each for each in name.split("|") if each not in below]
            return f"there is no {missing[0]!r}" if missing else None
        if name not in below:
            return f"there is no {name!r} among {', '.join(below)}"
        parser, rest = below[name], rest[1:]
    known = set(parser._option_string_actions)
    for word in rest:
        option = word.partition("=")[0].rstrip(",.)")
        if re.fullmatch(r"--[a-z][a-z-]*", option) and option not in known:
            return f"it has no {option}"
    return None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_that_a_page_shows_are_there_with_their_options(page):
    wrong = [(" ".join(["streamer", *said]), why) for said in commands(page) if (why := problem(said))]
    assert wrong == []


def test_the_pages_show_many_commands():
    shown = {said[0] for page in PAGES for said in commands(page)}
    assert {"run", "validate", "doctor", "replay", "apply", "config", "models", "audit", "bench", "chaos"} <= shown


def test_a_slip_in_a_document_would_be_found():
    assert problem(["validat", "cameras.yaml"])
    assert problem(["run", "--wacth", "cameras.yaml"]) == "it has no --wacth"
    assert problem(["config", "forget"])
    assert problem(["replay", "x.mp4", "--config", "c.yaml", "--render", "seen.mp4"]) is None
    assert words("streamer run cameras.yaml                   # and more") == ["streamer", "run", "cameras.yaml"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_modules_that_a_page_runs_are_there(page):
    for line in lines(page):
        for name in re.findall(r"python3? -m ([\w.]+)", line):
            if name in ("venv", "pip", "tests.benchmarks."):
                continue
            if name.endswith("NAME") or name.endswith("."):
                continue
            assert importlib.util.find_spec(name), f"{page.name}: python -m {name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_targets_that_a_page_makes_are_there(page):
    there = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    for line in lines(page):
        if match := re.match(r"make ([a-z]+)", line):
            assert match[1] in there, f"{page.name}: make {match[1]}"
