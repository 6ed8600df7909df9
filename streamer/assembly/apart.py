"""A house without a model: what its manifest says is known here, and pictures are shown to other nodes (ADR 15)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from math import inf

from streamer.apart.detector import ApartDetector
from streamer.apart.door import Doors
from streamer.artifacts import Manifest, Thresholds, load_artifact
from streamer.assembly.model import OpenModel, folder_of
from streamer.clock import Clock
from streamer.config import Config
from streamer.detect import Timings
from streamer.detect.detector import asked_for
from streamer.detect.plan import Arrangement, Plan
from streamer.fit import InputFit
from streamer.inbox import BatchPolicy
from streamer.service import Service
from streamer.stages import nothing
from streamer.telemetry.http import Health
from streamer.telemetry.metrics import Metrics, Reading
from streamer.track import TrackerSettings
from streamer.types import Detections, Frame

_log = logging.getLogger("streamer.assembly")

_FIRST_S, _EACH_MORE_S = 0.02, 0.01
"""What a question is taken to cost until some were answered: one of several pictures less than so many of one."""


class ApartModel:
    """detect.known.DetectorLanes and KnownDetector, and model.Elsewhere: of a model that runs on other nodes."""

    def __init__(
        self, manifest: Manifest, doors: Doors, asked_by: str, lanes: int, policy: BatchPolicy, clock: Clock
    ) -> None:
        self.model_name, self.model_hash = manifest.name, manifest.sha256
        self.thresholds: Thresholds = manifest.thresholds
        self.labels: tuple[str, ...] = manifest.labels
        self.input_fit: InputFit = manifest.input.fit
        self.lanes = lanes
        self.timings = Timings()  # of runs, which are elsewhere
        self._doors, self._policy = doors, policy
        self._waits_for_its_consumer: Callable[[str], bool] = lambda _: False
        self._asking = ApartDetector(
            self.labels, self.input_fit, self.model_hash, doors, clock, asked_by=asked_by, due_s=self._due_s
        )

    @property
    def first(self) -> ApartModel:
        """For whoever asks about the model."""
        return self

    def detect(self, frames: Sequence[Frame], before_run: Callable[[], None] = nothing) -> list[Detections]:
        """One Detections per frame, boxes in source pixels; before_run: see stages.Detector. Raises Unanswered."""
        return self._asking.detect(frames, before_run)

    def serve(self, service: Service, metrics: Metrics, wants_features: Callable[[], bool]) -> None:
        """See model.Elsewhere."""
        self._waits_for_its_consumer = service.waits_for_its_consumer
        self._asking.wants_features = wants_features
        self._asking.on_answer = lambda seconds, _: metrics.question.observe(seconds)
        metrics.read_from(self.rows)

    def trouble(self) -> str | None:
        """See model.Elsewhere."""
        return self._asking.trouble()

    def rows(self) -> Iterable[Reading]:
        """For telemetry."""
        books = self._asking.books()
        yield "streamer_inference_nodes", (), float(len(self._doors.open()))
        for outcome, n in books.outcomes.items():
            yield "streamer_questions_total", (outcome,), n
        yield "streamer_question_bytes_total", ("pictures",), books.bytes_there
        yield "streamer_question_bytes_total", ("answers",), books.bytes_back

    def close(self) -> None:
        """See model.Elsewhere."""
        self._doors.close()

    def _due_s(self, frame: Frame) -> float:
        return inf if self._waits_for_its_consumer(frame.camera) else self._policy.due_s(frame)


def open_apart(config: Config, doors: Doors, asked_by: str, clock: Clock) -> OpenModel:
    """The model of a configuration as a node knows it that has none: its manifest, verified; nothing is run.

    asked_by: this node's name. Raises ArtifactError.
    """
    settings, model = config.inference, config.model
    assert settings.apart is not None, "the configuration names no nodes that have the model"
    artifact = load_artifact(folder_of(model, None), model.keys)
    manifest = asked_for(artifact.manifest, TrackerSettings().low_score)
    policy = BatchPolicy(settings.max_batch, settings.max_wait_s, settings.max_age_s, settings.depth)
    lanes = Arrangement(settings.apart.questions, 1)
    seconds = {size: _FIRST_S + _EACH_MORE_S * (size - 1) for size in {1, settings.max_batch}}
    # How many pictures a second there is time for is known where the model is: placement counts it, not admission.
    plan = Plan(lanes, seconds, {lanes: inf})
    pool = ApartModel(manifest, doors, asked_by, lanes.lanes, policy, clock)
    _log.info("model %s: asked for on other nodes, %d questions at a time", manifest.name, lanes.lanes)
    return OpenModel(pool, plan, pool)


def with_model(health: Health, model: OpenModel) -> Health:
    """The service's own health, and that somebody looks at its pictures."""
    if model.elsewhere is None:
        return health
    trouble = model.elsewhere.trouble()
    return Health(health.ok and trouble is None, {**health.details, "model": {"ok": not trouble, "trouble": trouble}})
