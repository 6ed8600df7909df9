"""Secrets that a configuration only names: from the environment, and from files."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamer.config import parse_config
from streamer.config.references import MOST_BYTES, Unresolved, filled_in, referred_to
from streamer.errors import ConfigError


def test_a_file_holds_a_secret_and_the_line_end_behind_it_is_not_part_of_it(tmp_path: Path) -> None:
    for i, (held, meant) in enumerate(
        [("pa ss", "pa ss"), ("pass\n", "pass"), ("pass\r\n", "pass"), ("a\nb\n", "a\nb")]
    ):
        secret = tmp_path / str(i)
        secret.write_bytes(held.encode())
        assert filled_in(f"x${{file:{secret}}}y", {}) == (f"x{meant}y", [meant])


def test_environment_defaults_and_dollar_signs_are_as_ever() -> None:
    assert filled_in("$${A} ${A} ${B:-b} $A", {"A": "1"}) == ("${A} 1 b $A", ["1"])
    assert list(referred_to("$${A} ${A} ${B:-b} ${file:/run/x}")) == ["${A}", "${B}", "${file:/run/x}"]


def test_what_is_not_there_or_no_secret_is_said(tmp_path: Path) -> None:
    big, folder, binary = tmp_path / "big", tmp_path / "folder", tmp_path / "binary"
    big.write_bytes(b"x" * (MOST_BYTES + 1))
    folder.mkdir()
    binary.write_bytes(b"\xff\xfe")
    for text, sentence in [
        (f"${{file:{tmp_path / 'gone'}}}", "is not there"),
        (f"${{file:{folder}}}", "is no file"),
        (f"${{file:{big}}}", "is too big"),
        (f"${{file:{binary}}}", "is not UTF-8 text at byte 0"),
        ("${file:secret}", "should name a file from the root on"),
        ("${file:/dev/zero}", "is no file"),
        ("${GONE}", "the environment variable GONE is not set"),
    ]:
        with pytest.raises(Unresolved, match=sentence):
            filled_in(text, {})


def test_a_problem_is_told_with_its_line(tmp_path: Path) -> None:
    text = f"cameras:\n  gate:\n    url: rtsp://u:${{file:{tmp_path}/gone}}@gate/\n"
    with pytest.raises(ConfigError, match=r"^c.yaml:3: the secret file .*/gone is not there"):
        parse_config(text, "c.yaml", {})


@pytest.mark.parametrize(
    "text",
    [
        "cameras: {gate: {url: a, analyse_fps: '${SECRET}'}}",
        "cameras: {gate: {url: a, priority: '${SECRET}'}}",
        "cameras: {gate: {url: a}}\ntimezone: ${SECRET}",
        "cameras: {gate: {url: a, rules: [{name: '${SECRET}', kind: intrusion, zone: x-${SECRET}}]}}",
        "cameras: {gate: {url: a, rules: [{name: a, kind: '${SECRET}'}]}}",
        "cameras: {gate: {url: a}}\nredis: {url: '${SECRET}'}",
        "cameras: {gate: {url: a}}\nhttp: {token: '${SECRET}'}",
    ],
)
@pytest.mark.parametrize("from_file", [False, True])
def test_no_message_shows_what_came_from_outside(text: str, from_file: bool, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hu nter2\n")
    if from_file:
        text = text.replace("${SECRET}", f"${{file:{secret}}}")
    with pytest.raises(ConfigError) as refused:
        parse_config(text, "c.yaml", {"SECRET": "hu nter2"})
    assert "hu nter2" not in str(refused.value)
