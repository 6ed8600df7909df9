"""The track head, offline: what it is taught from CAVIAR-like folders, its net, its proof, its figures."""

from __future__ import annotations

import contextlib
import csv
import gzip
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.behaviour.features import FEATURES, STEP_S
from streamer.behaviour.motion import PREDICTED
from streamer.errors import ArtifactError
from streamer.model_folder import write_model_folder

with contextlib.suppress(ImportError):  # the marker says so
    import torch

    from export.parity import ParityError
    from models.behaviour.caviar_tracks import (
        BEHAVIOURS,
        CONTEXTS,
        MOVEMENTS,
        UNKNOWN,
        Steps,
        labellings,
        split_of,
        steps_of,
    )
    from models.behaviour.committee import Committee
    from models.behaviour.disturb import disturbed
    from models.behaviour.evaluate import main as evaluate
    from models.behaviour.export_step import STEPS, check_step_parity, export_step, step_graph
    from models.behaviour.pictures import reliability
    from models.behaviour.roc import area_under_roc, roc
    from models.behaviour.step_book import gather
    from models.behaviour.step_net import StepNet, sequence
    from models.behaviour.track_publish import manifest_of, proof_of
    from models.behaviour.track_train import (
        CHECKPOINT,
        HEADS,
        Plan,
        Trainer,
        batch_of,
        cross_validate,
        ordinary,
        speak,
    )
    from models.behaviour.windows import Spoken, confusion_of, f1_of, score_windows

pytestmark = pytest.mark.needs("torch")

OBJECT = ("sequence", "gt_file", "frame", "track_id", "x1", "y1", "w", "h", "movement", "role", "context", "situation")


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def tiny_plan(**other: float) -> Plan:
    return replace(Plan(epochs=3, batch=4, hidden=8, memory=4, foresight=4, variants=1), **other)


def tiny_net(seed: int = 0, **sizes: int) -> StepNet:
    torch.manual_seed(seed)
    net = StepNet(5, 3, {"probs": 4, "context": 2}, hidden=6, memory=4, foresight=3, **sizes)
    with torch.no_grad():
        net.mean.copy_(torch.randn(5))
        net.scale.copy_(torch.rand(5) + 0.5)
    return net.eval()


def row(sequence: str, frame: int, track: int, x: float, movement: str, context: str, situation: str, **other) -> dict:
    told = dict(zip(OBJECT, (sequence, "gt1", frame, track, x, 50, 20, 40, movement, "walker", context, situation),
                    strict=True))  # fmt: skip
    return told | other


def folder_of(place: Path, objects: list[dict], groups: list[dict], split: dict) -> Path:
    """A drawn folder laid out like CAVIAR's."""
    place.mkdir(parents=True, exist_ok=True)
    for name, rows in (("objects", objects), ("groups", groups)):
        with gzip.open(place / f"{name}.csv.gz", "wt", encoding="utf-8", newline="") as text:
            names = ("group_id" if name == "groups" and each == "track_id" else each for each in OBJECT)
            writer = csv.DictWriter(text, tuple(names), extrasaction="ignore")
            writer.writeheader()
            writer.writerows(rows)
    (place / "split.json").write_text(json.dumps(split), encoding="utf-8")
    return place


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    """Two clips: someone walks, someone stands, someone runs in the second half, someone falls."""
    objects = []
    for clip in ("A", "B"):
        for frame in range(200):
            late = frame >= 100
            objects += [
                row(clip, frame, 0, 10 + 0.8 * frame, "walking", "walking", "moving"),
                row(clip, frame, 1, 200, "inactive", "immobile", "inactive"),
                row(clip, frame, 2, 10 + frame + 3 * max(0, frame - 100), "running" if late else "walking",
                    "walking", "moving"),
                row(clip, frame, 3, 300, "inactive" if late else "walking", "drop down",
                    "inactive" if late else "moving", w=20 + 20 * late, h=40 - 25 * late),
            ]  # fmt: skip
    return folder_of(tmp_path / "drawn", objects, [], {"train": ["A", "B"], "val": ["B"]})


# --- the net


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 12))
def test_all_steps_at_once_say_what_carried_steps_say(seed: int, steps: int) -> None:
    net, x = tiny_net(seed), torch.randn(3, steps, 5, generator=torch.Generator().manual_seed(seed)) * 3
    at_once, state = sequence(net, x), net.fresh(3)
    with torch.no_grad():
        for at in range(steps):
            outputs, state = net.step(x[:, at], state)
            for name, each in outputs.items():
                assert torch.allclose(each, at_once[name][:, at], atol=1e-5), name


def test_attention_is_shared_among_the_steps_that_exist() -> None:
    net, state = tiny_net(), tiny_net().fresh(2)
    for step in range(1, 8):
        outputs, state = net.step(torch.randn(2, 5), state)
        exists = min(step, net.memory)
        assert outputs["attention"].detach().sum(1) == pytest.approx(1.0, abs=1e-6)
        assert (outputs["attention"][:, : net.memory - exists] == 0).all()


def test_a_row_does_not_depend_on_its_company() -> None:
    net, x, state = tiny_net(), torch.randn(4, 5), torch.randn(4, tiny_net().state_width)
    state[:, -net.memory :] = 1
    together, alone = net(x, state), net(x[2:3], state[2:3])
    for a, b in zip(together, alone, strict=True):
        assert torch.allclose(a[2:3], b, atol=1e-6)


# --- the proof of the export


def test_the_graph_says_what_the_net_says_over_200_carried_steps() -> None:
    features = np.random.default_rng(0).normal(0, 2, (STEPS, 3, 5)).astype(np.float32)
    net = tiny_net()
    graph, parity = export_step(net, features)
    assert parity.steps == STEPS
    assert set(parity.largest_difference) == set(net.output_names)
    with pytest.raises(ParityError, match="differs by"):
        check_step_parity(tiny_net(seed=1), graph, features)
    with pytest.raises(ParityError, match="200 carried steps"):
        check_step_parity(net, graph, features[:10])


def test_a_committee_says_what_its_members_say_on_average_through_its_graph_too() -> None:
    features = np.random.default_rng(0).normal(0, 2, (STEPS, 3, 5)).astype(np.float32)
    members = [tiny_net(seed) for seed in (0, 1, 2)]
    for other in members[1:]:
        other.mean.copy_(members[0].mean)
        other.scale.copy_(members[0].scale)
    committee = Committee(members).eval()
    _, parity = export_step(committee, features)
    assert parity.largest_difference["probs"] < 1e-4
    apart, states = [net.fresh(3) for net in members], committee.fresh(3)
    for x in torch.from_numpy(features[:20]):
        with torch.no_grad():
            *told, states = committee(x, states)
            each = [net(x, state) for net, state in zip(members, apart, strict=True)]
        apart = [one[-1] for one in each]
    names = committee.output_names
    for name in ("probs", "context", "attention"):
        mean = torch.stack([one[names.index(name)] for one in each]).mean(0)
        assert torch.allclose(told[names.index(name)], mean, atol=1e-6), name
    for name in ("prediction", "spread"):
        assert torch.equal(told[names.index(name)], each[0][names.index(name)]), name


def test_a_graph_of_other_outputs_is_refused() -> None:
    torch.manual_seed(0)
    other = StepNet(5, 3, {"probs": 4}, hidden=6, memory=4, foresight=3)
    features = np.zeros((STEPS, 2, 5), np.float32)
    with pytest.raises(ParityError, match="outputs: expected"):
        check_step_parity(tiny_net(), step_graph(other), features)


# --- labels


def test_behaviour_follows_from_movement_context_situation_and_fighting_groups(tmp_path: Path) -> None:
    said = [
        ("walking", "drop down", "moving", "walking"),
        ("inactive", "drop down", "inactive", "fallen"),
        ("active", "drop down", "inactive", "fallen"),
        ("running", "walking", "moving", "running"),
        ("inactive", "browsing", "browsing", "browsing"),
        ("walking", "browsing", "moving", "walking"),
        ("active", "immobile", "inactive", "active"),
        ("inactive", "immobile", "inactive", "standing"),
        ("none", "none", "none", None),
    ]
    objects = [row("A", n, 0, 50, *labels[:3]) for n, labels in enumerate(said)]
    objects += [row("A", n, 1, 150, "active", "immobile", "inactive") for n in range(3)]
    objects += [row("A", n, 2, 250, "active", "immobile", "inactive") for n in range(3)]
    groups = [
        row("A", 0, 0, 145, "movement", "fighting", "joining", w=40),
        row("A", 1, 0, 145, "active", "fighting", "fighting", w=40),
        row("A", 2, 0, 145, "active", "meeting", "interacting", w=40),
    ]
    for each in groups:
        each["group_id"] = each["track_id"]
    folder = folder_of(tmp_path / "set", objects, groups, {"train": ["A"]})
    [found] = labellings(folder, split_of(folder, "train"))
    first, inside, outside = found.tracks
    told = [BEHAVIOURS[label] if label != UNKNOWN else None for label in first.behaviour]
    assert told == [labels[3] for labels in said]
    assert [MOVEMENTS[label] for label in first.movement[:-1]] == [labels[0] for labels in said[:-1]]
    assert [CONTEXTS[label] for label in first.context[:-1]] == [labels[1] for labels in said[:-1]]
    assert [BEHAVIOURS[label] for label in inside.behaviour] == ["active", "fighting", "active"]
    assert {BEHAVIOURS[label] for label in outside.behaviour} == {"active"}


def test_of_several_labellings_the_fullest_counts(tmp_path: Path) -> None:
    objects = [row("A", n, 0, 50, "walking", "walking", "moving") for n in range(5)]
    objects += [row("A", n, 0, 50, "walking", "walking", "moving", gt_file="gt2") for n in range(6)]
    folder = folder_of(tmp_path / "set", objects, [], {"train": ["A"]})
    assert {each.name: each.fullest for each in labellings(folder, ("A",))} == {"gt1": False, "gt2": True}


def test_a_folder_that_is_not_laid_out_like_that_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"split\.json"):
        split_of(tmp_path, "val")
    (tmp_path / "split.json").write_text('{"val": ["A"]}', encoding="utf-8")
    with pytest.raises(ArtifactError, match="no split 'train'"):
        split_of(tmp_path, "train")
    with pytest.raises(ArtifactError, match="not the CAVIAR set"):
        labellings(tmp_path, ("A",))
    folder = folder_of(tmp_path / "empty", [], [], {"val": ["A"]})
    with pytest.raises(ArtifactError, match="no boxes of 'A'"):
        labellings(folder, ("A",))


def test_steps_carry_the_labels_of_their_moment(drawn: Path) -> None:
    [labelling] = labellings(drawn, ("A",))
    runner = next(each for each in steps_of(labelling) if each.track_id == 2)
    assert np.allclose(np.diff(runner.at_s), STEP_S)
    assert [MOVEMENTS[label] for label in runner.movement] == ["walking"] * 20 + ["running"] * 20
    half_as_fast = next(each for each in steps_of(labelling, speed=0.5) if each.track_id == 2)
    assert len(half_as_fast.at_s) == pytest.approx(2 * len(runner.at_s), abs=1)
    speed = FEATURES.index("speed_1")
    assert half_as_fast.features[30, speed] == pytest.approx(runner.features[15, speed] / 2, rel=1e-3)


def test_disturbed_tracks_keep_their_labels_and_most_of_their_boxes(drawn: Path) -> None:
    [labelling] = labellings(drawn, ("A",))
    for seed in range(12):
        seen, speed = disturbed(labelling, np.random.default_rng(seed))
        assert 0.8 <= speed <= 1.25
        for mine, true in zip(seen, labelling.tracks, strict=True):
            at = np.searchsorted(true.frames, mine.frames)
            assert (true.frames[at] == mine.frames).all()
            assert (true.behaviour[at] == mine.behaviour).all()
            sides = true.boxes_xyxy[at, 2:] - true.boxes_xyxy[at, :2]
            off = np.abs(mine.boxes_xyxy - true.boxes_xyxy[at]) / np.tile(sides, 2)
            assert off.max(initial=0) <= 0.25


# --- training


def test_an_interrupted_training_ends_where_the_unbroken_one_does(drawn: Path, tmp_path: Path) -> None:
    book = gather(drawn, ("A",), 1, 0, tmp_path / "steps.npz", lambda _: None)
    unbroken, broken = Trainer(tiny_plan(), book), Trainer(tiny_plan(), book)
    broken.learn_an_epoch()
    broken.save(tmp_path / CHECKPOINT)
    resumed = Trainer(tiny_plan(), gather(drawn, ("A",), 1, 0, tmp_path / "steps.npz", lambda _: None))
    resumed.resume(tmp_path / CHECKPOINT)
    for _ in range(tiny_plan().epochs):
        unbroken.learn_an_epoch()
    while resumed.epoch < tiny_plan().epochs:
        resumed.learn_an_epoch()
    for a, b in zip(unbroken.averaged.state_dict().values(), resumed.averaged.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    with pytest.raises(ValueError, match="another plan"):
        Trainer(tiny_plan(seed=1), book).resume(tmp_path / CHECKPOINT)


def test_the_foreseer_learns_from_ordinary_steps_alone(drawn: Path) -> None:
    """What is unusual may be anything at all: the foreseer comes out the same."""
    [labelling] = labellings(drawn, ("A",))
    steps = [each for each in steps_of(labelling) if each.track_id == 2]
    [runner] = steps
    assert ordinary(runner).tolist() == [True] * 15 + [False] * 25

    def changed(steps: Steps) -> Steps:
        features = steps.features.copy()
        features[21:] = 7.0
        return replace(steps, features=features)

    batches = [batch_of([each]) for each in (runner, changed(runner))]
    nets = []
    for batch in batches:
        torch.manual_seed(0)
        trainer = Trainer(tiny_plan(noise=0.0, blinded=0.0, dropout=0.0), [[runner]])
        trainer.net.zero_grad()
        trainer._losses(batch)["foreseen"].backward()
        nets.append([each.grad.clone() for each in trainer.net.foreseer.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*nets, strict=True))
    assert any(each.abs().max() > 0 for each in nets[0])


def test_foreseeing_teaches_the_classes_nothing_and_the_other_way_round(drawn: Path) -> None:
    [labelling] = labellings(drawn, ("A",))
    trainer = Trainer(tiny_plan(), [steps_of(labelling)])
    losses = trainer._losses(batch_of(steps_of(labelling)))
    losses["foreseen"].backward(retain_graph=True)
    foreseers = {id(each) for each in trainer.net.foreseer.parameters()}
    others = [each for each in trainer.net.parameters() if id(each) not in foreseers]
    assert all(each.grad is None or not each.grad.any() for each in others)
    trainer.net.zero_grad()
    (losses["probs"] + losses["movement"] + losses["context"]).backward()
    assert all(each.grad is None or not each.grad.any() for each in trainer.net.foreseer.parameters())


def test_it_learns_drawn_behaviour_and_is_surprised_by_what_it_was_not_shown(drawn: Path, tmp_path: Path) -> None:
    book = gather(drawn, ("A", "B"), 1, 0, tmp_path / "steps.npz", lambda _: None)
    plan = tiny_plan(epochs=40, hidden=16, blinded=0.1)
    trainer = Trainer(plan, book)
    for _ in range(plan.epochs):
        trainer.learn_an_epoch()
    scores = score_windows(speak(trainer.averaged, book[0]))
    assert scores.macro_f1["movement"] > 0.8
    assert scores.anomaly_auc_of["running"] > 0.8


def test_cross_validation_scores_every_clip_once(drawn: Path, tmp_path: Path) -> None:
    book = gather(drawn, ("A", "B"), 0, 0, tmp_path / "steps.npz", lambda _: None)
    scores = cross_validate(tiny_plan(epochs=1), book, ("A", "B"), lambda _: None)
    assert scores.windows == sum(len(each.at_s) // 5 for each in book[0])


# --- figures


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2, max_size=40))
def test_the_area_under_roc_is_the_share_of_pairs_in_order(cases: list[tuple[int, bool]]) -> None:
    scores, positive = np.array([float(s) for s, _ in cases]), np.array([p for _, p in cases])
    pairs = [(a > b) + 0.5 * (a == b) for a in scores[positive] for b in scores[~positive]]
    area = area_under_roc(scores, positive)
    assert area == pytest.approx(float(np.mean(pairs)) if pairs else float("nan"), nan_ok=True)
    if pairs:
        points = roc(scores, positive)
        assert np.trapezoid(points[:, 1], points[:, 0]) == pytest.approx(area)


def test_f1_of_a_confusion_counted_by_hand() -> None:
    table = confusion_of(np.array([0, 0, 0, 1, 1]), np.array([0, 0, 1, 1, 2]), 3)
    assert table.tolist() == [[2, 1, 0], [0, 1, 1], [0, 0, 0]]
    assert f1_of(table)[:2] == pytest.approx([2 * 2 / (3 + 2), 2 * 1 / (2 + 2)])
    assert np.isnan(f1_of(table)[2])


def test_a_window_is_five_steps_under_their_most_frequent_label_and_judged_by_the_last_word() -> None:
    steps = 13
    labels = np.array([0, 0, 1, 1, 1, 0, 2, 2, 2, 2, 3, 3, 3])
    track = Steps("A", 1, 1.0, True, np.arange(steps) * STEP_S, np.zeros((steps, 3), np.float32), labels, labels,
                  labels)  # fmt: skip
    probs = {name: np.eye(classes, dtype=np.float32)[labels] for name, classes in HEADS.items()}
    zeros = np.zeros((steps, 3), np.float32)
    scores = score_windows([Spoken.of(track, probs, zeros, zeros)])
    assert scores.windows == 2
    assert scores.accuracy == {"movement": 1.0, "context": 1.0, "probs": 1.0}
    early = {name: np.eye(classes, dtype=np.float32)[np.roll(labels, -1)] for name, classes in HEADS.items()}
    assert score_windows([Spoken.of(track, early, zeros, zeros)]).accuracy["movement"] == 0.0


def test_reliability_of_one_who_is_always_sure_and_right_half_of_the_time() -> None:
    probs = np.tile(np.array([[0.95, 0.05]], np.float32), (10, 1))
    [[sure, right, count]] = reliability(probs, np.array([0, 1] * 5))
    assert (sure, right, count) == (pytest.approx(0.95), 0.5, 10)


def test_the_command_evaluates_any_such_folder(drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    book = gather(drawn, ("A",), 0, 0, tmp_path / "steps.npz", lambda _: None)
    longer = [replace(each, at_s=np.arange(400), features=np.tile(each.features, (10, 1))) for each in book[0]]
    trainer = Trainer(tiny_plan(), book)
    graph, parity = export_step(trainer.averaged, proof_of(longer))
    head = tmp_path / "head"
    write_model_folder(manifest_of(trainer.averaged, graph, parity, tiny_plan(), book[0]), graph, head)
    out = tmp_path / "out.json"
    arguments = ["--caviar", str(drawn), "--head", str(head), "--json", str(out), "--pictures", str(tmp_path / "p")]
    assert evaluate(arguments) == 0
    told = json.loads(out.read_text(encoding="utf-8"))
    assert told["windows"] == 4 * 8
    for name in ("context_macro_f1", "movement_macro_f1", "anomaly_auc"):
        assert 0 <= told[name] <= 1
    assert sorted(each.name for each in (tmp_path / "p").iterdir()) == ["confusion.png", "reliability.png", "roc.png"]
    # The same as torch says: what is measured is what was trained.
    [labelling] = labellings(drawn, ("B",))
    expected = score_windows(speak(trainer.averaged, steps_of(labelling))).as_json()
    assert told["movement_confusion"] == expected["movement_confusion"]
    assert told["anomaly_auc"] == pytest.approx(expected["anomaly_auc"], abs=1e-3)
    assert evaluate(["--caviar", str(drawn), "--head", str(tmp_path)]) == 3
    assert "expected a behaviour head" in capsys.readouterr().err
    assert len(PREDICTED) == len(trainer.net.foreseer.mean.bias)
