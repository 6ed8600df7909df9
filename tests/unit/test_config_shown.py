"""A configuration as it may be shown, and what becomes of it when it comes back."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.config.lines import read_document
from streamer.config.shown import restored, shown
from streamer.errors import ConfigError

SECRETS = (
    "s3cret",
    "hunter2",
    "literal-token",
    "hash-of-anna",
    "sixteen-letters-x",
    "oldpw",
    "fallback",
    "cookie-crumb",
)
TEXT = """\
# was rtsp://admin:oldpw@10.0.0.9/ until May
redis: {url: "redis://:${REDIS_PASSWORD}@localhost:6379"}   # see rtsp://admin:oldpw@10.0.0.8/ too
cameras:
  gate:
    url: rtsp://user:s3cret@10.0.0.5/main  # the gate
    footage_url: 'rtsp://user:s3c@ret-s3cret@10.0.0.5/sub'
  yard: {url: "http://10.0.0.6/video?token=hunter2&x=1", options: {headers: "Cookie: cookie-crumb"}}
  door:
    url: >-
      rtsp://user:s3cret@10.0.0.7/folded
  roof:
    url: rtsp://${USER}:${file:/run/secrets/roof}@10.0.0.8/
  shed:
    url: rtsp://user:${SHED:-fallback}@10.0.0.9/
webhooks:
  ops: {url: "https://ops.example/hook", secret: hunter2}
  ci: {url: "https://ci.example/hook", secret: "${CI_SECRET}"}
web:
  users: {anna: {password: "scrypt$hash-of-anna"}}
  tokens:
    ci: {token: &t literal-token}
http: {token: sixteen-letters-x}
"""
CRLF = TEXT.replace("\n", "\r\n")


@pytest.mark.parametrize("text", [TEXT, CRLF])
def test_no_secret_is_shown_and_all_else_is(text: str) -> None:
    said = shown(text)
    for secret in SECRETS:
        assert secret not in said, secret
    for kept in (
        "rtsp://***@10.0.0.5/main  # the gate",
        "redis://:${REDIS_PASSWORD}@localhost:6379",
        "rtsp://${USER}:${file:/run/secrets/roof}@10.0.0.8/",
        'secret: "${CI_SECRET}"',
        "# was rtsp://***@10.0.0.9/ until May",
        '{token: &t "***"}',
        "?token=***&x=1",
    ):
        assert kept in said, kept
    assert len(said.splitlines()) <= len(text.splitlines())
    assert set(read_document(said, as_written=True).value["cameras"]) == {"gate", "yard", "door", "roof", "shed"}


def values(text: str) -> object:
    return read_document(text, as_written=True).value


@pytest.mark.parametrize("text", [TEXT, CRLF])
def test_what_comes_back_unchanged_is_what_it_was(text: str) -> None:
    again = restored(shown(text), text, "c.yaml")
    assert values(again) == values(text)
    assert (
        again.replace('"rtsp://user:s3cret@10.0.0.7/folded"', "").split()
        == text.replace(">-", "").replace("rtsp://user:s3cret@10.0.0.7/folded", "").split()
    )


def test_what_is_changed_elsewhere_leaves_secrets_as_they_were() -> None:
    edited = (
        shown(TEXT).replace("cameras:\n", "cameras:\n  new: {url: 'rtsp://10.0.0.77/'}\n").replace("gate:", "gates:")
    )
    found = values(restored(edited, TEXT, "c.yaml"))
    assert found["cameras"]["gates"]["url"] == "rtsp://user:s3cret@10.0.0.5/main"  # another name, the same address
    assert found["cameras"]["new"]["url"] == "rtsp://10.0.0.77/"
    assert found["webhooks"]["ops"]["secret"] == "hunter2"


@pytest.mark.parametrize(
    ("was", "becomes", "place"),
    [
        ("rtsp://***@10.0.0.5/main", "rtsp://***@evil.example/main", "c.yaml:5: cameras.gate.url"),
        ("?token=***&x=1", "?token=***&x=2", "cameras.yard.url"),  # and what was sent along goes nowhere else either
        ("10.0.0.6/video", "evil.example/video", "cameras.yard.options.headers"),
        ("ops: {url", "other: {url", "webhooks.other.secret"),
        ("anna:", "eve:", "web.users.eve.password"),
    ],
)
def test_a_secret_goes_nowhere_else_than_it_went(was: str, becomes: str, place: str) -> None:
    edited = shown(TEXT).replace(was, becomes)
    assert edited != shown(TEXT)
    with pytest.raises(ConfigError) as refused:
        restored(edited, TEXT, "c.yaml")
    assert any(place in problem for problem in refused.value.problems)
    assert not any(secret in str(refused.value) for secret in SECRETS)


def test_what_is_no_yaml_is_not_shown_at_all() -> None:
    with pytest.raises(ConfigError, match="is not YAML") as refused:
        shown("cameras: {gate: {url: rtsp://user:s3cret@x/\n")
    assert "s3cret" not in str(refused.value)


words = st.text(
    st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="@/\\\"'{}[],#&*!|>%`$:?;= "),
    min_size=4,
    max_size=12,
)


@given(words, words, st.sampled_from(["{}", "'{}'", '"{}"']))
@settings(max_examples=150, deadline=None)
def test_any_password_is_hidden_and_comes_back(user: str, password: str, quoted: str) -> None:
    url = f"rtsp://{user}:{password}@camera-host/main"
    text = f"cameras:\n  gate:\n    url: {quoted.format(url)}  # ours\n"
    if values(text) is None:
        return
    assert f":{password}@" not in shown(text)
    assert restored(shown(text), text, "c.yaml") == text
