"""The model apart from the cameras: what the way to it costs, what it joins, and what is lost when it dies.

    python -m tests.benchmarks.split [--seconds 20] [--no-keep]

Real RTSP cameras, real Ray nodes of this machine (a raylet and a process each), the bundled model on one thread. At the
same time `streamer run` watches the same cameras with the model beside them: both compete for the same processor.

here, apart         frames a second that were analysed and their age from arrival to the broker, of both at once; age by
                    the buckets of /metrics
way                 from a question to its answer less what the inference node took, through Ray's object store, by
                    pictures in it; and the bytes of a picture, and of its answer with and without features
a_run               pictures in one call of the model with one capture node and with two, and calls with both's
joined              the same with a stand-in for a net that is much cheaper together (4 ms a call and 0.5 ms a picture,
                    slept), 8 cameras a node with 10 pictures a second: what a GPU would see
killed              one of two inference nodes: the longest time for which a camera had no frame analysed, beside the
                    same before; frames that were not answered; `unaccounted`: of each camera the fewest frames
                    that were on their way at any look, no less than those lost, and more while frames queue
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from prometheus_client.parser import text_string_to_metric_families

from streamer.apart.desk import AnsweringDesk
from streamer.apart.detector import ApartDetector
from streamer.apart.door import Doors
from streamer.apart.gatherer import GatherPolicy
from streamer.artifacts import load_artifact
from streamer.clock import SystemClock
from streamer.cluster.state import Picture
from streamer.demo.servers import free_port
from streamer.errors import Unanswered
from streamer.fleet.inference_on_ray import RayDoors
from streamer.fleet.on_ray import NAMESPACE
from streamer.scheduling.costs import CostModel
from streamer.stages import nothing
from streamer.types import Detections, Frame
from streamer.zoo import bundled_model
from tests.apart import HereDoor
from tests.benchmarks.report import report
from tests.clips import write_clip
from tests.fakes import a_frame
from tests.fleet import cluster_config, is_settled, sessions, wait_for
from tests.living import running
from tests.ray_nodes import RayNodes
from tests.redis_server import RedisServer
from tests.rtsp import gst_rtsp_server
from tests.split import fetched, frames_of

CAMERAS = [f"cam{n}" for n in range(4)]
_WITHIN_S = 240.0
_AGE = "streamer_capture_to_publish_seconds_bucket"


def families(text: str) -> list[Any]:
    """Samples of a /metrics page."""
    return [each for family in text_string_to_metric_families(text) for each in family.samples]


def buckets(samples: Sequence[Any], name: str = _AGE) -> dict[float, float]:
    """Upper bound → how many were at most that, of all cameras."""
    found: dict[float, float] = {}
    for each in samples:
        if each.name == name:
            bound = float(each.labels["le"])
            found[bound] = found.get(bound, 0.0) + each.value
    return found


def quantile_ms(before: dict[float, float], after: dict[float, float], share: float) -> float | None:
    """As Prometheus' histogram_quantile; None where nothing came."""
    bounds = sorted(after)
    counts = [after[bound] - before.get(bound, 0.0) for bound in bounds]
    if not counts or not counts[-1]:
        return None
    wanted, low, under = share * counts[-1], 0.0, 0.0
    for bound, count in zip(bounds, counts, strict=True):
        if count >= wanted:
            upper = low if bound == inf else bound
            return round(1e3 * (low + (upper - low) * (wanted - under) / max(count - under, 1e-9)), 1)
        low, under = bound, count
    return None


def joined(nodes: int, seconds: float) -> dict[str, float]:
    """Two pictures every 25 ms of each node, out of step, and a net that is cheaper together."""

    class StandIn:
        labels, input_fit = ("person",), load_artifact(bundled_model()).manifest.input.fit

        def detect(self, frames: Sequence[Frame], before_run: Callable[[], None] = nothing) -> list[Detections]:
            before_run()
            time.sleep(0.004 + 0.0005 * len(frames))
            return [Detections.none(self.labels) for _ in frames]

    clock, model = SystemClock(), StandIn()
    desk = AnsweringDesk(model, "stand-in", GatherPolicy(16, 0.01), clock, costs=CostModel({1: 0.0045, 16: 0.012}))
    desk.start()
    frames = [a_picture(model.input_fit.of((1280, 720)).content_wh) for _ in range(2)]
    until_s = clock.monotonic() + seconds

    def ask(detector: ApartDetector, phase_s: float) -> None:
        at_s = clock.monotonic() + phase_s
        while (now_s := clock.monotonic()) < until_s:
            if at_s > now_s:
                time.sleep(at_s - now_s)
            detector.detect(frames)
            at_s = max(at_s + 0.1, clock.monotonic() - 0.1)  # four of these: every 25 ms

    threads = []
    for node in range(nodes):
        door = HereDoor(f"m{node}", desk)
        detector = ApartDetector(
            model.labels, model.input_fit, "stand-in", Doors([door]), clock, asked_by=f"n{node}",
            due_s=lambda _: clock.monotonic() + 10.0,
        )  # fmt: skip
        threads += [threading.Thread(target=ask, args=(detector, lane * 0.025 + node * 0.007)) for lane in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    books = desk.books()
    desk.close()
    return {
        "pictures_a_run": round(books.pictures / books.runs, 2),
        "runs_of_several_nodes": round(books.shared_runs / books.runs, 3),
        "busy": round(books.busy_s / seconds, 3),
        "pictures_per_s": round(books.pictures / seconds, 1),
    }


def a_picture(wh: tuple[int, int]) -> Frame:
    """Noise of the size at which the net sees it."""
    image = np.random.default_rng(0).integers(0, 256, (wh[1], wh[0], 3), np.uint8)
    return a_frame("bench", image=image)


def way(ray: Any, rounds: int) -> dict[str, object]:
    """There and back, through the object store, to an inference node on another raylet."""
    manifest, clock, took = load_artifact(bundled_model()).manifest, SystemClock(), []
    ray_doors = RayDoors(ray, clock, NAMESPACE)
    ray_doors.start()
    until_s = time.monotonic() + _WITHIN_S
    while not ray_doors.doors.open():
        assert time.monotonic() < until_s, ray_doors.doors.why_none
        ray_doors.doors.wait_for_change((), 1.0)
    detector = ApartDetector(
        manifest.labels, manifest.input.fit, manifest.sha256, ray_doors.doors, clock, asked_by="bench",
        due_s=lambda _: clock.monotonic() + 5.0, on_answer=lambda _, way_s: took.append(way_s),
    )  # fmt: skip
    picture = a_picture(manifest.input.fit.of((640, 360)).content_wh)
    found: dict[str, object] = {"picture_bytes": picture.image.nbytes}
    for pictures in (1, 4, 8):
        took.clear()
        for _ in range(rounds):
            with suppress(Unanswered):  # the node is busy with cameras too: who was too late is not in the times
                detector.detect([picture] * pictures)
        assert len(took) > rounds / 2, "most questions were late: this machine has too much else to do"
        p50, p99 = np.percentile(np.array(took) * 1e3, [50, 99])
        found[f"of_{pictures}_p50_ms"] = round(float(p50), 2)
        found[f"of_{pictures}_p99_ms"] = round(float(p99), 2)
    for name, wanted in (("answer_bytes", False), ("answer_bytes_with_features", True)):
        before = detector.books().bytes_back
        detector.wants_features = lambda wanted=wanted: wanted  # type: ignore[misc]
        detector.detect([picture])
        found[name] = detector.books().bytes_back - before
    ray_doors.doors.close()
    return found


class Run:
    """One cluster, and a service on its own beside it."""

    def __init__(self, nodes: RayNodes, url: str, beside: str, seconds: float) -> None:
        self.nodes, self.url, self.beside, self.seconds = nodes, url, beside, seconds

    def both(self) -> dict[str, object]:
        """The same cameras with the model here, and apart, at the same time."""
        before = self._pages()
        time.sleep(self.seconds)
        after, found = self._pages(), {}
        for name in ("here", "apart"):
            frames, ages = after[name][0] - before[name][0], (before[name][1], after[name][1])
            found[name] = {
                "fps": round(frames / self.seconds, 2),
                "age_p50_ms": quantile_ms(*ages, 0.5),
                "age_p99_ms": quantile_ms(*ages, 0.99),
            }
        return found

    def a_run(self) -> dict[str, float]:
        """What goes through the model together."""
        before = self._runs()
        time.sleep(self.seconds)
        pictures, runs, shared = self._runs() - before
        return {"pictures": round(float(pictures / runs), 2), "of_several_nodes": round(float(shared / runs), 3)}

    def killed(self, name: str) -> dict[str, object]:
        """Power off for one that answers."""
        seen = self.nodes.state.read()
        reading = [node for node, beat in seen.beats.items() if beat.inference is None]
        usual_s = self._longest_gap(time.time() - self.seconds, time.time())
        before = {node: frames_of(seen, node) for node in reading}
        at = time.time()
        self.nodes.kill(name)
        time.sleep(self.seconds)
        after = {node: frames_of(seen, node) for node in reading}
        lost = sum(((after[node] - before[node]) for node in reading), start=type(after[reading[0]])())
        return {
            "longest_without_a_frame_before_s": usual_s,
            "longest_without_a_frame_s": self._longest_gap(at - 1.0, time.time()),
            "received": lost["received"],
            "unanswered": lost["dropped:unanswered"],
            "overload": lost["dropped:overload"],
            "unaccounted": self._unaccounted(seen, reading),
        }

    def _unaccounted(self, seen: Picture, reading: Sequence[str]) -> int:
        """Of each camera the fewest frames that were on their way at any of many looks: what is lost stays for ever."""
        fewest: dict[str, float] = {}
        for _ in range(40):
            for node in reading:
                left: dict[str, float] = {}
                for each in families(fetched(seen, node, "/metrics")):
                    if each.name == "streamer_frames_total":
                        sign = 1 if each.labels["outcome"] == "received" else -1
                        camera = each.labels["camera"]
                        left[camera] = left.get(camera, 0.0) + sign * each.value
                for camera, n in left.items():
                    fewest[camera] = min(fewest.get(camera, inf), n)
            time.sleep(0.05)
        return int(sum(fewest.values()))

    def _longest_gap(self, since: float, until: float) -> float:
        gaps = []
        for camera in CAMERAS:
            times = [at for at, _ in sessions(self.url, camera) if since <= at <= until]
            gaps += list(np.diff([since, *times, until])) if times else [until - since]
        return round(float(max(gaps)), 2)

    def _runs(self) -> Any:
        said = [beat.inference for beat in self.nodes.state.read().beats.values() if beat.inference is not None]
        return np.array([sum(each[name] for each in said) for name in ("pictures", "runs", "shared_runs")], float)

    def _pages(self) -> dict[str, tuple[float, dict[float, float]]]:
        seen = self.nodes.state.read()
        with urllib.request.urlopen(f"{self.beside}/metrics", timeout=30) as answer:
            here = families(answer.read().decode())
        apart = [
            each
            for node, beat in seen.beats.items()
            if beat.inference is None
            for each in families(fetched(seen, node, "/metrics"))
        ]
        return {name: (_analysed(samples), buckets(samples)) for name, samples in (("here", here), ("apart", apart))}


def _analysed(samples: Sequence[Any]) -> float:
    return sum(s.value for s in samples if s.name == "streamer_frames_total" and s.labels["outcome"] == "analysed")


def run(folder: Path, seconds: float) -> dict[str, object]:
    """All of it."""
    found: dict[str, object] = {
        "cameras": len(CAMERAS),
        "joined": {"of_1_node": joined(1, seconds / 2), "of_2_nodes": joined(2, seconds / 2)},
    }
    print(found, flush=True)
    with ExitStack() as stack:
        server = stack.enter_context(RedisServer(folder / "redis"))
        clip = write_clip(folder / "clip.mp4", fps=10, frames=50, size_wh=(640, 360), gop=10)
        rtsp = stack.enter_context(gst_rtsp_server(dict.fromkeys(CAMERAS, clip)))
        addresses = {name: rtsp.url(name) for name in CAMERAS}
        config = cluster_config(folder, server.url, addresses)
        said = yaml.safe_load(config.read_text())
        said["model"] = {"path": str(bundled_model()), "threads": 1, "lanes": 1}
        said["inference"] = {"max_age_s": 2.0, "depth": 50, "when_full": "admit"}
        port = free_port()
        alone = {
            **said, "http": {"port": port}, "data_dir": str(folder / "alone"),
            "redis": {"url": server.url.removesuffix("/0") + "/1"},
        }  # fmt: skip
        (folder / "alone.yaml").write_text(yaml.safe_dump(alone))
        said["inference"]["apart"] = {"require": ["role=inference"]}
        config.write_text(yaml.safe_dump(said))
        nodes = RayNodes(server.url)
        stack.callback(nodes.close)
        nodes.begin(config, "m=role=inference")
        import ray

        found["way"] = way(ray, 25)  # before there are cameras: nobody else asks
        print(found["way"], flush=True)
        nodes.join("a")
        stack.enter_context(running(folder / "alone.yaml"))
        each = Run(nodes, server.url, f"http://127.0.0.1:{port}", seconds)
        watching(nodes, "a")
        time.sleep(10.0)  # both have opened their models, and all cameras are connected
        found |= {"at_once": each.both()}
        print(found["at_once"], flush=True)
        runs: dict[str, object] = {"of_1_node": each.a_run()}
        nodes.join("b")
        watching(nodes, "a", "b")
        runs["of_2_nodes"] = each.a_run()
        found["a_run"] = runs
        print(runs, flush=True)
        nodes.join("n=role=inference")
        wait_for(
            nodes.state,
            lambda s: "n" in s.beats and s.beats["n"].inference is not None and s.beats["n"].inference["runs"] > 20,
            "n answers too",
            _WITHIN_S,
        )
        found["killed"] = each.killed("n")
    return found


def watching(nodes: RayNodes, *names: str) -> None:
    """Until all cameras are watched, and some by each of these."""
    wait_for(nodes.state, lambda s: is_settled(s, len(CAMERAS), names), f"{names} watch", _WITHIN_S)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--no-keep", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = run(Path(folder), args.seconds)
    report("split", found, keep=not args.no_keep)


if __name__ == "__main__":
    main()
