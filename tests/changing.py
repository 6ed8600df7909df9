"""A service that takes any configuration at once, but for the cameras that it was told to refuse."""

from __future__ import annotations

from dataclasses import dataclass, field

from streamer.assembly.changing import Changed, Outcome
from streamer.config import Config
from streamer.config.plan import plan
from streamer.errors import ConfigError


@dataclass
class MemoryChanging:
    """assembly.changing.Changing. refuses: camera → the sentence; impossible: why no configuration can be at all."""

    config: Config
    refuses: dict[str, str] = field(default_factory=dict)
    impossible: str | None = None
    wanted: list[Config] = field(default_factory=list)

    def in_force(self) -> Config:
        return self.config

    def change(self, wanted: Config) -> Changed:
        if self.impossible:
            raise ConfigError([self.impossible])
        self.wanted.append(wanted)
        steps = plan(self.config, wanted)
        cameras, outcomes = dict(self.config.cameras), []
        for step in steps.changes:
            problem = self.refuses.get(step.camera)
            outcomes.append(Outcome(step.camera, step.what, problem))
            if problem is None:
                cameras.pop(step.camera, None)
                if step.what != "removed":
                    cameras[step.camera] = wanted.cameras[step.camera]
        self.config = self.config.model_copy(update={"cameras": cameras})
        return Changed(tuple(outcomes), steps.restart)
