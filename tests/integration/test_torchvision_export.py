"""`python -m export torchvision` as a person runs it: folders that see what torchvision sees, or sentences."""

from __future__ import annotations

import argparse
import http.server
import json
import pickle
import socket
import threading
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from export.__main__ import main
from streamer.artifacts import load_artifact
from streamer.detect import load_detector
from streamer.detect.canvas import resize
from streamer.detect.coco import COCO_91
from streamer.model_kinds import MANIFEST_FILE
from streamer.types import Detections, Frame
from tests.fakes import StillPicture

try:
    import onnx
    import torch

    from export.torchvision.drawings import pictures
    from export.torchvision.graph import OUTPUTS, as_graph, with_min_score
    from export.torchvision.known import KNOWN
    from export.torchvision.nets import build, torchvision, with_chance_weights
    from export.torchvision.proof import prove, torchvisions
    from export.torchvision.sources import of_published
    from export.torchvision.weights import Published, WeightsUnreachable, fetch, published_for
    from streamer.errors import ArtifactError
    from streamer.sessions import OnnxSession
except ImportError:  # the marker says so
    pass

pytestmark = pytest.mark.needs("torch", "torchvision")

SSDLITE, SMALL_RCNN = "ssdlite320_mobilenet_v3_large", "fasterrcnn_mobilenet_v3_large_320_fpn"
LABELS = ("", "person", "car", "dog")
NO_NETWORK = "http://127.0.0.1:1"


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """More of them only wait for each other on nets this small."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def net():
    known = KNOWN[SSDLITE]
    return with_chance_weights(build(known, len(LABELS), known.canvas_wh), known, known.canvas_wh)


@pytest.fixture(scope="module")
def work(tmp_path_factory, net) -> Path:
    """A folder with a checkpoint, as torchvision's training script writes it, its labels, and what came of both."""
    folder = tmp_path_factory.mktemp("torchvision")
    torch.save({"model": net.state_dict(), "args": argparse.Namespace(lr=0.02), "epoch": 3}, folder / "mine.pth")
    (folder / "names.txt").write_text("person\ncar\ndog\n")
    code = main(
        ["torchvision", SSDLITE, "--checkpoint", str(folder / "mine.pth"), "--labels", str(folder / "names.txt"),
         "--out", str(folder / "made"), "--licence", "MIT", "--name", "gate-net"]
    )  # fmt: skip
    assert code == 0
    return folder


def run(capsys, *arguments) -> tuple[int, str]:
    code = main(["torchvision", *map(str, arguments)])
    return code, capsys.readouterr().err


def detect(folder: Path, image: np.ndarray) -> Detections:
    detector = load_detector(folder)
    wh = (image.shape[1], image.shape[0])
    content = resize(image, detector.input_fit.of(wh).content_wh)
    [found] = detector.detect([Frame("gate", "s", 0, content, wh, 0.0, 0.0, 0.0, StillPicture(image))])
    return found


def best_partners(of, among) -> np.ndarray:
    """For each (box, class id) the highest IoU with one of its class; both lists of (x1, y1, x2, y2, class id)."""

    def overlap(a, b) -> float:
        w = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
        h = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
        return w * h / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - w * h)

    return np.array([max((overlap(a, b) for b in among if b[4] == a[4]), default=0.0) for a in of])


def test_the_service_sees_what_torchvision_sees(work, net):
    seen = 0
    for image in pictures((640, 480), n=2, seed=3):
        found = detect(work / "made", image)
        truth = torchvisions(net, resize(image, (320, 320)), min_score=0.1)
        boxes = truth["boxes"] * np.array([2, 1.5, 2, 1.5], np.float32)
        ours = [(*box, i) for box, i in zip(found.boxes_xyxy.tolist(), found.class_ids.tolist(), strict=True)]
        theirs = [(*box, i) for box, i in zip(boxes.tolist(), truth["labels"].tolist(), strict=True)]
        assert len(ours) == len(theirs)
        shown = int(np.count_nonzero(found.scores >= 0.5))
        assert best_partners(ours[:shown], theirs).min() >= 0.99
        assert best_partners(theirs[:shown], ours).min() >= 0.99
        # Rank by rank: now and then the other one of two near-equal boxes stays.
        np.testing.assert_allclose(found.scores[:shown], truth["scores"][:shown], atol=2e-3)
        seen += shown
    assert seen > 40


def test_the_folder_says_what_it_is_made_of(work):
    manifest = load_artifact(work / "made").manifest
    assert (manifest.name, manifest.layout, manifest.licence) == ("gate-net", "torchvision", "MIT")
    assert manifest.labels == LABELS
    assert (manifest.input.size, manifest.input.mode, manifest.input.batch) == ((320, 320), "stretch", 1)
    assert (manifest.thresholds.min_score, manifest.thresholds.nms_iou) == (0.1, None)
    assert manifest.provenance["weights"] == "mine.pth"
    assert manifest.parity["objects"] > 20
    assert manifest.parity["worst_partner_iou"] >= 0.99
    assert str(work) not in (work / "made" / MANIFEST_FILE).read_text()


def test_a_picture_without_objects_gives_none(work):
    graph = with_min_score((work / "made" / "model.onnx").read_bytes(), 1.0)
    found = OnnxSession(graph, "the graph", "cpu", threads=1).run(OUTPUTS, {"images": np.zeros((1, 320, 320, 3), "u1")})
    assert [each.shape for each in found] == [(0, 4), (0,), (0,)]


def test_a_two_stage_detector_keeps_the_aspect_and_takes_another_size(tmp_path, capsys):
    (tmp_path / "names.txt").write_text("person\ncar\n")
    code, said = run(
        capsys, SMALL_RCNN, "--random", "--labels", tmp_path / "names.txt", "--size", "320x192", "--score", "0.3",
        "--out", tmp_path / "rcnn",
    )  # fmt: skip
    assert (code, said) == (0, "")
    manifest = load_artifact(tmp_path / "rcnn").manifest
    assert (manifest.input.size, manifest.input.mode, manifest.input.align) == ((320, 192), "letterbox", "top_left")
    assert manifest.thresholds.min_score == 0.3
    [image] = pictures((320, 180), n=1, seed=3)
    found = detect(tmp_path / "rcnn", image)
    assert len(found.scores) > 5
    assert found.scores.min() >= 0.3
    assert found.boxes_xyxy[:, 3].max() <= 180
    # A picture in which not even the first stage sees anything.
    model = onnx.load(tmp_path / "rcnn" / "model.onnx")
    [floor] = [each for each in model.graph.initializer if each.name == "min_proposal_score"]
    assert onnx.numpy_helper.to_array(floor) == np.float32(0.05)  # torchvision's own for this net
    floor.CopyFrom(onnx.numpy_helper.from_array(np.array(1.1, np.float32), floor.name))
    session = OnnxSession(model.SerializeToString(), "the graph", "cpu", threads=1)
    none = session.run(OUTPUTS, {"images": np.zeros((1, 192, 320, 3), np.uint8)})
    assert [each.shape for each in none] == [(0, 4), (0,), (0,)]


def test_a_graph_of_other_weights_is_refused(net):
    known = KNOWN[SSDLITE]
    other = with_chance_weights(build(known, len(LABELS), known.canvas_wh), known, known.canvas_wh, seed=1)
    graph = as_graph(other, known.canvas_wh, 0.1)
    with pytest.raises(ArtifactError, match="shown boxes have no partner"):
        prove(net, graph, 0.1, pictures(known.canvas_wh, n=1), lambda said: None)


def test_a_net_that_has_learned_nothing_is_refused_because_it_proves_nothing(tmp_path, capsys):
    torch.manual_seed(0)
    known = KNOWN[SSDLITE]
    torch.save(build(known, len(COCO_91), known.canvas_wh).state_dict(), tmp_path / "fresh.pth")
    code, said = run(capsys, SSDLITE, "--checkpoint", tmp_path / "fresh.pth", "--out", tmp_path / "made")
    assert code == 3
    assert "there is nothing to compare" in said
    assert not (tmp_path / "made").exists()


def test_a_backbone_with_its_whole_tail_is_recognised(tmp_path, capsys):
    # As torchvision builds ssdlite for training from a pretrained backbone.
    parts, known = torchvision.models.detection, KNOWN[SSDLITE]
    net = build(known, 3, known.canvas_wh)
    norm = lambda n: torch.nn.BatchNorm2d(n, eps=0.001)  # noqa: E731
    whole = torchvision.models.mobilenet_v3_large(weights=None, norm_layer=norm, num_classes=3)
    net.backbone = parts.ssdlite._mobilenet_extractor(whole, 6, norm)
    channels = parts._utils.retrieve_out_channels(net.backbone, known.canvas_wh)
    net.head = parts.ssdlite.SSDLiteHead(channels, net.anchor_generator.num_anchors_per_location(), 3, norm)
    state = with_chance_weights(net.eval().requires_grad_(False), known, known.canvas_wh).state_dict()
    torch.save({f"module.{key}": value for key, value in state.items()}, tmp_path / "whole.pth")
    (tmp_path / "names.txt").write_text("\nperson\ncar\n")
    code, said = run(
        capsys, SSDLITE, "--checkpoint", tmp_path / "whole.pth", "--labels", tmp_path / "names.txt",
        "--out", tmp_path / "made",
    )  # fmt: skip
    assert (code, said) == (0, "")
    assert load_artifact(tmp_path / "made").manifest.labels == ("", "person", "car")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--weights", "COCO_V9"), 2, "no published weights 'COCO_V9'; it has COCO_V1, DEFAULT"),
        (("--weights", "COCO_V1", "--labels", "names.txt"), 2, "--labels goes with --checkpoint"),
        (("--random", "--licence", "MIT"), 2, "--licence goes with --checkpoint"),
        (("--random", "--size", "512x512"), 2, "is built for 320x320 alone, got 512x512"),
        (("--random", "--score", "0.4", "--track-score", "0.3"), 2, "must be at least --score (0.4); got 0.3"),
        (("--random", "--labels", "none.txt"), 2, "expected one class name per line"),
        (("--random", "--labels", "twice.txt"), 2, "names some classes twice: car"),
        (("--checkpoint", "none.pth"), 2, "there is no file"),
        (("--checkpoint", "mine.pth"), 2, "has 4 classes, background included, not COCO's 91: name them with --labels"),
        (("--checkpoint", "mine.pth", "--labels", "five.txt"), 2, "names 5 classes, "),
        (("--checkpoint", "text.pth", "--labels", "names.txt"), 3, "text.pth: not a file that torch.save wrote"),
        (("--checkpoint", "empty.pth", "--labels", "names.txt"), 3, "empty.pth: not a file that torch.save wrote"),
        (("--checkpoint", "object.pth", "--labels", "names.txt"), 3, "holds a Python object (pathlib."),
        (("--checkpoint", "steps.pth", "--labels", "names.txt"), 3, "holds no weights: expected a state_dict"),
        (("--checkpoint", "linear.pth", "--labels", "names.txt"), 3, "it lacks 'head.classification_head."),
        (("--checkpoint", "part.pth", "--labels", "names.txt"), 3, "it lacks: backbone.features.0.0.0.weight"),
        (("--checkpoint", "more.pth", "--labels", "names.txt"), 3, "unknown here: mask.weight"),
        (("--checkpoint", "shape.pth", "--labels", "names.txt"), 3, "of another shape: size mismatch for backbone."),
        (("--random", "--out", "made"), 3, "exists already and is not overwritten"),
    ],
)  # fmt: skip
def test_what_cannot_be_exported_ends_with_a_sentence_and_leaves_nothing(
    work, net, capsys, monkeypatch, arguments, code, said
):
    monkeypatch.chdir(work)
    write_what_does_not_fit(work, net)
    before = sorted(work.iterdir())
    given = arguments if "--out" in arguments else (*arguments, "--out", "new")
    found, err = run(capsys, SSDLITE, *given)
    assert (found, err[:8]) == (code, "export: ")
    assert said in err
    assert "Traceback" not in err
    assert sorted(work.iterdir()) == before


def write_what_does_not_fit(folder: Path, net) -> None:
    if (folder / "text.pth").exists():
        return
    (folder / "twice.txt").write_text("person\ncar\ncar\n")
    (folder / "five.txt").write_text("a\nb\nc\nd\ne\n")
    (folder / "text.pth").write_text("hello")
    (folder / "empty.pth").write_bytes(b"")
    torch.save({"model": net.state_dict(), "path": Path("x")}, folder / "object.pth")
    torch.save({"epoch": 3, "lr": 0.1}, folder / "steps.pth")
    torch.save(torch.nn.Linear(3, 3).state_dict(), folder / "linear.pth")
    state, first = net.state_dict(), "backbone.features.0.0.0.weight"
    torch.save({key: value for key, value in state.items() if key != first}, folder / "part.pth")
    torch.save(state | {"mask.weight": torch.zeros(3)}, folder / "more.pth")
    torch.save(state | {first: torch.zeros(8, 3, 3, 3)}, folder / "shape.pth")


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("ssd512", (), "choose from"),
        ("fcos_resnet50_fpn", ("--size", "big"), "should be WIDTHxHEIGHT"),
        (SSDLITE, ("--score", "7"), "should be a number from 0 to 1"),
        (SSDLITE, ("--name", "a b"), "should be letters, digits"),
    ],
)
def test_arguments_that_make_no_sense_end_with_2(tmp_path, capsys, name, options, said):
    with pytest.raises(SystemExit) as ended:
        main(["torchvision", name, "--random", "--out", str(tmp_path / "new"), *options])
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_a_size_that_is_no_multiple_of_32_is_answered_with_one_that_is(tmp_path, capsys):
    code, said = run(capsys, "fcos_resnet50_fpn", "--random", "--size", "640x360", "--out", tmp_path / "new")
    assert code == 2
    assert "got 640x360, near it is 640x352" in said


def test_without_network_published_weights_end_with_what_to_do(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("https_proxy", NO_NETWORK)
    monkeypatch.setattr(urllib.request, "_opener", None)  # else the proxies of the process's first request stay
    began = time.monotonic()
    code, said = run(capsys, SSDLITE, "--weights", "COCO_V1", "--out", tmp_path / "new")
    assert code == 1
    assert time.monotonic() - began < 20
    weights = published_for(KNOWN[SSDLITE])["COCO_V1"]
    place = tmp_path / "cache" / "hub" / "checkpoints" / weights.file_name
    for part in (f"cannot be fetched from {weights.address} (Connection refused)", str(place), "--checkpoint FILE"):
        assert part in said
    assert not (tmp_path / "new").exists()
    assert list(place.parent.iterdir()) == []


def test_another_file_in_the_place_of_published_weights_is_refused(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    place = tmp_path / "hub" / "checkpoints" / published_for(KNOWN[SSDLITE])["COCO_V1"].file_name
    place.parent.mkdir(parents=True)
    place.write_bytes(b"cut short")
    code, said = run(capsys, SSDLITE, "--weights", "DEFAULT", "--out", tmp_path / "new")
    assert code == 3
    assert "its sha256 should begin with a79551df, it is " in said
    assert "delete the file" in said


def a_published(address: str) -> Published:
    return Published("COCO_V1", address, LABELS, recipe="", coco_ap=21.3)


class Files(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments) -> None:
        pass


@pytest.fixture
def server(tmp_path):
    """Serves tmp_path/published; yields its address."""
    (tmp_path / "published").mkdir()
    handler = lambda *given: Files(*given, directory=str(tmp_path / "published"))  # noqa: E731
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever, name="files")
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def test_published_weights_are_fetched_once_and_proved_by_their_hash(tmp_path, monkeypatch, server, work, net):
    from hashlib import sha256

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    content = (work / "mine.pth").read_bytes()
    begins = sha256(content).hexdigest()[:8]
    there = tmp_path / "published" / f"net-{begins}.pth"
    there.write_bytes(content)
    (tmp_path / "published" / "net-00000000.pth").write_bytes(content)
    weights, known = a_published(f"{server}/net-{begins}.pth"), KNOWN[SSDLITE]
    file = fetch(weights, known)
    there.unlink()
    assert fetch(weights, known) == file  # the second time nobody is asked
    source = of_published(known, weights, file, known.canvas_wh)
    assert source.licence == "BSD-3-Clause"
    assert source.labels == LABELS
    assert source.provenance["weights_from"] == weights.address
    assert source.metrics["coco_val2017_ap"] == 21.3
    for ours, theirs in zip(source.net.state_dict().values(), net.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs)
    with pytest.raises(WeightsUnreachable, match="invalid hash value"):
        fetch(a_published(f"{server}/net-00000000.pth"), known)
    with pytest.raises(WeightsUnreachable, match="404"):
        fetch(a_published(f"{server}/net-11111111.pth"), known)


def test_a_server_that_never_answers_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        weights = a_published(f"http://127.0.0.1:{silent.getsockname()[1]}/net-00000000.pth")
        with pytest.raises(WeightsUnreachable, match=r"nothing came for 0\.2 s"):
            fetch(weights, KNOWN[SSDLITE], stall_s=0.2)
    assert socket.getdefaulttimeout() is None


def test_every_detector_has_published_weights_with_cocos_labels():
    for known in KNOWN.values():
        for weights in published_for(known).values():
            assert weights.labels == COCO_91
            assert weights.address.startswith("https://")
            assert len(weights.hash_begins) == 8
            assert int(weights.hash_begins, 16) >= 0


@pytest.mark.parametrize("name", [SSDLITE, SMALL_RCNN, "retinanet_resnet50_fpn"])
def test_published_weights_become_the_net_that_torchvision_makes_of_them(tmp_path, monkeypatch, name):
    known = KNOWN[name]
    weights = published_for(known)["COCO_V1"]
    with torch.device("meta"):
        shapes = build(known, len(weights.labels), known.canvas_wh).state_dict()
    # One stored number for each tensor: the file is small, and what is read from it has every shape.
    state = {key: torch.tensor(i / 1000).expand(each.shape) for i, (key, each) in enumerate(shapes.items())}
    file = tmp_path / "hub" / "checkpoints" / weights.file_name
    file.parent.mkdir(parents=True)
    torch.save({key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}, file)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    theirs = torchvision.models.get_model(name, weights="COCO_V1").eval()
    ours = of_published(known, weights, file, known.canvas_wh).net

    def norms(net) -> list[tuple[str, float]]:
        return [(path, module.eps) for path, module in net.named_modules() if "BatchNorm" in type(module).__name__]

    assert norms(ours) == norms(theirs)
    mine = ours.state_dict()
    for key, value in theirs.state_dict().items():
        assert torch.equal(value, mine[key]), key


def test_what_was_pickled_as_a_whole_net_is_refused_unread(tmp_path, capsys):
    class Trap:
        def __reduce__(self):
            return (Path(tmp_path / "sprung").touch, ())

    (tmp_path / "trap.pth").write_bytes(pickle.dumps({"model": Trap()}))
    code, said = run(capsys, SSDLITE, "--checkpoint", tmp_path / "trap.pth", "--out", tmp_path / "new")
    assert code == 3
    assert "trap.pth" in said
    assert not (tmp_path / "sprung").exists()


def test_the_manifest_is_good_json_without_numbers_that_are_none(work):
    parity = json.loads((work / "made" / MANIFEST_FILE).read_text())["parity"]
    assert parity["from_score"] == 0.1
    assert parity["largest_difference"]["labels"] == 0
