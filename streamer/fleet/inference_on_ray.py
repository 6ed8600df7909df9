"""Pictures through Ray: an inference node as an actor, and the doors to all of them, for nodes that read cameras.

    capture node                     Ray's object store                  inference node
    ray.put(pixels) ─────────────▶ one array per question ─────────────▶ the actor reads it where it lies
    actor.answer(question, reference) ────────────────────────────────▶ AnsweringDesk, on a thread of Ray's
    ray.get(answer, timeout=what is left) ◀──────────────── small arrays

Who is there is asked on a thread of its own: a Ray that is slow or away holds up no question that is under way.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping
from math import isinf
from typing import Any

from streamer.apart.answer import Answer
from streamer.apart.door import DoorGone, Doors, DoorSilent
from streamer.apart.question import Question
from streamer.assembly.apart import open_apart
from streamer.assembly.model import OpenModel, model_here
from streamer.clock import Clock, SystemClock
from streamer.config import Config
from streamer.errors import StreamerError, redact
from streamer.fleet.answering import InferenceNode
from streamer.fleet.host import NodeFacts
from streamer.telemetry import logs

_log = logging.getLogger("streamer.fleet")

INFERENCE = "streamer-inference-"
QUESTIONS_AT_ONCE = 64
"""Of all nodes together at one inference node, each on a thread that mostly waits; more wait with Ray, and are late."""
_QUESTIONS = "questions"
_LOOK_EVERY_S = 1.0
_HEARD_WITHIN_S = 2.0
_SILENT_AFTER_S = 5.0
_STOPPED_WITHIN_S = 10.0
_AGAIN_AFTER_S = 0.5


class RayDoor:
    """A Door to one actor."""

    def __init__(self, ray: Any, actor: Any, name: str) -> None:
        self._ray, self._actor, self.name = ray, actor, name
        self._answer = actor.answer.options(concurrency_group=_QUESTIONS)

    def ask(self, question: Question, within_s: float) -> Answer:
        """See apart.door.Door."""
        errors = self._ray.exceptions
        try:
            pixels = self._ray.put(question.pixels)
            asked = self._answer.remote(question.without_pixels(), pixels)
            answer: Answer = self._ray.get(asked, timeout=None if isinf(within_s) else within_s)
        except errors.GetTimeoutError as error:
            raise DoorSilent(f"no answer within {within_s:.2f} s") from error
        except errors.RayError as error:  # the actor, its node or the pictures are gone, or it has no model any more
            raise DoorGone(type(error).__name__) from error
        return answer


class RayDoors:
    """Keeps a list of doors true until that is closed: who answers is open."""

    def __init__(self, ray: Any, clock: Clock, namespace: str) -> None:
        self._ray, self._clock, self._namespace = ray, clock, namespace
        self.doors = Doors()
        self._known: dict[str, tuple[Any, RayDoor | None]] = {}  # by the actor's name, of this life of its node
        self._heard_s: dict[str, float] = {}
        self._thread = threading.Thread(target=self._run, name="cluster:doors", daemon=True)

    def start(self) -> None:
        """Begin; once."""
        self._thread.start()

    def _run(self) -> None:
        in_trouble = False
        while not self.doors.closed:
            try:
                self._look()
                in_trouble = False
            except Exception as error:  # noqa: BLE001 - Ray is away or says something new; doors that are open stay so
                if not in_trouble:
                    _log.warning("Ray does not say who has the model: %s: %s", type(error).__name__, error)
                in_trouble = True
            self.doors.wait_for_change(self.doors.open(), _LOOK_EVERY_S)

    def _look(self) -> None:
        there = {
            each["name"]
            for each in self._ray.util.list_named_actors(all_namespaces=True)
            if each["namespace"] == self._namespace and each["name"].startswith(INFERENCE)
        }
        for name in self._known.keys() - there:
            del self._known[name]
        for name in there - self._known.keys():
            self._known[name] = self._ray.get_actor(name, namespace=self._namespace), None
        asked = {self._known[name][0].about.remote(): name for name in sorted(there)}
        answered, _ = self._ray.wait([*asked], num_returns=len(asked), timeout=_HEARD_WITHIN_S) if asked else ([], [])
        for reference in answered:
            self._hear(asked[reference], reference)
        now_s = self._clock.monotonic()
        fresh = {name for name in there if now_s - self._heard_s.get(name, float("-inf")) < _SILENT_AFTER_S}
        found = [door for name in sorted(fresh) if (door := self._known[name][1]) is not None]
        if {*found} != {*self.doors.open()}:
            _log.info("inference nodes that answer: %s", ", ".join(door.name for door in found) or "none")
        why = "no node of the cluster has the model: see inference.apart" if not there else "no inference node answers"
        if not self.doors.closed:
            self.doors.become(found, why)

    def _hear(self, name: str, reference: Any) -> None:
        try:
            about: Mapping[str, Any] = self._ray.get(reference)
        except self._ray.exceptions.RayError:
            self._heard_s.pop(name, None)
            return
        actor, door = self._known[name]
        if not about["ready"]:
            self._heard_s.pop(name, None)
        else:
            self._known[name] = actor, door or RayDoor(self._ray, actor, str(about["name"]))
            self._heard_s[name] = self._clock.monotonic()


class InferenceActor:
    """An inference node on a thread, in its own process: where the model fails that ends too, and Ray begins anew."""

    def __init__(self, url: str, facts: NodeFacts) -> None:
        logs.set_up("json", "info")
        self._node = InferenceNode(url, facts, SystemClock())
        self._told_to_stop = False
        self._ended = threading.Event()
        threading.Thread(target=self._run, name="cluster:inference", daemon=True).start()

    def ping(self) -> int:
        """Its process."""
        return os.getpid()

    def about(self) -> dict[str, object]:
        """Who it is, and whether it can be asked."""
        return {"name": self._node.name, "ready": self._node.is_ready}

    def answer(self, question: Question, pixels: Any) -> Answer:
        """What is found in these pictures; pixels lie in the object store and are read there. Raises DoorGone."""
        return self._node.answer(question.with_pixels(pixels))

    def stop(self) -> None:
        """Returns when nobody is answered any more."""
        self._told_to_stop = True
        self._node.stop()
        self._ended.wait(_STOPPED_WITHIN_S)

    def _run(self) -> None:
        try:
            self._node.run()
        except StreamerError as error:
            _log.error("this node cannot answer: %s", redact(str(error)))
        except Exception:  # noqa: BLE001 - a bug: it is told, and a new process tries again
            _log.exception("the inference of this node failed")
        self._ended.set()
        if not self._told_to_stop:
            threading.Event().wait(_AGAIN_AFTER_S)  # a model that fails at once is not opened a hundred times a second
            os._exit(1)


def remote_class(ray: Any) -> Any:
    """InferenceActor for Ray: questions on threads of their own, so that it can be asked how it is beside them."""
    return ray.remote(concurrency_groups={_QUESTIONS: QUESTIONS_AT_ONCE})(InferenceActor)


def model_of(config: Config, node: str, namespace: str) -> OpenModel:
    """The model as a node of the cluster that reads cameras has it: its own, or that of the inference nodes."""
    if config.inference.apart is None:
        return model_here(config)
    import ray

    clock = SystemClock()
    doors = RayDoors(ray, clock, namespace)
    model = open_apart(config, doors.doors, node, clock)
    doors.start()
    return model
