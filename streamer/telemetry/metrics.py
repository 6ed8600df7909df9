"""The metrics of the house: one table, and one object that holds them for one service.

Names begin with `streamer_`; counters end in `_total`, times are `_seconds`. Labels are camera, stage, reason, model,
kind, and outcome, type and sink where a row says so; no others, so that the number of series stays the product of few
small sets. What can be read when Prometheus asks (ledgers, link states, outbox depth) is read then and costs nothing
per frame.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from streamer.board import WatchedCamera
from streamer.ledger import FrameLedger, Link
from streamer.types import AlertChange

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series per counter that nobody asks for; the library knows no finer switch

_LATENCY_S = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.35, 0.5, 0.75, 1.0, 2.5, 10.0, 60.0)
_STAGE_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
_QUESTION_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0)
_BATCH = (1, 2, 4, 8, 16, 32, 64)

# name → (type, labels, what it tells): the whole of what /metrics shows, besides process_*
TABLE: Mapping[str, tuple[str, tuple[str, ...], str]] = {
    "streamer_frames_total": (
        "counter",
        ("camera", "outcome", "reason"),
        "Frames by what became of them; received = analysed + skipped + dropped + waiting.",
    ),
    "streamer_capture_to_publish_seconds": (
        "histogram",
        ("camera",),
        "From the arrival of a frame to the moment its result was acknowledged by the sink.",
    ),
    "streamer_stage_seconds": ("histogram", ("stage",), "Time in one stage, per call."),
    "streamer_batch_frames": ("histogram", (), "Frames in one model call."),
    "streamer_question_seconds": (
        "histogram",
        (),
        "From a batch's leaving for an inference node to its answer, where the model is on other nodes.",
    ),
    "streamer_questions_total": (
        "counter",
        ("outcome",),
        "Batches by what inference nodes said: answered, late, full, refused; gone and silent: nothing.",
    ),
    "streamer_question_bytes_total": ("counter", ("kind",), "Pictures that were sent to inference nodes, and answers."),
    "streamer_inference_nodes": ("gauge", (), "Inference nodes that answer, where the model is on other nodes."),
    "streamer_camera_up": ("gauge", ("camera",), "1 while the camera delivers frames."),
    "streamer_camera_frame_age_seconds": ("gauge", ("camera",), "Time since the camera's newest frame arrived."),
    "streamer_camera_sessions_total": ("counter", ("camera",), "Connections that delivered frames."),
    "streamer_camera_coverage_ratio": ("gauge", ("camera",), "Share of the last hour that was really analysed."),
    "streamer_asleep": ("gauge", ("camera",), "1 while the camera sleeps: only key frames are decoded."),
    "streamer_asleep_seconds_total": ("counter", ("camera",), "Time that the camera slept."),
    "streamer_wakes_total": ("counter", ("camera", "reason"), "What ended sleep: packets, picture, request, unsafe."),
    "streamer_wake_seconds": (
        "histogram",
        ("camera",),
        "From the packet that woke a camera to the first frame on its way to the model.",
    ),
    "streamer_decode_seconds_total": ("counter", ("camera",), "CPU time in the camera's decoder."),
    "streamer_ring_bytes": ("gauge", ("camera",), "Packets kept undecoded, to begin from when the camera wakes."),
    "streamer_capture_processes": ("gauge", (), "Processes in which cameras are read, besides the service's own."),
    "streamer_capture_restarts_total": (
        "counter",
        (),
        "Capture processes that were replaced because they died or hung.",
    ),
    "streamer_behaviour_calibrated": ("gauge", ("camera",), "1 where anomaly scores are calibrated, 0 while learning."),
    "streamer_behaviour_drift_ratio": (
        "gauge",
        ("camera",),
        "From 0 to 1, where it is told: how much speaks for a change since calibration.",
    ),
    "streamer_alerts_total": ("counter", ("camera", "kind", "type"), "Alert changes raised."),
    "streamer_alerts_suppressed_total": ("counter", ("camera", "kind"), "Alerts held back by a rule's cooldown."),
    "streamer_inbox_waiting_frames": ("gauge", (), "Frames that wait for the model."),
    "streamer_outbox_pending": ("gauge", ("sink",), "Alert changes that the receiver has not got yet."),
    "streamer_outbox_oldest_seconds": ("gauge", ("sink",), "Age of the oldest alert change not delivered yet."),
    "streamer_outbox_stuck": (
        "gauge",
        (),
        "1 while alert changes cannot be stored (a full disk): the cameras wait, and the service ends if that lasts.",
    ),
    "streamer_delivered_total": ("counter", ("sink", "kind"), "Messages delivered; kind is alert or frame."),
    "streamer_undelivered_total": (
        "counter",
        ("sink", "reason"),
        "Messages not delivered: rejected (set aside), let_go (live feed while the broker was away), failed (retried), "
        "fenced (their camera had moved to another node).",
    ),
    "streamer_snapshot_failures_total": ("counter", (), "Pictures that could not be stored."),
    "streamer_clips_total": ("counter", ("camera",), "Clips of alerts that were completed."),
    "streamer_footage_failures_total": ("counter", ("camera", "reason"), "Footage that was lost; see docs/footage.md."),
    "streamer_footage_bytes": ("gauge", ("kind",), "Footage on disk (clips, recordings) and in memory."),
    "streamer_disk_bytes": (
        "gauge",
        ("kind",),
        "The disk of the data folder: its size, and what is free for the service.",
    ),
    "streamer_audit_entries_total": ("counter", (), "Entries of the audit log that were written."),
    "streamer_audit_failures_total": ("counter", (), "Entries of the audit log that could not be written."),
    "streamer_leases": (
        "gauge",
        ("kind",),
        "Cameras whose lease this node of a cluster holds: held, and overdue (not renewed in time).",
    ),
    "streamer_leases_lost_total": ("counter", (), "Cameras that other nodes took while this one could not be heard."),
    "streamer_canary_ok": ("gauge", (), "1 while the canary's known event comes back from Redis in time."),
    "streamer_canary_seconds": ("gauge", (), "How long the last event of the canary took that came back."),
    "streamer_model_spoiled_total": (
        "counter",
        ("reason",),
        "What the model gave that could not be read: rows (boxes that are no numbers), frames (they count as empty).",
    ),
    "streamer_commands_total": ("counter", ("reason",), "Commands over Redis: done, or why not."),
    "streamer_camera_analyse_fps": (
        "gauge",
        ("camera", "kind"),
        "Pictures a second that go to the model while the camera is awake: asked, and given (0: refused).",
    ),
    "streamer_promised_latency_seconds": (
        "gauge",
        (),
        "How old a frame may be before the model lets it go: inference.max_age_s.",
    ),
    "streamer_admission_load": ("gauge", (), "What the cameras ask of the model, as a share of what it can do."),
    "streamer_model_slowness": ("gauge", (), "How much longer the model takes now than when it was measured."),
    "streamer_model_info": ("gauge", ("model",), "1; the model in use, name and short hash."),
}


Reading = tuple[str, tuple[str, ...], float]


class Metrics:
    """All metrics of one service, with a registry of their own: two services in one process do not mix."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self.registry = CollectorRegistry()
        self._now_s = now_s
        self._latency = self._histogram("streamer_capture_to_publish_seconds", _LATENCY_S)
        self._latencies: dict[str, Histogram] = {}  # looking a label up costs more than observing
        self._wakes = self._histogram("streamer_wake_seconds", _STAGE_S)
        self._stage = self._histogram("streamer_stage_seconds", _STAGE_S)
        self.batch_frames = self._histogram("streamer_batch_frames", _BATCH)
        self.question = self._histogram("streamer_question_seconds", _QUESTION_S)
        self._stages = {stage: self._stage.labels(stage) for stage in ("infer", "analyse", "publish")}
        _, labels, text = TABLE["streamer_alerts_total"]
        self._alerts = Counter("streamer_alerts_total", text, labels, registry=self.registry)
        self._cameras: dict[str, WatchedCamera] = {}
        self._changing = threading.Lock()
        self._raised: dict[str, set[tuple[str, str]]] = {}
        self._readers: list[Callable[[], Iterable[Reading]]] = []
        self.registry.register(_Readings(self))
        ProcessCollector(registry=self.registry)

    def stage(self, stage: str, seconds: float) -> None:
        """One call of a stage took this long."""
        self._stages[stage].observe(seconds)

    def published(self, camera: str, seconds: float) -> None:
        """A frame's result was acknowledged, so long after the frame came."""
        child = self._latencies.get(camera)
        if child is None:
            with self._changing:
                if camera not in self._cameras:
                    return
                child = self._latencies[camera] = self._latency.labels(camera)
        child.observe(seconds)

    def woke(self, camera: str, seconds: float) -> None:
        """So long after the packet that woke it a camera's first frame was on its way."""
        with self._changing:
            if camera in self._cameras:
                self._wakes.labels(camera).observe(seconds)

    def raised(self, changes: Iterable[AlertChange]) -> None:
        """Alert changes were raised."""
        with self._changing:
            for change in changes:
                if change.camera in self._cameras:
                    self._alerts.labels(change.camera, change.kind, change.type).inc()
                    self._raised.setdefault(change.camera, set()).add((change.kind, change.type))

    def watch(self, camera: WatchedCamera) -> None:
        """Show this camera; before anything else is told of it."""
        with self._changing:
            self._cameras = {**self._cameras, camera.ledger.camera: camera}

    def forget(self, camera: str) -> None:
        """The camera is gone: its rows end, and what is still told of it is not counted."""
        with self._changing:
            self._cameras = {name: each for name, each in self._cameras.items() if name != camera}
            self._latencies.pop(camera, None)
            self._latency.remove(camera)
            self._wakes.remove(camera)
            for kind, type_ in self._raised.pop(camera, ()):
                self._alerts.remove(camera, kind, type_)

    def read_from(self, reader: Callable[[], Iterable[Reading]]) -> None:
        """Ask this function at every scrape for (name, label values, value) rows of the table's gauges and counters."""
        self._readers.append(reader)

    def readings(self) -> Iterable[Reading]:
        """Everything that is read at scrape time."""
        now_s = self._now_s()
        for camera in self._cameras.values():
            yield from _frame_rows(camera.ledger)
            yield from _camera_rows(camera, now_s)
        for reader in self._readers:
            yield from reader()

    def _histogram(self, name: str, buckets: tuple[float, ...]) -> Histogram:
        _, labels, text = TABLE[name]
        return Histogram(name, text, labels, buckets=buckets, registry=self.registry)


class _Readings(Collector):
    """Turns readings into Prometheus families, in the table's order."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        rows: dict[str, list[Reading]] = {}
        for row in self._metrics.readings():
            rows.setdefault(row[0], []).append(row)
        for name, (kind, labels, text) in TABLE.items():
            if kind == "histogram" or name == "streamer_alerts_total":
                continue  # counted as they happen
            family = (CounterMetricFamily if kind == "counter" else GaugeMetricFamily)(name, text, labels=labels)
            for _, values, value in rows.get(name, ()):
                family.add_metric(values, value)
            yield family

    def describe(self) -> Iterable[Metric]:
        return ()  # the registry would otherwise call collect() while it is being built


def _frame_rows(ledger: FrameLedger) -> Iterable[Reading]:
    counts, name = ledger.counts(), "streamer_frames_total"
    yield name, (ledger.camera, "received", ""), counts.received
    yield name, (ledger.camera, "analysed", ""), counts.analysed
    for reason, n in counts.skipped.items():
        yield name, (ledger.camera, "skipped", reason), n
    for reason, n in counts.dropped.items():
        yield name, (ledger.camera, "dropped", reason), n


def _camera_rows(camera: WatchedCamera, now_s: float) -> Iterable[Reading]:
    state, labels = camera.status.state(), (camera.ledger.camera,)
    yield "streamer_camera_up", labels, float(state.link is Link.ONLINE)
    if state.last_frame_s is not None:
        yield "streamer_camera_frame_age_seconds", labels, max(0.0, now_s - state.last_frame_s)
    yield "streamer_camera_sessions_total", labels, state.sessions
    yield "streamer_camera_coverage_ratio", labels, camera.coverage.ratio(now_s)
    sleep = camera.sleep.reading(now_s)
    yield "streamer_asleep", labels, float(sleep.asleep)
    yield "streamer_asleep_seconds_total", labels, sleep.asleep_s
    for cause, n in sleep.wakes.items():
        yield "streamer_wakes_total", (camera.ledger.camera, cause), n
    yield "streamer_decode_seconds_total", labels, sleep.decode_s
    yield "streamer_ring_bytes", labels, sleep.ring_bytes
