"""What `streamer models pull` refuses: other files, other servers, and places that are taken, full or closed."""

from __future__ import annotations

import hashlib
import resource
import shutil
from collections.abc import Iterator

import pytest

from streamer.artifacts import load_artifact
from streamer.catalogue import Address, DownloadFailed, PlaceUnusable
from streamer.commands.models.fetching import already_here, pull_from_file
from streamer.errors import ArtifactError, ConfigError
from tests.behaviour_heads import write_tiny_head
from tests.model_server import (
    GRAPH,
    OTHER,
    PART,
    Seen,
    Server,
    entry_of,
    file,
    names,
    pull,
    redirect,
    send,
    serving,
    status,
)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as started:
        yield started


@pytest.mark.parametrize("said", [0, len(GRAPH) - 1, len(GRAPH) + 1, 10**12])
def test_another_size_than_promised_is_refused_before_a_byte_is_fetched(tmp_path, server, said):
    server.answers = [lambda handler: send(handler, 200, GRAPH, 100, Content_Length=str(said))]
    seen = Seen()
    with pytest.raises(ArtifactError, match=rf"it has {said} bytes .*, expected {len(GRAPH)}"):
        pull(tmp_path, server.url, seen=seen)
    assert (seen.sizes, names(tmp_path)) == ([], [])


def test_a_page_in_place_of_the_file_is_called_a_page(tmp_path, server):
    page = b"<html>please log in</html>"
    server.answers = [lambda handler: send(handler, 200, page, Content_Type="text/html; charset=utf-8")]
    with pytest.raises(ArtifactError, match=rf"it has {len(page)} bytes \(text/html\)"):
        pull(tmp_path, server.url)


def test_an_endless_stream_ends_at_the_promised_size(tmp_path, server):
    def endless(handler):
        send(handler, 200, Content_Length=None)
        while True:
            handler.wfile.write(b"\0" * 65536)

    server.answers = [endless]
    seen = Seen()
    with pytest.raises(ArtifactError, match=f"goes on after {len(GRAPH)} bytes"):
        pull(tmp_path, server.url, seen=seen)
    assert max(seen.sizes) <= len(GRAPH)
    assert names(tmp_path) == []


@pytest.mark.parametrize("code", [401, 403, 404, 410])
def test_a_no_is_taken_as_a_no(tmp_path, server, code):
    server.answers = [status(code)]
    with pytest.raises(DownloadFailed, match=f"{server.url}: the server answered {code} "):
        pull(tmp_path, server.url)
    assert len(server.asked) == 1
    assert names(tmp_path) == []


def test_a_lasting_trouble_of_the_server_ends_with_what_it_said(tmp_path, server):
    server.answers = [status(503)]
    waits = []
    with pytest.raises(DownloadFailed, match=r"answered 503 Service Unavailable; 5 tries in a row"):
        pull(tmp_path, server.url, waits=waits)
    assert waits == [1.0, 2.0, 4.0, 8.0]
    assert names(tmp_path) == []


def test_a_success_without_a_file_is_none(tmp_path, server):
    server.answers = [lambda handler: send(handler, 204)]
    with pytest.raises(DownloadFailed, match="answered 204, not with the file"):
        pull(tmp_path, server.url)


def test_what_is_no_http_is_no_answer(tmp_path, server):
    server.answers = [lambda handler: handler.wfile.write(b"SSH-2.0-OpenSSH\r\n")]
    with pytest.raises(DownloadFailed, match=r"the answer makes no sense \(BadStatusLine"):
        pull(tmp_path, server.url)


@pytest.mark.parametrize(
    ("to", "said"),
    [
        ("http://models.example/tiny.onnx", "plain http can be read and changed on its way"),
        ("ftp://models.example/tiny.onnx", "expected an https address, not ftp"),
        ("https://host:port/tiny.onnx", "which is no address"),
    ],
)
def test_a_redirect_leads_nowhere_that_the_address_might_not(tmp_path, server, to, said):
    server.answers = [redirect(to)]
    with pytest.raises(DownloadFailed, match=f"leads on to {to}: {said}"):
        pull(tmp_path, server.url)


def test_redirects_in_a_circle_end(tmp_path, server):
    server.answers = [redirect(server.url)]
    with pytest.raises(DownloadFailed, match=r"its redirects lead nowhere: 302 .*infinite loop\.$"):
        pull(tmp_path, server.url)


def test_a_password_goes_to_its_own_host_and_into_no_text(tmp_path, server):
    with serving() as other:
        server.answers = [redirect(other.url)]
        url = server.url.replace("//", "//me:s%40cret@")
        artifact = pull(tmp_path, url)
    assert server.asked[0].headers["Authorization"] == "Basic bWU6c0BjcmV0"
    assert other.asked[0].headers["Authorization"] is None
    assert "cret" not in artifact.manifest.to_json()


def test_a_wrong_hash_deletes_what_came_and_names_both_hashes(tmp_path, server):
    server.answers = [file(OTHER)]
    with pytest.raises(ArtifactError) as caught:
        pull(tmp_path, server.url)
    assert f"the catalogue expects sha256 {hashlib.sha256(GRAPH).hexdigest()}" in str(caught.value)
    assert f"the file has {hashlib.sha256(OTHER).hexdigest()}" in str(caught.value)
    assert names(tmp_path) == []


def test_a_name_that_is_taken_is_left_alone(tmp_path, server):
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "notes.txt").write_text("mine")
    with pytest.raises(ArtifactError, match="exists already and is not overwritten: it is no model"):
        already_here(entry_of(), tmp_path)
    with pytest.raises(ArtifactError, match="exists already and is not overwritten"):
        pull(tmp_path, server.url)
    assert names(tmp_path) == ["tiny"]
    assert names(tmp_path / "tiny") == ["notes.txt"]
    assert server.asked == []


def test_a_head_under_that_name_is_called_a_head(tmp_path):
    write_tiny_head(tmp_path / "tiny")
    with pytest.raises(ArtifactError, match="is not overwritten: it is a track head, not a detector"):
        already_here(entry_of(), tmp_path)


def test_a_right_model_under_that_name_is_enough_and_another_one_is_named(tmp_path, server):
    assert already_here(entry_of(), tmp_path) is None
    pull(tmp_path, server.url)
    assert already_here(entry_of(), tmp_path) == load_artifact(tmp_path / "tiny")
    other = "0" * 64
    with pytest.raises(ArtifactError, match=f"holds another model .*, expected {other}"):
        already_here(entry_of(sha256=other), tmp_path)


def test_too_little_room_is_said_before_the_download(tmp_path, server):
    with pytest.raises(PlaceUnusable, match=r"'tiny' needs 2\.0 EB there while it is pulled, and .* are free"):
        pull(tmp_path, server.url, entry_of(size_bytes=10**18))
    assert server.asked == []
    assert names(tmp_path) == []


def test_too_little_room_for_a_copy_is_said_before_it_is_read(tmp_path):
    copy, room = tmp_path / "copy.onnx", shutil.disk_usage(tmp_path).free
    with copy.open("wb") as sparse:
        sparse.truncate(room + 2**30)  # takes no room itself
    with pytest.raises(PlaceUnusable, match=r"'tiny' needs .* are free; make room, or choose another place with --to"):
        pull_from_file(entry_of(size_bytes=room + 2**30), tmp_path / "models", copy)
    assert names(tmp_path) == ["copy.onnx"]


def test_a_disk_that_fills_up_keeps_what_came(tmp_path, server):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, before[1]))  # as a full disk: the write itself fails
    try:
        with pytest.raises(PlaceUnusable, match=r"\.part: cannot be written: File too large"):
            pull(tmp_path, server.url)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (tmp_path / PART).read_bytes() == GRAPH[:3000]
    assert pull(tmp_path, server.url).read_graph() == GRAPH
    assert server.ranges[1] == ("bytes=3000-", '"v1"')


def test_a_place_that_cannot_be_written_is_said_before_the_download(tmp_path, server):
    (tmp_path / "file").write_text("")
    with pytest.raises(PlaceUnusable, match=r"file/models: cannot be written: Not a directory; choose another"):
        pull(tmp_path / "file" / "models", server.url)
    assert server.asked == []


def test_no_server_is_said_at_once_with_the_address(tmp_path):
    with serving() as gone:
        url = gone.url
    waits = []
    with pytest.raises(DownloadFailed, match=f"{url}: the connection was refused"):
        pull(tmp_path, url, waits=waits)
    assert waits == []


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("http://models.example/a.onnx", "plain http can be read and changed on its way"),
        ("http://me:secret@models.example/a.onnx", r"http://\*\*\*@models.example/a.onnx: plain http"),
        ("ftp://models.example/a.onnx", "expected an https address, not ftp"),
        ("file:///etc/passwd", "is no address"),
        ("https://", "is no address"),
        ("https://host:port/a.onnx", "is no address"),
        ("https://[::1/a.onnx", "is no address"),
    ],
)
def test_only_addresses_that_can_be_trusted_are_opened(address, said):
    with pytest.raises(ConfigError, match=said):
        Address(address)


def test_a_proxy_of_the_environment_is_used_except_for_this_machine(tmp_path, server, monkeypatch):
    for name in ("all_proxy", "no_proxy", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", f"http://me:secret@127.0.0.1:{server.port}")
    with serving() as direct:
        pull(tmp_path / "direct", direct.url)
        assert len(direct.asked) == 1
    assert server.asked == []
    url = "http://models.example/tiny.onnx"
    assert pull(tmp_path / "proxied", url, allow_http=True).read_graph() == GRAPH
    assert server.asked[0].path == url
    server.answers = [status(500)]
    monkeypatch.setenv("http_proxy", "http://me:secret@127.0.0.1:1")
    with pytest.raises(DownloadFailed, match=r"refused \(by way of the proxy http://\*\*\*@127\.0\.0\.1:1\)"):
        pull(tmp_path / "none", url, allow_http=True)


def test_an_address_with_a_space_is_no_address_to_ask_for(tmp_path, server):
    with pytest.raises(DownloadFailed, match="is no address that can be asked for"):
        pull(tmp_path, server.url + " copy")
