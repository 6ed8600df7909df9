"""The cameras of a house: each built whole before anybody knows of it, then taken in, changed and let go as it runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from streamer.alerts.book import CameraAlertBook
from streamer.assembly.admission import WEIGHTS, Admitted, RefusedSource
from streamer.assembly.behaviour import Behaving, needs_of
from streamer.assembly.camera import build_book, build_rules_of
from streamer.assembly.changing import Warmth
from streamer.assembly.crew import Crew, Seat
from streamer.assembly.footage import Footage, Made, footage_orders
from streamer.assembly.link import LinkAlerts
from streamer.assembly.moving import MovingCamera, camera_skew_s
from streamer.assembly.on_device import with_shrinker
from streamer.assembly.readings import behaviour_rows, suppressed_rows
from streamer.assembly.regions import Looking, Looks
from streamer.assembly.rules import policies
from streamer.assembly.unit import MakeSource, build_link, build_unit, reach_s
from streamer.bell import WakeBell
from streamer.camera_unit import CameraUnit
from streamer.clock import Clock
from streamer.cluster.warm_source import WarmSource
from streamer.config import CameraConfig, Config
from streamer.control.desk import WakeDesk
from streamer.coverage import Coverage
from streamer.detect.known import KnownDetector
from streamer.footage.camera_footage import CameraFootage
from streamer.ledger import Link
from streamer.presence import Presence
from streamer.ration import Ration
from streamer.service import Service
from streamer.sleep_book import SleepBook
from streamer.stages import FrameSource
from streamer.surroundings import Surroundings
from streamer.telemetry.metrics import Metrics, Reading
from streamer.types import AlertChange

JUDGED_BY = frozenset({"rules", "zones", "lines", "trouble", "priority"})
"""Keys of a camera that concern only what is made of its pictures: they change while its connection goes on."""
_COOLS_WITHIN_S = 4.0


@dataclass(frozen=True, slots=True, eq=False)
class BuiltCamera:
    """One camera with all that belongs to it in the house."""

    name: str
    settings: CameraConfig
    unit: CameraUnit
    book: CameraAlertBook
    bell: WakeBell
    looks: Looks
    footage: Made | None
    seat: Seat | None
    is_refused: bool
    warm: WarmSource | None = None


@dataclass(frozen=True, slots=True)
class Rooms:
    """What cameras are made of, and who has to know of them. follow: what people watch of a camera is put around it.

    gone: told of a camera that will not come back; unseen: of one whose last picture nobody may see any more.
    finish_within_s: how long the disk may take for its last clips. arrives: of a node of a cluster, told of every one
    before its first frame, to go on from what its last owner left.
    """

    clock: Clock
    detector: KnownDetector
    metrics: Metrics
    bells: WakeDesk
    looking: Looking
    behaving: Behaving
    footage: Footage
    crew: Crew | None
    make_source: MakeSource
    snapshot_path: Callable[[AlertChange], str]
    follow: Callable[[Surroundings, CameraConfig], Surroundings]
    gone: Callable[[str], None]
    finish_within_s: float
    unseen: Callable[[str], None] = lambda _: None
    arrives: Callable[[MovingCamera], None] = lambda _: None


class Cameras:
    """Those that are there now. One thread at a time changes them; others may look."""

    def __init__(self, rooms: Rooms, service: Service) -> None:
        self._rooms, self._service = rooms, service
        self._built: dict[str, BuiltCamera] = {}
        self._warm: dict[str, tuple[CameraConfig, BuiltCamera]] = {}  # as it was asked for

    def __contains__(self, name: str) -> bool:
        return name in self._built

    def expect(self, config: Config) -> None:
        """These cameras there will be: how many processes that is worth."""
        if self._rooms.crew is not None:
            self._rooms.crew.expect(config)

    def is_refused(self, name: str) -> bool:
        """Whether it is there and not read, because there is no room for it."""
        return name in self._built and self._built[name].is_refused

    def build(self, name: str, admission: Admitted) -> BuiltCamera:
        """A camera of the configuration; nothing outside of it has changed. Raises what its parts raise.

        Its source is asked for all pictures that were asked for, and rationed: how many there is time for may change.
        One that is warm is as it was built then, unless other settings are asked for by now.
        """
        if name in self._warm and self._warm[name][0] == admission.asked.cameras[name]:
            _, built = self._warm[name]
            self._warm = {each: other for each, other in self._warm.items() if each != name}
            coverage = Coverage(self._rooms.clock.monotonic(), reach_s(built.settings))
            return replace(built, unit=replace(built.unit, coverage=coverage))
        self.cool(name)
        rooms, config, refused = self._rooms, admission.config, admission.refused.get(name)
        camera, asked = config.cameras[name], admission.asked.cameras[name]
        looks = rooms.looking.looks(camera.detect)
        seat = rooms.crew.seat(name, camera) if rooms.crew and refused is None else None
        try:
            footage = self._footage(name, config, seat)
            bell = WakeBell(rooms.clock.monotonic)
            around = replace(
                Surroundings.alone(name, rooms.clock),
                sleep=SleepBook(name, lambda seconds: rooms.metrics.woke(name, seconds)),
                bell=bell,
                presence=Presence(),
                tap=footage if isinstance(footage, CameraFootage) and camera.footage_url is None else None,
                ration=Ration(_most_fps(camera, asked)),
            )
            around = with_shrinker(rooms.follow(around, camera), camera, config.model)
            book = self._book(name, config)
            make = _refused(refused) if refused is not None else seat.source if seat else rooms.make_source
            unit = build_unit(name, config, rooms.detector, book, around, rooms.clock, _asking(make, asked))
        except BaseException:
            self.abandon(seat)
            raise
        return BuiltCamera(name, camera, unit, book, bell, looks, footage, seat, refused is not None)

    def warm(self, name: str, admission: Admitted) -> None:
        """Read a camera that is about to come, and offer nothing of it. Raises what its parts raise, and ValueError for
        a recording that waits for its consumer: what is read of that and not looked at is lost."""
        built = self.build(name, admission)
        if built.unit.source.demand_paced:
            self.abandon(built.seat)
            raise ValueError(f"camera '{name}' is a recording: it is not read beside its owner")
        around = built.unit.around
        source = WarmSource(built.unit.source, around.ledger, lambda: camera_skew_s(around.status), self._rooms.clock)
        built = replace(built, unit=replace(built.unit, source=source), warm=source)
        if built.seat is not None:
            built.seat.take()
        source.begin()
        self._warm = {**self._warm, name: (admission.asked.cameras[name], built)}

    def cool(self, name: str) -> None:
        """It is not to come after all, or not like this; harmless where it is not warm."""
        known = self._warm.get(name)
        if known is None:
            return
        self._warm = {each: other for each, other in self._warm.items() if each != name}
        _, built = known
        assert built.warm is not None
        built.warm.close()
        if built.seat is not None:  # its member tells what it had of it, or is not waited for
            built.warm.join(_COOLS_WITHIN_S)
        self.abandon(built.seat)

    def warmth(self) -> Mapping[str, Warmth]:
        """Those that are about to come, and how far they are; from any thread."""
        return {name: _warmth(built) for name, (_, built) in self._warm.items()}

    def abandon(self, seat: Seat | None) -> None:
        """The camera for which this seat was taken is not to come after all."""
        if seat is not None and self._rooms.crew is not None:
            self._rooms.crew.leave(seat, 0.0)

    def take_in(self, built: BuiltCamera) -> None:
        """From now on it is watched. Raises ServiceOver, and then everything is as before."""
        rooms, name = self._rooms, built.name
        rooms.looking.take(name, built.looks)
        rooms.behaving.take(name, built.settings)
        self._service.score_with(rooms.behaving.model)
        rooms.bells.take(name, built.bell)
        rooms.metrics.watch(built.unit.watched)
        if built.footage is not None:
            rooms.footage.take(name, built.settings, built.footage)
        if built.seat is not None and built.warm is None:
            built.seat.take()
        self._built = {**self._built, name: built}
        try:
            rooms.arrives(_moving(built))
            self._service.add(built.unit)
        except BaseException:
            if built.warm is not None:
                built.warm.close()
            self._clear_away(built)
            raise

    def let_go(self, name: str, why: str, *, comes_back: bool = False) -> None:
        """It is watched no longer: what it sent is published, its alerts and clips are closed, its rows end."""
        self._service.remove(name, why)
        self._clear_away(self._built[name])
        if not comes_back:
            self._rooms.gone(name)

    def ration(self, admission: Admitted) -> None:
        """Share out the model anew: how often each camera that is there is looked at from now on."""
        for name, built in self._built.items():
            camera, ration = admission.config.cameras[name], built.unit.around.ration
            if ration is not None and not built.is_refused:
                ration.most_fps = _most_fps(camera, admission.asked.cameras[name])
                built.unit.coverage.reaches(reach_s(camera))

    def forget_pictures(self, name: str) -> None:
        """What it showed last was shown by other settings of privacy."""
        self._rooms.unseen(name)

    def can_stay_connected(self, name: str, keys: Iterable[str], config: Config) -> bool:
        """Whether a change of these keys leaves its connection, its packets and its tracks alone."""
        was, now = self._built[name], config.cameras[name]
        return (
            {key.partition(".")[0] for key in keys} <= JUDGED_BY
            and not was.is_refused
            and footage_orders(name, was.settings, config) == footage_orders(name, now, config)
            and needs_of(was.settings, config) == needs_of(now, config)
        )

    def judge_anew(self, name: str, config: Config, why: str) -> None:
        """Other rules, zones, lines and limits of trouble, from its next frame on. Raises what building them raises."""
        rooms, camera = self._rooms, config.cameras[name]
        book, rules = self._book(name, config), build_rules_of(camera, config)
        link = build_link(name, camera, config, rooms.detector, rooms.clock)
        self._service.judge_anew(name, rules, book, link, why)
        self._service.weigh(name, WEIGHTS[camera.priority])
        self._built = {**self._built, name: replace(self._built[name], settings=camera, book=book)}

    def moving(self, name: str) -> MovingCamera:
        """What of it moves to another machine; as it is judged now. Raises LookupError where it is not there."""
        units = {unit.camera: unit for unit in self._service.cameras}
        return _moving(replace(self._built[name], unit=units[name]))

    def rows(self) -> Iterable[Reading]:
        """For telemetry."""
        built, model = self._built, self._rooms.behaving.model
        if model is not None:
            yield from behaviour_rows(model, built)
        kinds = {(name, rule.name): rule.kind for name, each in built.items() for rule in each.settings.rules}
        yield from suppressed_rows({name: each.book for name, each in built.items()}, kinds)

    def _clear_away(self, built: BuiltCamera) -> None:
        rooms, name = self._rooms, built.name

        def leave_crew() -> bool:
            return rooms.crew is None or built.seat is None or rooms.crew.leave(built.seat, rooms.finish_within_s)

        if built.footage is None:
            leave_crew()
        else:
            rooms.footage.let_go(name, built.footage, leave_crew, rooms.finish_within_s)
        rooms.looking.forget(name)
        rooms.behaving.forget(name)
        rooms.bells.forget(name)
        rooms.metrics.forget(name)
        self._built = {each: other for each, other in self._built.items() if each != name}

    def _footage(self, name: str, config: Config, seat: Seat | None) -> Made | None:
        """Of a camera that the crew reads it is made there, unless it comes from a stream of its own."""
        orders = footage_orders(name, config.cameras[name], config)
        if orders is None:
            return None
        if seat is not None and config.cameras[name].footage_url is None:
            return seat.footage(orders)
        return self._rooms.footage.made(name, orders)

    def _book(self, name: str, config: Config) -> CameraAlertBook:
        camera, rooms = config.cameras[name], self._rooms
        return build_book(name, camera, policies(camera), config, rooms.detector, rooms.snapshot_path)


def places_of(config: Config) -> Mapping[tuple[str, str], tuple[list[tuple[float, float]], bool]]:
    """(camera, zone or line) → its points, and whether they close."""
    places: dict[tuple[str, str], tuple[list[tuple[float, float]], bool]] = {}
    for name, camera in config.cameras.items():
        places.update({(name, zone): (points, True) for zone, points in camera.zones.items()})
        places.update({(name, line): (points, False) for line, points in camera.lines.items()})
    return places


def _moving(built: BuiltCamera) -> MovingCamera:
    unit, book = built.unit, built.book
    books = (book, unit.link.book) if isinstance(unit.link, LinkAlerts) else (book,)
    return MovingCamera(unit.camera, unit.pipeline, books, unit.status, built.warm)


def _warmth(built: BuiltCamera) -> Warmth:
    assert built.warm is not None
    if built.warm.has_ended or built.unit.status.state().link is Link.OFFLINE:
        return "cold"
    return "warm" if built.warm.is_warm else "warming"


def _most_fps(given: CameraConfig, asked: CameraConfig) -> float:
    """Without end where there is time for all that was asked for."""
    if given.analyse_fps is None or given.analyse_fps == asked.analyse_fps:
        return math.inf
    return given.analyse_fps


def _asking(make: MakeSource, asked: CameraConfig) -> MakeSource:
    """Makes the source of what was asked for, whatever was given."""
    return lambda name, _, fit, around, clock: make(name, asked, fit, around, clock)


def _refused(why: str) -> MakeSource:
    def make(name: str, *_: object) -> FrameSource:
        return RefusedSource(name, why)

    return make
