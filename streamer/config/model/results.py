"""Where results go, and how long things stay."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr

from streamer.config.model.values import Strict


class RedisConfig(Strict):
    """Where results go. The password belongs into the environment: redis://:${REDIS_PASSWORD}@host:6379/0.

    signing_key: every alert is signed with it (docs/wire.md): ${file:/run/secrets/alert-key}, 16 characters or more.
    """

    url: Annotated[str, Field(pattern=r"^(redis|rediss|unix|rediss?[+]cluster|rediss?[+]sentinel)://")]
    alerts_keep: Annotated[int, Field(ge=1000)] = 1_000_000
    signing_key: Annotated[SecretStr, Field(min_length=16)] | None = None
    frames_keep: Annotated[int, Field(ge=1)] = 1000


class WebhookConfig(Strict):
    """An HTTP address that gets every alert change, signed with HMAC-SHA256."""

    url: Annotated[str, Field(pattern=r"^https?://")]
    secret: SecretStr
    timeout_s: Annotated[float, Field(gt=0, le=60)] = 5.0


class JsonLinesConfig(Strict):
    """A file that gets every alert change as one JSON line."""

    path: Path
    rotate_mb: Annotated[float, Field(gt=0)] = 100.0


class KeepConfig(Strict):
    """How long things stay in the data folder."""

    snapshots_days: Annotated[float, Field(gt=0)] = 14.0
    snapshots_mb: Annotated[float, Field(gt=0)] = 2000.0
    delivered_hours: Annotated[float, Field(gt=0)] = 24.0
    clips_days: Annotated[float, Field(gt=0)] = 14.0
    clips_mb: Annotated[float, Field(gt=0)] = 5000.0
    recordings_days: Annotated[float, Field(gt=0)] = 7.0
    recordings_mb: Annotated[float, Field(gt=0)] = 20_000.0
    audit_days: Annotated[float, Field(ge=1)] = 365.0


class CanaryConfig(Strict):
    """A known event goes the whole way of an alert every so often, and must come back from Redis within a time."""

    every_s: Annotated[float, Field(ge=5, le=86_400)] = 60.0
    within_s: Annotated[float, Field(gt=0, le=3600)] = 10.0
