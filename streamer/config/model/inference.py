"""What looks at the pictures, on what it runs, and who gets it when there is not time for all."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from streamer.config.model.values import NodeLabel, Strict
from streamer.model_signature import PublicKey, public_key


def _public_key(line: str) -> str:
    public_key(line)
    return line.strip()


ModelDevice = Annotated[int, Field(ge=0, le=255)] | Annotated[str, Field(pattern=r"^(cpu|cuda|cuda:\d+)$")]


class ModelConfig(Strict):
    """Which detector, on what it runs, and who must have signed it.

    trusted_keys: lines of OpenSSH public key files, `ssh-ed25519 AAAA… comment`. With any, every model that is opened
    (detectors, behaviour heads, second looks; bundled ones too) must be signed by one of them (docs/models.md).
    """

    path: Path | None = None  # or the name of a bundled or pulled model; None: the default one
    provider: Literal["cpu", "cuda", "tensorrt", "torch"] = "cpu"
    threads: Annotated[int, Field(ge=1, le=256)] | Literal["auto"] = "auto"  # in all; auto: as many as there are cores
    lanes: Annotated[int, Field(ge=1, le=256)] | Literal["auto"] = "auto"  # calls at once; auto: what proves faster
    device: ModelDevice | Annotated[list[ModelDevice], Field(min_length=1)] | None = None  # GPU 0, 'cuda:1', [0, 1]
    precision: Literal["as_exported", "fp16", "fastest"] = "as_exported"  # fastest: the int8 one where that is faster
    trusted_keys: list[Annotated[str, AfterValidator(_public_key)]] = []

    @property
    def keys(self) -> tuple[PublicKey, ...]:
        """Whose signature a model needs; none: it needs none."""
        return tuple(map(public_key, self.trusted_keys))

    @property
    def devices(self) -> tuple[int | str | None, ...]:
        """One per session."""
        return tuple(self.device) if isinstance(self.device, list) else (self.device,)

    @model_validator(mode="after")
    def _fastest_is_measured_on_the_cpu(self) -> ModelConfig:
        if self.precision == "fastest" and self.provider != "cpu":
            raise ValueError("'precision: fastest' chooses between fp32 and int8 for 'provider: cpu'")
        return self

    @model_validator(mode="after")
    def _lanes_have_threads(self) -> ModelConfig:
        if isinstance(self.lanes, int):
            if self.provider != "cpu":
                raise ValueError("'lanes' are for 'provider: cpu'; on a GPU there is one for each 'device'")
            if isinstance(self.threads, int) and self.lanes > self.threads:
                raise ValueError(f"'lanes: {self.lanes}' need at least as many 'threads', not {self.threads}")
        return self

    @model_validator(mode="after")
    def _device_belongs_to_the_provider(self) -> ModelConfig:
        if self.provider == "cpu" and self.device not in (None, "cpu"):
            raise ValueError("'device' names a GPU: it needs 'provider: cuda', 'tensorrt' or 'torch'")
        if len(set(map(str, self.devices))) < len(self.devices):
            raise ValueError(f"'device' names one twice: {self.device}")
        return self


class BehaviourConfig(Strict):
    """Which temporal models look at tracks and at whole pictures, where rules ask for them; null switches one off."""

    track: Path | None = Path("gait")  # a folder, or the name of a bundled or pulled model
    scene: Path | None = Path("brawl")
    everywhere: bool = False  # at cameras without such rules too, for the live feed and for replay


class ApartConfig(Strict):
    """Of a cluster: which nodes have the model. They read no cameras; all others do, and show their pictures to these.

    `require`: labels that a node must have for it (`ray start --labels`); `gpu`: it must have a GPU. `questions`:
    batches that a node with cameras has under way at once. A machine on its own (`streamer run`) has the model itself.
    """

    require: Annotated[list[NodeLabel], Field(max_length=20)] = []
    gpu: bool = False
    questions: Annotated[int, Field(ge=1, le=64)] = 4

    @model_validator(mode="after")
    def _some_nodes_are_named(self) -> ApartConfig:
        if not self.require and not self.gpu:
            raise ValueError("name the nodes that have the model: 'require: [\"role=inference\"]', or 'gpu: true'")
        return self


class InferenceConfig(Strict):
    """How frames are gathered for the model (see inbox.BatchPolicy), and what is done with cameras that are too many.

    when_full: `degrade` analyses fewer pictures of every camera, at least `least_fps` a second, and refuses the last
    cameras where that is not enough; `refuse` takes cameras in their order as long as there is room; `admit` takes all,
    and overload is shed frame by frame. `capacity`: what `streamer bench --json` wrote, for the cost of decoding too.
    """

    max_batch: Annotated[int, Field(ge=1, le=256)] = 8
    max_wait_s: Annotated[float, Field(ge=0, le=1)] = 0.01
    max_age_s: Annotated[float, Field(gt=0, le=60)] = 0.5
    depth: Annotated[int, Field(ge=1, le=1000)] = 16
    when_full: Literal["degrade", "refuse", "admit"] = "degrade"
    least_fps: Annotated[float, Field(gt=0, le=240)] = 1.0
    capacity: Path | None = None
    apart: ApartConfig | None = None  # the model is on other nodes of the cluster than the cameras


class CaptureConfig(Strict):
    """In how many processes cameras are read: 0 is the service's own; recordings that are read on demand stay there.

    frames_mb: of memory that each of them may fill with frames on their way to the model.
    """

    processes: Annotated[int, Field(ge=0, le=64)] | Literal["auto"] = "auto"
    frames_mb: Annotated[float, Field(ge=16, le=4000)] = 128.0
