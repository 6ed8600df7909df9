"""The whole file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from streamer.config.model.access import HttpConfig, WebConfig
from streamer.config.model.camera import CameraConfig
from streamer.config.model.inference import BehaviourConfig, CaptureConfig, InferenceConfig, ModelConfig
from streamer.config.model.results import CanaryConfig, JsonLinesConfig, KeepConfig, RedisConfig, WebhookConfig
from streamer.config.model.values import Identifier, Strict, ZoneName


class Config(Strict):
    """The whole file."""

    cameras: Annotated[dict[Identifier, CameraConfig], Field(min_length=1)]
    model: ModelConfig = ModelConfig()
    behaviour: BehaviourConfig = BehaviourConfig()
    capture: CaptureConfig = CaptureConfig()
    inference: InferenceConfig = InferenceConfig()
    redis: RedisConfig | None = None
    webhooks: dict[Identifier, WebhookConfig] = {}
    jsonl: JsonLinesConfig | None = None
    canary: CanaryConfig | None = None
    http: HttpConfig | None = HttpConfig()
    web: WebConfig | None = None
    data_dir: Path = Path("streamer-data")  # outbox, pictures, clips, recordings, audit log; a local disk
    keep: KeepConfig = KeepConfig()
    timezone: ZoneName = "UTC"
    shutdown_s: Annotated[float, Field(gt=0, le=300)] = 5.0  # how long the end of the service may take

    @model_validator(mode="after")
    def _all_nodes_have_the_same_model(self) -> Config:
        if self.inference.apart and self.model.precision == "fastest":
            raise ValueError(
                "'model.precision: fastest' is chosen on each machine, and with 'inference.apart' all nodes must have "
                "the same model: name the int8 one in 'model.path'"
            )
        return self

    def zone_info(self) -> ZoneInfo:
        """The time zone of schedules."""
        return ZoneInfo(self.timezone)
