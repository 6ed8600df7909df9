"""The catalogue as it is shipped, and how a model is found by its name."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from streamer.catalogue import entry_named, read_catalogue
from streamer.errors import ArtifactError, ConfigError
from streamer.zoo import BUNDLED, bundled_model, find_model, pulled_folder, zoo_folder
from tests.behaviour_heads import write_tiny_head
from tests.models_command import run
from tests.onnx_models import write_tiny

# Licences under which weights may be used in a product without giving anything of it away.
PERMISSIVE = {"Apache-2.0", "BSD-3-Clause", "MIT"}


def test_every_entry_may_be_used_in_a_product_and_names_its_licence():
    for entry in read_catalogue().values():
        assert entry.licence in PERMISSIVE, entry.name
        assert entry.licence_address.startswith("https://"), entry.name
        assert "ultralytics" not in entry.model_dump_json().lower(), entry.name


def test_no_two_entries_are_the_same_file():
    entries = list(read_catalogue().values())
    for what in ("name", "address", "sha256"):
        assert len({getattr(entry, what) for entry in entries}) == len(entries), what


def test_the_yolox_family_is_there():
    names = set(read_catalogue())
    assert {f"yolox-{size}" for size in ("nano", "tiny", "s", "m", "l", "x")} <= names


def test_addresses_that_can_be_changed_by_their_owner_are_the_ones_whose_file_we_hold():
    """A release or a full commit stays what it is; a branch does not, and only its hash says which file was meant."""
    for entry in read_catalogue().values():
        fixed = re.search(r"/releases/download/|/[0-9a-f]{40}/", entry.address)
        assert fixed or entry.sha256_from == "file", entry.name


@pytest.mark.needs("shared")
@pytest.mark.parametrize(
    ("name", "file"),
    [("yolox-nano", "yolox_nano/yolox_nano.onnx"), ("fastestdet", "fastestdet/FastestDet.onnx")],
)
def test_the_files_that_we_hold_have_the_hash_and_size_of_their_entry(shared, name, file):
    content = (shared / "data" / "models" / file).read_bytes()
    entry = entry_named(name)
    assert entry.sha256_from == "file"
    assert (len(content), hashlib.sha256(content).hexdigest()) == (entry.size_bytes, entry.sha256)
    assert entry.file_name == Path(file).name


@pytest.mark.needs("shared")
def test_every_entry_whose_file_we_hold_is_proved_by_it():
    held = {entry.name for entry in read_catalogue().values() if entry.sha256_from == "file"}
    assert held == {"yolox-nano", "fastestdet"}


@pytest.mark.parametrize(
    ("asked", "meant"),
    [("yolox_nano", "yolox-nano"), ("YOLOX-S", "yolox-s"), ("dfine-n", "d-fine-n"), ("resnet", None)],
)
def test_a_name_that_nothing_has_is_met_with_the_nearest_one(asked, meant):
    with pytest.raises(ConfigError, match=re.escape(f"the catalogue has no model '{asked}': ")) as caught:
        entry_named(asked)
    assert ("did you mean" in str(caught.value)) == bool(meant)
    assert f"did you mean {meant}?" in str(caught.value) or not meant


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"STREAMER_MODELS": "/srv/models", "XDG_DATA_HOME": "/data", "HOME": "/home/me"}, "/srv/models"),
        ({"XDG_DATA_HOME": "/data", "HOME": "/home/me"}, "/data/streamer/models"),
        ({"XDG_DATA_HOME": "relative", "HOME": "/home/me"}, "/home/me/.local/share/streamer/models"),
        ({"STREAMER_MODELS": "", "XDG_DATA_HOME": "", "HOME": "/home/me"}, "/home/me/.local/share/streamer/models"),
    ],
)
def test_where_pulled_models_lie(environment, folder):
    assert pulled_folder(environment) == Path(folder)


def test_a_model_is_found_by_path_or_by_the_name_of_a_bundled_or_pulled_one(tmp_path, monkeypatch):
    here = {"STREAMER_MODELS": str(tmp_path / "pulled")}
    pulled = write_tiny(tmp_path / "pulled" / "tiny").folder
    monkeypatch.chdir(tmp_path)
    assert find_model(Path("tiny"), here) == pulled
    assert find_model(Path(BUNDLED), here) == bundled_model()
    assert find_model(pulled, here) == pulled
    (tmp_path / "tiny").mkdir()
    assert find_model(Path("tiny"), here) == Path("tiny")  # a folder is never hidden by a name


def test_a_path_that_is_no_name_is_left_to_whoever_opens_it(tmp_path):
    here = {"STREAMER_MODELS": str(tmp_path)}
    for path in (Path("no/such/folder"), tmp_path / "none", Path("..", "none")):
        assert find_model(path, here) == path


def test_a_name_that_no_model_has_is_met_with_those_that_are_here(tmp_path):
    write_tiny(tmp_path / "tiny")
    (tmp_path / ".tiny-0123.part").write_text("")
    there = rf"brawl, gait, {BUNDLED}, {BUNDLED}-int8, tiny"
    with pytest.raises(ArtifactError, match=rf"^nothing: .* \(there are: {there}\)\. `streamer models list`"):
        find_model(Path("nothing"), {"STREAMER_MODELS": str(tmp_path)})


@pytest.mark.parametrize(
    ("kind", "there"),
    [
        ("detector", f"{BUNDLED}, {BUNDLED}-int8, tiny"),
        ("track head", "gait, stroll"),
        ("scene head", "brawl"),
    ],
)
def test_where_one_kind_is_wanted_only_that_kind_is_offered(tmp_path, kind, there):
    write_tiny(tmp_path / "tiny")
    write_tiny_head(tmp_path / "stroll")
    (tmp_path / "broken").mkdir()
    with pytest.raises(ArtifactError, match=rf"^nothing: .* no {kind} of that name .* \(there are: {there}\)\. "):
        find_model(Path("nothing"), {"STREAMER_MODELS": str(tmp_path)}, kind=kind)


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("stroll", "detector", "stroll is a track head, not a detector: name it under behaviour.track"),
        ("stroll", "scene head", "stroll is a track head, not a scene head: name it under behaviour.track"),
        ("tiny", "track head", "tiny is a detector, not a track head: name it under model.path"),
        ("brawl", "track head", "brawl is a scene head, not a track head: name it under behaviour.scene"),
    ],
)
def test_a_model_of_another_kind_is_refused_by_name_and_by_path(tmp_path, name, kind, said):
    here = {"STREAMER_MODELS": str(tmp_path)}
    write_tiny(tmp_path / "tiny")
    write_tiny_head(tmp_path / "stroll")
    for wanted in (Path(name), find_model(Path(name), here)):
        with pytest.raises(ArtifactError, match=f"^{re.escape(said)}$"):
            find_model(wanted, here, kind=kind)


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """Where pulled models lie for the test."""
    monkeypatch.setenv("STREAMER_MODELS", str(tmp_path / "home"))
    return tmp_path / "home"


def test_list_tells_bundled_pulled_and_not_pulled_apart(home, capsys):
    code, out, _ = run(capsys, "list")
    assert code == 0
    bundled, pulled, others = re.split(r"^pulled, in .*$|^not pulled.*$", out, flags=re.M)
    assert BUNDLED in bundled
    assert pulled.split() == ["none"]
    assert [line.split()[0] for line in others.splitlines()[2:]] == list(read_catalogue())
    write_tiny(home / "yolox-s", name="mine")
    _, out, _ = run(capsys, "list")
    bundled, pulled, others = re.split(r"^pulled, in .*$|^not pulled.*$", out, flags=re.M)
    assert "yolox-s (mine)" in pulled
    assert "yolox-s " not in others


def test_show_tells_what_the_catalogue_knows_of_a_model_that_is_not_here(home, capsys):
    entry = entry_named("yolox-tiny")
    code, out, _ = run(capsys, "show", "yolox-tiny")
    assert code == 0
    for part in (entry.address, entry.sha256, entry.licence_address, "streamer models pull yolox-tiny", "not fetched"):
        assert part in out
    _, out, _ = run(capsys, "show", "--json", "yolox-tiny")
    assert entry.model_validate_json(out) == entry


@pytest.mark.parametrize("name", [BUNDLED, f"{BUNDLED}-int8", "gait", "brawl"])
def test_show_and_verify_take_the_name_of_a_bundled_model(home, capsys, name):
    folder = zoo_folder() / name
    code, out, _ = run(capsys, "show", name)
    assert code == 0
    assert str(folder) in out
    code, out, _ = run(capsys, "verify", name)
    assert code == 0
    assert f"{folder}: good" in out


def test_what_is_not_here_cannot_be_verified_and_what_nothing_has_is_said(home, capsys):
    code, _, err = run(capsys, "verify", "yolox-tiny")
    assert code == 3
    assert "yolox-tiny: is in the catalogue, but not here: streamer models pull yolox-tiny" in err
    for action in ("show", "verify"):
        code, _, err = run(capsys, action, "nothing")
        assert code == 3
        assert "no model of that name" in err


def test_verify_holds_a_pulled_model_to_the_catalogue_even_where_it_matches_its_own_manifest(home, capsys):
    write_tiny(home / "yolox-s", provenance={"catalogue": "yolox-s"})
    code, _, err = run(capsys, "verify", "yolox-s")
    assert code == 3
    assert f"the catalogue of this version names sha256 {entry_named('yolox-s').sha256} and the folder holds " in err
