"""What a configuration may say: every key, its unit, its limits and its default.

Sizes of zones and lines are in normalised picture coordinates, x to the right and y down, both in [0, 1].
All times are in seconds. Unknown keys are refused.
"""

from streamer.config.model.access import HttpConfig, WebConfig
from streamer.config.model.camera import (
    CameraConfig,
    ClipsConfig,
    DetectConfig,
    NodeConfig,
    SecondLookConfig,
    TroubleConfig,
)
from streamer.config.model.inference import ModelConfig
from streamer.config.model.results import CanaryConfig
from streamer.config.model.rules import (
    Anomaly,
    Behaviour,
    Intrusion,
    LineCrossing,
    Loitering,
    Occupancy,
    RuleCommon,
    RuleConfig,
    ScheduleConfig,
    Speeding,
    Stopped,
    TrackRule,
    WrongDirection,
)
from streamer.config.model.values import Identifier, PositiveSeconds, Severity, Strict
from streamer.config.model.whole import Config

__all__ = [
    "Anomaly",
    "Behaviour",
    "CameraConfig",
    "CanaryConfig",
    "ClipsConfig",
    "Config",
    "DetectConfig",
    "HttpConfig",
    "Identifier",
    "Intrusion",
    "LineCrossing",
    "Loitering",
    "ModelConfig",
    "NodeConfig",
    "Occupancy",
    "PositiveSeconds",
    "RuleCommon",
    "RuleConfig",
    "ScheduleConfig",
    "SecondLookConfig",
    "Severity",
    "Speeding",
    "Stopped",
    "Strict",
    "TrackRule",
    "TroubleConfig",
    "WebConfig",
    "WrongDirection",
]
