"""The scene head learns turmoil from clips that we drew, is exported with proof, and runs as a folder."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from streamer.errors import ArtifactError

pytestmark = pytest.mark.needs("torch")
torch = pytest.importorskip("torch")

from export.parity import ParityError  # noqa: E402
from models.behaviour.committee import Committee  # noqa: E402
from models.behaviour.export_step import check_step_parity, export_step  # noqa: E402
from models.behaviour.roc import area_under_roc  # noqa: E402
from models.behaviour.scene_clips import Clip, read_rows  # noqa: E402
from models.behaviour.scene_evaluate import Judged, figures_of, judge, open_scene_head  # noqa: E402
from models.behaviour.scene_publish import draw, manifest_of, proof_of  # noqa: E402
from models.behaviour.scene_scores import at_the_end, highest, highest_for  # noqa: E402
from models.behaviour.scene_train import Plan, folds_of, new_member, speak, train, train_member  # noqa: E402
from streamer.behaviour.scene_features import SCENE_FEATURES, SCENE_MOTION  # noqa: E402
from streamer.model_folder import write_model_folder  # noqa: E402

QUICK = replace(Plan(), members=2, epochs=25, batch=16, hidden=8, foresight=6)
TELLS = SCENE_MOTION.index("turmoil_share_coarse")


def drawn_clips(seed: int, clips: int, steps: int = 10) -> list[Clip]:
    """Clips of ten sources; in fights one motion cue runs high, with as much noise again, and the rest says nothing."""
    random = np.random.default_rng(seed)
    told = []
    for n in range(clips):
        fights = bool(n % 2)
        features = random.normal(0, 1, (2, steps, len(SCENE_FEATURES))).astype(np.float32)
        features[:, :, TELLS] += 1.5 * fights
        features[:, :, len(SCENE_MOTION)] = 1.0
        told.append(Clip(f"{n}.mp4", fights, f"source {n % 10}", "train" if n % 10 < 7 else "val", tuple(features)))
    return told


@pytest.fixture(scope="module")
def clips() -> list[Clip]:
    return drawn_clips(1, 120)


@pytest.fixture(scope="module")
def net(clips, tmp_path_factory) -> Committee:
    return train(QUICK, clips, tmp_path_factory.mktemp("work"))


@pytest.fixture(scope="module")
def folder(clips, net, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("zoo") / "brawl"
    learnt = [clip for clip in clips if clip.split == "train"]
    graph, parity = export_step(net, proof_of(learnt))
    write_model_folder(manifest_of(net, graph, parity, QUICK, learnt, "0" * 64), graph, folder)
    return folder


def test_it_learns_what_tells_a_fight_and_the_folder_says_so_of_clips_it_never_saw(folder):
    strangers = drawn_clips(2, 60)
    told, _ = judge(open_scene_head(folder), [clip.readings[0] for clip in strangers])
    fights = np.array([clip.fights for clip in strangers])
    assert area_under_roc(np.array([at_the_end(each) for each in told]), fights) > 0.95


def test_the_graph_says_what_the_nets_say_step_by_step(folder, net, clips):
    readings = [clip.readings[0] for clip in clips[:6]]
    told, _ = judge(open_scene_head(folder), readings)
    members = [speak(member, readings) for member in net.members]
    for n, found in enumerate(told):
        np.testing.assert_allclose(found, np.mean([each[n] for each in members], axis=0), atol=1e-4)


def test_what_changes_from_one_moment_to_the_next_surprises_more_than_what_stays(folder, clips):
    usual = np.mean(np.concatenate([each for clip in clips for each in clip.readings]), axis=0)
    steady = np.repeat(usual[None], 20, axis=0).astype(np.float32)
    wild = steady + np.random.default_rng(5).normal(0, 4, steady.shape).astype(np.float32)
    _, surprises = judge(open_scene_head(folder), [steady, wild])
    assert surprises[1] > surprises[0] + 0.5


def test_without_embeddings_it_still_tells(folder):
    strangers = drawn_clips(3, 60)
    readings = [clip.readings[0].copy() for clip in strangers]
    for each in readings:
        each[:, len(SCENE_MOTION) :] = 0.0
    told, _ = judge(open_scene_head(folder), readings)
    fights = np.array([clip.fights for clip in strangers])
    assert area_under_roc(np.array([at_the_end(each) for each in told]), fights) > 0.9


def test_an_interrupted_training_ends_where_an_unbroken_one_does(clips, net, tmp_path):
    train(QUICK, clips, tmp_path)
    stored = torch.load(tmp_path / "scene_checkpoint.pt", weights_only=True)
    del stored["members"][1:]
    torch.save(stored, tmp_path / "scene_checkpoint.pt")
    again = train(QUICK, clips, tmp_path)
    for name, value in net.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value, rtol=0, atol=0)


def test_a_checkpoint_of_another_plan_is_not_gone_on_from(clips, tmp_path):
    short = replace(QUICK, members=1, epochs=1)
    train(short, clips, tmp_path)
    other = train(replace(short, seed=99), clips, tmp_path)
    expected = train_member(replace(short, seed=99), [clip for clip in clips if clip.split == "train"], 0, True)
    for name, value in expected.state_dict().items():
        torch.testing.assert_close(other.members[0].state_dict()[name], value, rtol=0, atol=0)


def test_a_graph_of_other_weights_fails_the_proof(clips, net):
    learnt = [clip for clip in clips if clip.split == "train"]
    graph, _ = export_step(net, proof_of(learnt))
    other = Committee([new_member(QUICK, learnt, number).eval() for number in (8, 9)]).eval()
    with pytest.raises(ParityError, match="differs by"):
        check_step_parity(other, graph, proof_of(learnt))


def test_no_source_is_in_two_folds(clips):
    folds = folds_of(clips, seed=3)
    by_source = {
        clip.source: {int(f) for c, f in zip(clips, folds, strict=True) if c.source == clip.source} for clip in clips
    }
    assert all(len(each) == 1 for each in by_source.values())
    assert len(set(folds.tolist())) > 1


def test_readers_of_a_clip_are_what_they_say():
    probs = np.array([0.1, 0.9, 0.2, 0.4, 0.3])
    assert highest(probs) == 0.9
    assert at_the_end(probs) == pytest.approx(0.3)
    assert highest_for(3)(probs) == pytest.approx(0.5)
    assert at_the_end(np.zeros(0)) == highest(np.zeros(0)) == highest_for(3)(np.zeros(0)) == 0.0


def test_figures_count_what_was_found_and_are_json(tmp_path):
    fights = np.array([True, True, True, False, False])
    scores = np.array([0.9, 0.6, 0.2, 0.7, 0.1])
    judged = Judged(tuple("abcde"), tuple("xxyyz"), fights, scores, np.array([1.0, np.nan, 3.0, 0.0, 2.0]))
    found = json.loads(json.dumps(figures_of(judged)))
    assert (found["fights_found"], found["false_fights"], found["fight_sources"]) == (2, 1, 3)
    assert found["fight_accuracy"] == 0.6
    assert found["fight_auc"] == pytest.approx(4 / 6, abs=1e-4)
    assert found["fight_surprise_auc"] == pytest.approx(3 / 4)
    draw(scores, fights, tmp_path)
    assert all((tmp_path / name).stat().st_size > 1000 for name in ("roc.png", "reliability.png"))


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (
            {"file": "a.mp4", "label": "quarrel", "source": "x", "split": "val"},
            "line 2: label must be 'fight' or 'noFight'",
        ),
        ({"file": "gone.mp4", "label": "fight", "source": "x", "split": "val"}, "gone.mp4 is not there"),
        ({"file": "a.mp4", "label": "fight", "source": "", "split": "val"}, "line 2: has no source"),
    ],
)
def test_a_wrong_line_of_clips_csv_is_named(tmp_path, row, words):
    (tmp_path / "a.mp4").touch()
    with (tmp_path / "clips.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(row))
        writer.writeheader()
        writer.writerow(row)
    with pytest.raises(ArtifactError, match=words):
        read_rows(tmp_path)
