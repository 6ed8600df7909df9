"""`streamer models pull` against a server of our own: however often it breaks, the model is whole or absent."""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.artifacts import load_artifact
from streamer.catalogue import Address, DownloadFailed, Patience, PlaceUnusable, entry_named
from streamer.commands.models.fetching import pull_from_address, pull_from_file
from streamer.commands.models.pulling import PullBar
from streamer.errors import ArtifactError
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
from tests.models_command import run
from tests.onnx_models import graph_of


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as started:
        yield started


def test_a_pulled_model_is_a_whole_folder_that_tells_where_it_came_from(tmp_path, server):
    seen = Seen()
    artifact = pull(tmp_path / "models", server.url, seen=seen)
    assert artifact == load_artifact(tmp_path / "models" / "tiny")
    assert artifact.read_graph() == GRAPH
    manifest = artifact.manifest
    assert (manifest.name, manifest.licence, manifest.layout) == ("tiny", "MIT", "yolox")
    assert len(manifest.labels) == 80
    assert manifest.provenance["address"] == "https://models.example/tiny.onnx"
    assert manifest.provenance["fetched_from"] == server.url
    assert manifest.provenance["catalogue"] == "tiny"
    assert names(tmp_path / "models") == ["tiny"]
    assert seen.sizes == sorted(seen.sizes)
    assert seen.sizes[-1] == len(GRAPH)


def test_a_broken_download_goes_on_where_it_broke(tmp_path, server):
    server.answers = [file(until=1000), file(until=5000), file()]
    seen, waits = Seen(), []
    assert pull(tmp_path, server.url, seen=seen, waits=waits).read_graph() == GRAPH
    assert server.ranges == [(None, None), ("bytes=1000-", '"v1"'), ("bytes=5000-", '"v1"')]
    assert waits == [1.0, 1.0]  # each brought something new, so the waits began anew
    assert "the connection ended after 1.0 kB" in seen.breaks[0]


def test_a_later_run_goes_on_from_what_an_earlier_one_left_even_from_a_mirror(tmp_path, server):
    server.answers = [file(until=1000), status(404)]
    with pytest.raises(DownloadFailed, match=r"answered 404.*1\.0 kB of .* are kept, and the same command goes on"):
        pull(tmp_path, server.url)
    assert names(tmp_path) == [PART, PART + ".source"]
    server.answers = [file(etag='"mirror"')]
    assert pull(tmp_path, server.url.replace("tiny", "copy")).read_graph() == GRAPH
    # The mark belongs to the other address, so it is not sent here; the hash decides.
    assert server.ranges[-1] == ("bytes=1000-", None)
    assert names(tmp_path) == ["tiny"]


def test_a_server_without_ranges_is_asked_from_the_start(tmp_path, server):
    server.answers = [file(until=4000, ranges=False), file(until=3000, ranges=False), file(ranges=False)]
    seen, waits = Seen(), []
    assert pull(tmp_path, server.url, seen=seen, waits=waits).read_graph() == GRAPH
    assert waits == [1.0, 1.0]  # after a try that got further, and after a first one that did not
    assert 0 in seen.sizes[1:]


def test_a_server_that_always_breaks_at_the_same_place_is_given_up(tmp_path, server):
    server.answers = [file(until=4000, ranges=False)]
    waits = []
    with pytest.raises(DownloadFailed, match="5 tries in a row brought nothing new"):
        pull(tmp_path, server.url, waits=waits)
    assert waits == [1.0, 1.0, 2.0, 4.0, 8.0]  # the very first try did bring something
    assert len(server.asked) == 6


def test_a_server_that_goes_away_meanwhile_is_waited_for_and_then_given_up(tmp_path):
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(serving())
        server.answers = [file(until=1000)]
        waits = []

        def goes_away(wait_s):
            waits.append(wait_s)
            stack.close()

        patience = Patience(sleep=goes_away)
        with pytest.raises(DownloadFailed, match=r"connection was refused; 5 tries .*; 1\.0 kB of 29\.1 kB are kept"):
            pull_from_address(entry_of(), tmp_path, Address(server.url), Seen(), patience)
    assert waits == [1.0, 1.0, 2.0, 4.0, 8.0]


def test_a_file_that_was_replaced_on_the_server_comes_whole(tmp_path, server):
    server.answers = [file(OTHER, etag='"old"', until=2000), file(GRAPH, etag='"new"')]
    assert pull(tmp_path, server.url).read_graph() == GRAPH
    assert server.ranges[1] == ("bytes=2000-", '"old"')


def test_a_server_that_heeds_no_if_range_is_caught_by_its_own_mark(tmp_path, server):
    def tail_of_another(handler):
        size = len(GRAPH)
        send(handler, 206, GRAPH[2000:], ETag='"new"', Content_Range=f"bytes 2000-{size - 1}/{size}")

    server.answers = [file(OTHER, etag='"old"', until=2000), tail_of_another, file(GRAPH, etag='"new"')]
    assert pull(tmp_path, server.url).read_graph() == GRAPH
    assert server.ranges[2] == (None, None)


def test_a_part_that_begins_elsewhere_is_not_pasted_on(tmp_path, server):
    def wrong_part(handler):
        size = len(GRAPH)
        send(handler, 206, GRAPH[500:], ETag='"v1"', Content_Range=f"bytes 500-{size - 1}/{size}")

    server.answers = [file(until=2000), wrong_part, status(416), file()]
    assert pull(tmp_path, server.url).read_graph() == GRAPH


@settings(max_examples=30, deadline=None)
@given(
    cuts=st.lists(st.integers(0, len(GRAPH)), max_size=6),
    ranges=st.booleans(),
    etag=st.sampled_from(['"v1"', 'W/"weak"', None]),
)
def test_however_often_it_breaks_the_model_is_whole_or_absent(tmp_path_factory, cuts, ranges, etag):
    to = tmp_path_factory.mktemp("models")
    with serving() as server:
        server.answers = [*(file(until=cut, ranges=ranges, etag=etag) for cut in cuts), file(ranges=ranges, etag=etag)]
        for _ in range(len(cuts) + 1):
            try:
                pull(to, server.url)
                break
            except DownloadFailed:
                assert "tiny" not in names(to)
    assert load_artifact(to / "tiny").read_graph() == GRAPH
    shutil.rmtree(to)


def test_a_body_shorter_than_its_length_is_a_broken_connection(tmp_path, server):
    server.answers = [file(until=100), file()]
    assert pull(tmp_path, server.url).read_graph() == GRAPH


def test_a_length_that_is_not_told_is_no_obstacle(tmp_path, server):
    server.answers = [lambda handler: send(handler, 200, GRAPH, Content_Length=None)]
    assert pull(tmp_path, server.url).read_graph() == GRAPH


def test_a_stalled_server_is_a_broken_connection(tmp_path, server):
    let_go = threading.Event()

    def stalls(handler):
        send(handler, 200, GRAPH, 1500)
        let_go.wait(30)

    server.answers = [stalls, file()]
    seen = Seen()
    try:
        assert pull(tmp_path, server.url, seen=seen, stall_s=0.5).read_graph() == GRAPH
    finally:
        let_go.set()
    assert set(seen.breaks) == {"nothing came for 0.5 s"}  # more than once where the machine itself stalls


def test_a_passing_trouble_of_the_server_is_waited_out(tmp_path, server):
    server.answers = [status(500), status(503), status(429), file()]
    waits = []
    assert pull(tmp_path, server.url, waits=waits).read_graph() == GRAPH
    assert waits == [1.0, 2.0, 4.0]


def test_redirects_are_followed_with_the_range(tmp_path, server):
    on = redirect(server.url + "?asset=1")
    server.answers = [on, file(until=1000), on, file()]
    assert pull(tmp_path, server.url).read_graph() == GRAPH
    assert server.asked[3].path.endswith("?asset=1")
    assert server.ranges[3] == ("bytes=1000-", '"v1"')


def test_what_cannot_be_adopted_leaves_no_folder_and_keeps_the_proven_file(tmp_path, server):
    with pytest.raises(ArtifactError, match="not of layout fastestdet"):
        pull(tmp_path, server.url, entry_of(layout="fastestdet"))
    assert names(tmp_path) == [PART, PART + ".source"]
    assert pull(tmp_path, server.url).read_graph() == GRAPH
    assert len(server.asked) == 1


def test_an_entry_fixes_the_size_that_its_graph_leaves_free(tmp_path, server):
    outputs = {"pred_boxes": np.full((10, 4), 0.5, np.float32), "logits": np.zeros((10, 80), np.float32)}
    shape = ("batch", 3, "height", "width")
    graph = graph_of(outputs, input_name="pixel_values", input_shape=shape, input_dtype="float32")
    server.answers = [file(graph)]
    artifact = pull(tmp_path, server.url, entry_of(graph, layout="detr", size=(96, 64)))
    assert artifact.manifest.input.shape == ("batch", 3, 64, 96)


def test_two_pulls_at_once_do_not_meet(tmp_path, server):
    halfway, go_on = threading.Event(), threading.Event()

    def slow(handler):
        send(handler, 200, GRAPH, 1000)
        handler.wfile.flush()
        halfway.set()
        go_on.wait(30)
        handler.wfile.write(GRAPH[1000:])

    server.answers = [slow]
    artifacts = []
    first = threading.Thread(target=lambda: artifacts.append(pull(tmp_path, server.url)))
    first.start()
    try:
        assert halfway.wait(30)
        with pytest.raises(PlaceUnusable, match="another process is pulling the same model"):
            pull(tmp_path, server.url)
    finally:
        go_on.set()
        first.join()
    assert artifacts[0].read_graph() == GRAPH
    assert len(server.asked) == 1
    with pytest.raises(ArtifactError, match="exists already and is not overwritten"):
        pull(tmp_path, server.url)


def test_damaged_notes_beside_the_part_do_not_matter(tmp_path, server):
    (tmp_path / PART).write_bytes(GRAPH[:700])
    (tmp_path / (PART + ".source")).write_text("{")
    assert pull(tmp_path, server.url).read_graph() == GRAPH
    assert server.ranges == [("bytes=700-", None)]


def test_a_part_longer_than_the_file_is_forgotten(tmp_path, server):
    (tmp_path / PART).write_bytes(GRAPH + b"more")
    assert pull(tmp_path, server.url).read_graph() == GRAPH
    assert server.ranges == [(None, None)]


def test_a_copy_from_elsewhere_is_proved_like_a_download(tmp_path):
    copy = tmp_path / "copy.onnx"
    copy.write_bytes(GRAPH)
    artifact = pull_from_file(entry_of(), tmp_path / "models", copy)
    assert artifact == load_artifact(tmp_path / "models" / "tiny")
    assert artifact.manifest.provenance["fetched_from"] == "a copy, copy.onnx"
    assert copy.read_bytes() == GRAPH
    copy.write_bytes(OTHER)
    with pytest.raises(ArtifactError, match=r"is not the published file of 'tiny'.*Nothing was written"):
        pull_from_file(entry_of(), tmp_path / "again", copy)
    copy.write_bytes(GRAPH[:-1])
    with pytest.raises(ArtifactError, match=f"it has {len(GRAPH) - 1} bytes, expected {len(GRAPH)}"):
        pull_from_file(entry_of(), tmp_path / "again", copy)
    with pytest.raises(ArtifactError, match=r"none\.onnx: cannot be read: No such file"):
        pull_from_file(entry_of(), tmp_path / "again", tmp_path / "none.onnx")
    with pytest.raises(ArtifactError, match=r"is a folder; name the copy of tiny\.onnx itself"):
        pull_from_file(entry_of(), tmp_path / "again", tmp_path)
    assert not (tmp_path / "again").exists()


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """Where pulled models lie for the test."""
    monkeypatch.setenv("STREAMER_MODELS", str(tmp_path / "home"))
    return tmp_path / "home"


def test_the_command_says_what_is_wrong_and_exits_by_it(server, home, capsys):
    entry = entry_named("fastestdet")
    server.answers = [status(404)]
    code, _, err = run(capsys, "pull", "fastestdet", "--from", server.url)
    assert code == 1
    assert f"streamer: {server.url}: the server answered 404" in err
    assert "A copy from elsewhere does as well: streamer models pull fastestdet --from FILE" in err
    server.answers = [file(b"\0" * entry.size_bytes)]
    code, _, err = run(capsys, "pull", "fastestdet", "--from", server.url)
    assert code == 3
    assert f"expects sha256 {entry.sha256}, the file has " in err
    code, _, err = run(capsys, "pull", "fastestdet", "--from", "http://models.example/fastestdet.onnx")
    assert code == 2
    assert "--allow-http" in err
    code, _, err = run(capsys, "pull", "fastestdett")
    assert code == 2
    assert "did you mean fastestdet?" in err
    assert names(home) == []


def test_a_broken_connection_is_told_also_where_there_is_no_terminal(capsys):
    with PullBar(entry_of()) as bar:
        bar.reached(1000)
        bar.broke("nothing came for 30 s [but 1 kB]", 2.0)
    assert capsys.readouterr().err == "nothing came for 30 s [but 1 kB]; trying again in 2 s\n"


@pytest.mark.needs("shared")
def test_yolox_nano_is_pulled_listed_shown_and_verified_by_its_name(server, home, shared, capsys):
    content = (shared / "data" / "models" / "yolox_nano" / "yolox_nano.onnx").read_bytes()
    server.answers = [file(content)]
    code, out, err = run(capsys, "verify", "yolox-nano")
    assert code == 3
    assert "streamer models pull yolox-nano" in err
    code, out, err = run(capsys, "pull", "yolox-nano", "--from", server.url)
    assert code == 0
    assert f"{home / 'yolox-nano'}: pulled" in out
    assert (out.count(server.url), err) == (1, "")
    assert names(home) == ["yolox-nano"]
    code, out, _ = run(capsys, "verify", "yolox-nano")
    assert code == 0
    assert "the published file of 'yolox-nano', Apache-2.0" in out
    code, out, _ = run(capsys, "pull", "yolox-nano", "--from", server.url)
    assert (code, len(server.asked)) == (0, 1)
    assert "is here already" in out
    code, out, _ = run(capsys, "show", "yolox-nano")
    assert str(home / "yolox-nano") in out
    code, out, _ = run(capsys, "list")
    pulled = out.partition("pulled, in ")[2].partition("not pulled")[0]
    assert "yolox-nano" in pulled
    assert "yolox-nano " not in out.partition("not pulled")[2]
