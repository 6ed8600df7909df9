"""A rule that fails is judged no more and says so, and nothing else of the house notices (promise 3).

Each rule of a camera stands behind an IsolatedRule. What it raises, and evidence that no message could carry (a score
that is no number), disables this one rule of this one camera until its configuration changes, which builds it anew.
RuleFailedRule, judged behind them, holds the fact against the camera as `camera.rule_failed`; what the failed rule had
open closes as ever, since its condition is not seen any more.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping, Sequence

from streamer.stages import Rule
from streamer.types import Evidence, Frame, Tracks

_log = logging.getLogger("streamer.rules")


class IsolatedRule:
    """stages.Rule around another. failure: the sentence why it is disabled, None while it is judged."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.name, self.kind = rule.name, rule.kind
        self.settings: Mapping[str, object] = getattr(rule, "settings", {})
        self.failure: str | None = None

    def judge(self, frame: Frame, tracks: Tracks) -> Iterable[Evidence]:
        """The rule's own evidence; none from the frame on in which it failed."""
        if self.failure is not None:
            return ()
        try:
            evidence = tuple(self.rule.judge(frame, tracks))
            _refuse_what_is_no_number(evidence)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must stay with this rule of this camera
            self._fail(frame.camera, error)
            return ()
        return evidence

    def reset(self) -> None:
        """A new session begins; a rule that failed stays disabled."""
        if self.failure is None:
            try:
                self.rule.reset()
            except Exception as error:  # noqa: BLE001 - as above
                self._fail("", error)

    def _fail(self, camera: str, error: Exception) -> None:
        self.failure = f"{type(error).__name__}: {error}"[:300]
        _log.error(
            "camera %r: rule %r failed and is disabled until its configuration changes",
            *(camera, self.name),
            exc_info=error,
            extra={"camera": camera, "event": "rule_failed"},
        )


class RuleFailedRule:
    """Holds against a camera that rules of it are disabled; one subject for each."""

    name = kind = "camera.rule_failed"

    def __init__(self, watched: Sequence[IsolatedRule]) -> None:
        self._watched = tuple(watched)

    def judge(self, frame: Frame, tracks: Tracks) -> Iterable[Evidence]:  # noqa: ARG002 - it is about the rules
        """One for every rule that is disabled now."""
        return [
            Evidence(
                subject=f"rule:{each.name}",
                text=f"rule '{each.name}' failed and is disabled until its configuration changes ({each.failure})",
                details={"disabled_rule": each.name, "error": each.failure},
            )
            for each in self._watched
            if each.failure is not None
        ]

    def reset(self) -> None:
        """A new session begins: what failed before still has."""


def isolated(rules: Sequence[Rule]) -> list[Rule]:
    """The same rules, each behind a wall, and the one that tells which of them fell."""
    behind = [IsolatedRule(rule) for rule in rules]
    return [*behind, RuleFailedRule(behind)]


def innermost(rule: Rule) -> Rule:
    """The rule itself, out of all that stands around it (a schedule, a wall)."""
    while (within := getattr(rule, "rule", None)) is not None:
        rule = within
    return rule


def _refuse_what_is_no_number(evidence: Sequence[Evidence]) -> None:
    for each in evidence:
        numbers = (each.score, *(each.box_xyxy or ()))
        if not all(map(math.isfinite, numbers)):
            raise ValueError(f"evidence about {each.subject} has a score of {each.score}, a box of {each.box_xyxy}")
