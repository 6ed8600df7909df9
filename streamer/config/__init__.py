"""The configuration file: read, checked as a whole, and refused with every problem named at once."""

from streamer.config.load import load_config, parse_config, quick_config
from streamer.config.model import CameraConfig, Config, RuleConfig

__all__ = ["CameraConfig", "Config", "RuleConfig", "load_config", "parse_config", "quick_config"]
