"""The rules of one camera's configuration as objects, and the policy of each one's alerts."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from streamer.alerts.policy import AlertPolicy
from streamer.config import CameraConfig
from streamer.config.model import (
    Anomaly,
    Behaviour,
    Intrusion,
    LineCrossing,
    Loitering,
    Occupancy,
    RuleCommon,
    ScheduleConfig,
    Speeding,
    Stopped,
    TrackRule,
    WrongDirection,
)
from streamer.rules.anomaly import AnomalyRule
from streamer.rules.behaviour import Behaviour as Kind
from streamer.rules.behaviour import BehaviourRule
from streamer.rules.camera_blurred import BlurredRule
from streamer.rules.camera_dark import DarkRule
from streamer.rules.camera_frozen import FrozenRule
from streamer.rules.camera_moved import MovedRule
from streamer.rules.drift import DriftRule
from streamer.rules.film_strip import FilmStrip
from streamer.rules.geometry import Line, Zone
from streamer.rules.glance import Glance
from streamer.rules.intrusion import IntrusionRule
from streamer.rules.line_crossing import LineCrossingRule
from streamer.rules.loitering import LoiteringRule
from streamer.rules.occupancy import OccupancyRule
from streamer.rules.schedule import Schedule, ScheduledRule
from streamer.rules.sightings import Sightings
from streamer.rules.speeding import SpeedingRule
from streamer.rules.stopped import StoppedRule
from streamer.rules.subjects import Who
from streamer.rules.wrong_direction import WrongDirectionRule
from streamer.stages import Rule

TROUBLE_KINDS = (
    "camera.frozen",
    "camera.dark",
    "camera.blurred",
    "camera.moved",
    "camera.rule_failed",
    "behaviour.drift",
)
_LOOK_EVERY_S = 2.0  # nothing that is asked of a look is decided in less than several seconds
_BEHAVIOURS: dict[str, Kind] = {
    "behaviour.fallen": "fallen",
    "behaviour.running": "running",
    "behaviour.fighting": "fighting",
}
LINK_KINDS = ("camera.offline", "camera.clock_skew")


def build_rules(camera: CameraConfig, timezone: ZoneInfo) -> list[Rule]:
    """Every configured rule; they share one memory of where the tracks were and of what the camera showed."""
    zones = {name: Zone(name, points) for name, points in camera.zones.items()}
    lines = {name: Line(name, points) for name, points in camera.lines.items()}
    sightings, film = Sightings(), FilmStrip()
    rules: list[Rule] = []
    for settings in camera.rules:
        rule = _rule(settings, zones, lines, sightings, film)
        if settings.schedule:
            rule = ScheduledRule(rule, [_schedule(each, timezone) for each in settings.schedule])
        rules.append(rule)
    return rules


def build_trouble_rules(camera: CameraConfig) -> list[Rule]:
    """What is judged on the picture itself, by one small look at it now and then; and what anomaly scores rest on."""
    trouble, glance = camera.trouble, Glance(every_s=_LOOK_EVERY_S)
    rules: list[Rule] = []
    if trouble.frozen_after_s is not None:
        rules.append(FrozenRule(frozen_after_s=trouble.frozen_after_s, glance=glance))
    if trouble.dark_after_s is not None:
        rules.append(DarkRule(dark_after_s=trouble.dark_after_s, glance=glance))
    if trouble.blurred_after_s is not None:
        rules.append(BlurredRule(blurred_after_s=trouble.blurred_after_s, glance=glance))
    if trouble.moved_after_s is not None:
        rules.append(MovedRule(moved_after_s=trouble.moved_after_s, glance=glance))
    if any(isinstance(rule, Anomaly) for rule in camera.rules):
        rules.append(DriftRule())
    return rules


def policies(camera: CameraConfig) -> dict[str, AlertPolicy]:
    """Rule name → how patient and talkative its alerts are; camera trouble has its own patience built in."""
    found = {rule.name: _policy(rule) for rule in camera.rules}
    trouble = AlertPolicy(severity=camera.trouble.severity, clear_after_s=2.0, update_every_s=60.0)
    return found | dict.fromkeys(TROUBLE_KINDS, trouble)


def link_policies(camera: CameraConfig) -> dict[str, AlertPolicy]:
    """The same for a camera's connection, which closes as soon as it is steady again."""
    return dict.fromkeys(
        LINK_KINDS, AlertPolicy(severity=camera.trouble.severity, clear_after_s=0.0, update_every_s=60.0)
    )


def _policy(rule: RuleCommon) -> AlertPolicy:
    return AlertPolicy(
        severity=rule.severity,
        open_after_s=rule.open_after_s,
        clear_after_s=rule.clear_after_s,
        cooldown_s=rule.cooldown_s,
        update_every_s=rule.update_every_s,
        max_open=rule.max_open,
    )


def _rule(
    settings: TrackRule, zones: dict[str, Zone], lines: dict[str, Line], sightings: Sightings, film: FilmStrip
) -> Rule:
    name = settings.name
    labels = frozenset(settings.labels) if settings.labels else None
    who = Who(labels=labels, min_score=settings.min_score, anchor=settings.anchor, sightings=sightings)
    match settings:
        case Intrusion():
            return IntrusionRule(name=name, zone=zones[settings.zone], **who)
        case Loitering():
            return LoiteringRule(name=name, zone=zones[settings.zone], dwell_s=settings.dwell_s, **who)
        case LineCrossing():
            return LineCrossingRule(name=name, line=lines[settings.line], direction=settings.direction, **who)
        case Occupancy():
            return OccupancyRule(
                name=name, zone=zones[settings.zone], above=settings.above, below=settings.below, **who
            )
        case WrongDirection():
            return WrongDirectionRule(
                name=name,
                zone=zones[settings.zone],
                heading_deg=settings.heading_deg,
                tolerance_deg=settings.tolerance_deg,
                min_speed=settings.min_speed,
                **who,
            )
        case Stopped():
            return StoppedRule(
                name=name,
                zone=zones[settings.zone],
                still_s=settings.still_s,
                max_speed=settings.max_speed,
                **who,
            )
        case Speeding():
            return SpeedingRule(
                name=name,
                zone=zones[settings.zone],
                max_speed=settings.max_speed,
                heading_deg=settings.heading_deg,
                zone_length_m=settings.zone_length_m,
                zone_width_m=settings.zone_width_m,
                **who,
            )
        case Behaviour():
            return BehaviourRule(
                name=name,
                behaviour=_BEHAVIOURS[settings.kind],
                above=settings.above,
                below=settings.below,
                film=film,
                zone=zones[settings.zone] if settings.zone else None,
                **who,
            )
        case Anomaly():
            return AnomalyRule(
                name=name,
                false_alerts_per_day=settings.false_alerts_per_day,
                film=film,
                zone=zones[settings.zone] if settings.zone else None,
                **who,
            )
    raise AssertionError(f"rule kind without an object: {settings!r}")  # the union in config.model grew


def _schedule(settings: ScheduleConfig, timezone: ZoneInfo) -> Schedule:
    return Schedule.of(
        start=settings.start.strftime("%H:%M:%S"),
        end=settings.end.strftime("%H:%M:%S"),
        timezone=timezone.key,
        days=settings.days,
    )
