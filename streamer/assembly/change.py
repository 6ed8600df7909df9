"""A running house takes another configuration: what can be checked is checked first, then camera after camera."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping

from streamer.assembly.admission import Admitted, admitted
from streamer.assembly.behaviour import Behaving, check_behaviour
from streamer.assembly.cameras import Cameras
from streamer.assembly.certificate import check_web
from streamer.assembly.changing import Changed, Outcome, Warmth
from streamer.assembly.decoding import check_decoding
from streamer.assembly.footage import check_main_streams
from streamer.assembly.labels import check_labels
from streamer.assembly.privacy import check_privacy
from streamer.assembly.regions import Looking
from streamer.config import CameraConfig, Config
from streamer.config.plan import CameraChange, plan
from streamer.detect.known import KnownDetector
from streamer.errors import ArtifactError, ConfigError, StreamerError, redact
from streamer.service import Service

_log = logging.getLogger("streamer.assembly")

REMOVED = "the camera was removed"
CHANGED = "its configuration was changed"
_ORDER = ("removed", "changed", "added")
"""What goes makes room for what comes."""


class RunningChange:
    """changing.Changing of a house that runs.

    pictures_per_s: what the model can do; on_change is told the configuration after every change.
    """

    def __init__(
        self,
        admission: Admitted,
        cameras: Cameras,
        service: Service,
        detector: KnownDetector,
        looking: Looking,
        behaving: Behaving,
        pictures_per_s: float,
        origin: str,
        on_change: Callable[[Config], None],
    ) -> None:
        self.admission = admission
        self._in_force = admission.asked
        self._cameras, self._service, self._detector = cameras, service, detector
        self._looking, self._behaving = looking, behaving
        self._pictures_per_s, self._origin, self._on_change = pictures_per_s, origin, on_change
        self._one_at_a_time = threading.Lock()

    def in_force(self) -> Config:
        """The configuration that runs."""
        return self._in_force

    def change(self, wanted: Config) -> Changed:
        """Bring it in; see changing.Changing."""
        with self._one_at_a_time:
            steps = plan(self._in_force, wanted)
            runs = self._in_force.model_copy(update={"cameras": wanted.cameras})
            self._check(wanted, runs, steps.changes)
            if not steps.changes:
                return Changed((), steps.restart)
            admission = self._admitted(runs)
            self._cameras.expect(runs)
            with self._service.held_open():
                outcomes = [
                    self._step(change, admission)
                    for change in sorted(steps.changes, key=lambda change: _ORDER.index(change.what))
                ]
                self._settle(runs, admission, outcomes)
            return Changed(tuple(outcomes), steps.restart)

    def warm(self, name: str, camera: CameraConfig) -> None:
        """Read a camera that is about to come; see changing.Warming."""
        with self._one_at_a_time:
            runs = self._in_force.model_copy(update={"cameras": {**self._in_force.cameras, name: camera}})
            self._check(runs, runs, plan(self._in_force, runs).changes)
            admission = self._admitted(runs)
            if name in admission.refused:
                raise ConfigError([f"{self._origin}: camera '{name}' is refused: {admission.refused[name]}"])
            self._cameras.warm(name, admission)

    def cool(self, name: str) -> None:
        """It is not to come after all; see changing.Warming."""
        with self._one_at_a_time:
            self._cameras.cool(name)

    def warmth(self) -> Mapping[str, Warmth]:
        """Those that are about to come."""
        return self._cameras.warmth()

    def _check(self, wanted: Config, runs: Config, changes: tuple[CameraChange, ...]) -> None:
        """Raises ConfigError. wanted is what the next start would take, runs what it would mean now."""
        for check in (check_decoding, check_main_streams, check_web, check_behaviour):
            check(wanted, self._origin)
        check_labels(runs, self._detector, self._origin)
        check_privacy(runs, self._detector.labels, self._origin)
        check_behaviour(runs, self._origin)
        try:
            self._behaving.open_for(runs)
            for change in changes:
                if change.what != "removed":
                    self._looking.looks(runs.cameras[change.camera].detect)
        except ArtifactError as error:
            raise ConfigError([f"{self._origin}: {error}"]) from error

    def _admitted(self, runs: Config) -> Admitted:
        """With those that are there already before those that come: newcomers push nobody out."""
        names = sorted(runs.cameras, key=lambda name: name not in self._in_force.cameras)
        return admitted(
            runs.model_copy(update={"cameras": {name: runs.cameras[name] for name in names}}), self._pictures_per_s
        )

    def _step(self, change: CameraChange, admission: Admitted) -> Outcome:
        name = change.camera
        problem = None if self._cameras.is_refused(name) else admission.refused.get(name)
        if problem is None:
            try:
                self._bring_in(change, admission)
            except (StreamerError, LookupError, ValueError) as error:
                problem = redact(str(error))
            except Exception as error:  # noqa: BLE001 - one camera never harms another
                _log.exception("camera %r could not be %s", name, change.what, extra={"camera": name})
                problem = redact(f"internal error: {type(error).__name__}: {error}")
        if problem is None:
            _log.info("camera %r: %s", name, change.what, extra={"camera": name, "event": change.what})
        return Outcome(name, change.what, problem)

    def _bring_in(self, change: CameraChange, admission: Admitted) -> None:
        cameras, name = self._cameras, change.camera
        if change.what == "removed":
            cameras.let_go(name, REMOVED)
        elif change.what == "added":
            cameras.take_in(cameras.build(name, admission))
        elif cameras.can_stay_connected(name, change.keys, admission.config):
            cameras.judge_anew(name, admission.config, CHANGED)
        else:
            self._reopen(name, admission)

    def _reopen(self, name: str, admission: Admitted) -> None:
        """Close and open anew; where that fails half-way, with the old settings."""
        built = self._cameras.build(name, admission)
        try:
            self._cameras.let_go(name, CHANGED, comes_back=True)
        except BaseException:
            self._cameras.abandon(built.seat)
            raise
        if self._in_force.cameras[name].privacy != admission.config.cameras[name].privacy:
            self._cameras.forget_pictures(name)
        try:
            self._cameras.take_in(built)
        except Exception:
            self._cameras.take_in(self._cameras.build(name, self.admission))
            raise

    def _settle(self, runs: Config, admission: Admitted, outcomes: list[Outcome]) -> None:
        """What is in force now: everything but what could not be done. Cameras that found no room may find some."""
        failed = {outcome.camera for outcome in outcomes if outcome.problem}
        before = self._in_force.cameras
        cameras = {
            name: before[name] if name in failed else camera
            for name, camera in runs.cameras.items()
            if name not in failed or name in before
        }
        cameras |= {name: before[name] for name in failed if name in before}
        self._in_force = runs.model_copy(update={"cameras": cameras})
        self.admission = admission if not failed else self._admitted(self._in_force)
        for name in cameras:
            if self._cameras.is_refused(name) and name not in self.admission.refused:
                _log.info("camera %r: there is room for it now", name, extra={"camera": name})
                self._reopen(name, self.admission)
        self._cameras.ration(self.admission)
        self._on_change(self._in_force)
