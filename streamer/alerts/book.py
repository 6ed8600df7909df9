"""The book of one camera's alerts: from 'this holds now', frame by frame, to opened, updated, closed.

    condition begins ──held open_after_s──▶ opened ──changed, every update_every_s──▶ updated
                                              └──gone clear_after_s, or the session ends──▶ closed ──▶ cooldown

The book knows no clock: it lives on the times of the frames that it is given, so a recording gives the same alerts
however fast it is read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from streamer.alerts.inherited import Inherited, Legacy, found_again
from streamer.alerts.policy import AlertPolicy
from streamer.alerts.wording import Box, alert_id, normalised_box, reason_of, rounded
from streamer.stages import Rule
from streamer.types import AlertChange, ChangeType, Evidence, Frame

TOLERANCE_S = 1e-6  # five times 0.2 s is not quite a second in floating point
Reason = Literal["cooldown", "max_open"]


@dataclass(frozen=True, slots=True)
class Moment:
    """When and where evidence was found. source_wh is None where there is no picture."""

    session: str
    at: float
    media_s: float
    source_wh: tuple[int, int] | None = None


@dataclass(slots=True, eq=False)
class _Spell:
    """One uninterrupted time for which a rule holds against one subject, and its alert once it has one."""

    began: Moment
    held: Moment  # when it held last
    evidence: Evidence
    best_score: float
    last: AlertChange | None = None  # the newest change of its alert
    told_s: float = 0.0  # media time of that change
    suppressed: bool = False


class _Page:
    """What the book knows of one rule."""

    def __init__(self, policy: AlertPolicy) -> None:
        self.policy = policy
        self.spells: dict[str, _Spell] = {}
        self.inherited: list[Inherited] = []
        self.closed: Moment | None = None
        self.settings: Mapping[str, Any] = {}

    @property
    def open(self) -> int:
        return sum(spell.last is not None for spell in self.spells.values()) + len(self.inherited)

    def refuses(self, now: Moment) -> Reason | None:
        """Why no alert of this rule may open now."""
        if self.closed is not None and self.policy.cooldown_s > 0:
            same_session = self.closed.session == now.session
            passed_s = now.media_s - self.closed.media_s if same_session else abs(now.at - self.closed.at)
            if passed_s < self.policy.cooldown_s - TOLERANCE_S:
                return "cooldown"
        return "max_open" if self.open >= self.policy.max_open else None


class CameraAlertBook:
    """The alerts of one camera, see stages.AlertBook. Not for two threads at once.

    policies       rule name → its patience; evidence of a rule without one is a ValueError
    snapshot_path  names the picture of an alert from any of its changes, before there is one; None: no pictures
    """

    def __init__(
        self,
        camera: str,
        policies: Mapping[str, AlertPolicy],
        *,
        model_hash: str,
        config_hash: str,
        snapshot_path: Callable[[AlertChange], str] | None = None,
    ) -> None:
        self._camera, self._model_hash, self._config_hash = camera, model_hash, config_hash
        self._snapshot_path = snapshot_path
        self._pages = {rule: _Page(policy) for rule, policy in policies.items()}
        self._suppressed: Counter[tuple[str, str]] = Counter()
        self._legacy: Legacy | None = None
        self._leaves = False
        self._now: Moment | None = None

    @property
    def rules(self) -> frozenset[str]:
        """The rules whose alerts it keeps."""
        return frozenset(self._pages)

    @property
    def suppressed(self) -> Mapping[tuple[str, str], int]:
        """(rule, reason) → how many alerts were held back, reason 'cooldown' or 'max_open'. A copy, for any thread.

        One whose condition outlasts the reason opens after all, and stays counted.
        """
        return dict(self._suppressed)

    @property
    def open_alerts(self) -> tuple[AlertChange, ...]:
        """The newest change of every alert that is open, in the order of rules and of their beginning."""
        mine = (spell.last for page in self._pages.values() for spell in page.spells.values())
        theirs = (alert.last for page in self._pages.values() for alert in page.inherited)
        return tuple(last for last in (*mine, *theirs) if last is not None)

    def record(self, rule: Rule, evidence: Sequence[Evidence], frame: Frame) -> list[AlertChange]:
        """The changes that this rule's evidence in this frame brings."""
        now = self._now
        if now is None or now.media_s != frame.media_s or now.session != frame.session:  # the first rule of a frame
            now = self._now = Moment(frame.session, frame.captured_at, frame.media_s, frame.source_wh)
        page = self._pages.get(rule.name)
        if page is not None and not evidence and not page.spells and not page.inherited:  # most rules in most frames
            return []
        return self.record_at(rule.name, rule.kind, evidence, now, settings=getattr(rule, "settings", {}))

    def record_at(
        self,
        rule: str,
        kind: str,
        evidence: Iterable[Evidence],
        now: Moment,
        *,
        settings: Mapping[str, Any] | None = None,
    ) -> list[AlertChange]:
        """The same for what no frame shows (a camera is offline): call it with no evidence when all is well again.

        now.media_s must rise within a session: where there is no stream, any monotonic seconds do.
        """
        page = self._pages.get(rule)
        if page is None:
            raise ValueError(
                f"camera '{self._camera}': rule '{rule}' has no alert policy; there are {', '.join(self._pages)}"
            )
        if self._legacy is not None:  # handed over: the next machine speaks for the camera
            return []
        self._now = now
        page.settings = settings or {}
        # One condition per subject and frame: where a rule says the same twice, the first counts.
        held: dict[str, Evidence] = {}
        moments: dict[str, Evidence] = {}
        for each in evidence:
            (moments if each.momentary else held).setdefault(each.subject, each)
        if not page.spells and not held and not moments and not page.inherited:
            return []
        changes = self._go_on(page, held, now) if page.inherited else []
        changes += self._let_go(page, held, now)
        for each in held.values():
            changes += self._hold(page, rule, kind, each, now)
        for each in moments.values():
            changes += self._happen(page, rule, kind, each, now)
        return changes

    def end_session(self, why: str) -> list[AlertChange]:
        """Close everything that is open, at the last moment that was seen; cooldowns go on.

        What is to be handed over is not closed: it goes into the legacy.
        """
        changes: list[AlertChange] = []
        if self._leaves:
            self._legacy = self._legacy or self._what_is_left()
            return changes
        for page in self._pages.values():
            changes += [closing_change(alert.last, alert.last.at, f"{alert.moved}; {why}") for alert in page.inherited]
            page.inherited.clear()
        if (now := self._now) is None:
            return changes
        for page in self._pages.values():
            spells = [spell for spell in page.spells.values() if spell.last is not None]
            changes += [self._close(page, spell, now, why) for spell in spells]
            page.spells.clear()
        return changes

    # --- a camera that moves between machines (ADR 13) ----------------------------------------------------------------

    def take_over(self, legacy: Legacy, moved: str) -> list[AlertChange]:
        """Go on with what another machine had open; before the first frame. moved: the sentence how it came here.

        Returns the ends of alerts whose rule is not there any more.
        """
        ends = []
        for last in legacy.open:
            page = self._pages.get(last.rule)
            if page is None:
                ends.append(closing_change(last, last.at, f"{moved}; its rule is not there any more"))
            else:
                page.inherited.append(Inherited(last, moved))
        for rule, at in legacy.closed_at.items():
            if rule in self._pages:
                self._pages[rule].closed = Moment("", at, 0.0)
        return ends

    def leave(self) -> None:
        """From any thread: when the session ends next, hand over what is open instead of closing it."""
        self._leaves = True

    @property
    def legacy(self) -> Legacy | None:
        """What was handed over, None before the session has ended."""
        return self._legacy

    @property
    def closed_at(self) -> Mapping[str, float]:
        """Rule → epoch seconds at which its last alert was closed; for any thread."""
        return {rule: closed.at for rule, page in self._pages.items() if (closed := page.closed) is not None}

    def _what_is_left(self) -> Legacy:
        return Legacy(self.open_alerts, self.closed_at)

    def _go_on(self, page: _Page, held: Mapping[str, Evidence], now: Moment) -> list[AlertChange]:
        """Inherited alerts whose subject is seen again go on; those that have waited long enough are closed."""
        new = {subject: each for subject, each in held.items() if not _has_alert(page.spells.get(subject))}
        changes = []
        for alert, subject in found_again(page.inherited, new, now.source_wh):
            page.inherited.remove(alert)
            spell = page.spells.setdefault(subject, _Spell(now, now, new[subject], alert.last.score))
            spell.held, spell.evidence = now, new[subject]
            spell.best_score = max(alert.last.score, new[subject].score)
            spell.last = replace(alert.last, session=now.session)
            what = self._what(page, spell, now)
            what["reason"] = {**what["reason"], "continued": alert.moved}
            changes.append(self._next(spell, "updated", now, what))
        for alert in list(page.inherited):
            alert.since_s = now.media_s if alert.since_s is None else alert.since_s
            if now.media_s - alert.since_s >= alert.patience_s(page.policy) - TOLERANCE_S:
                page.inherited.remove(alert)
                why = f"{alert.moved}; what it was about was not seen here in {now.media_s - alert.since_s:.1f} s"
                changes.append(closing_change(alert.last, now.at, why))
                page.closed = now
        return changes

    def _let_go(self, page: _Page, held: Mapping[str, Evidence], now: Moment) -> list[AlertChange]:
        changes, gone = [], []
        for subject, spell in page.spells.items():
            if subject in held:
                continue
            lapse_s = now.media_s - spell.held.media_s
            if spell.last is None:
                if lapse_s > page.policy.gap_s + TOLERANCE_S:
                    gone.append(subject)
            elif lapse_s >= page.policy.clear_after_s - TOLERANCE_S:
                changes.append(self._close(page, spell, now, f"the condition was gone for {lapse_s:.1f} s"))
                gone.append(subject)
        for subject in gone:
            del page.spells[subject]
        return changes

    def _hold(self, page: _Page, rule: str, kind: str, evidence: Evidence, now: Moment) -> list[AlertChange]:
        spell = page.spells.get(evidence.subject)
        if spell is None:
            spell = page.spells[evidence.subject] = _Spell(now, now, evidence, evidence.score)
        spell.held, spell.evidence, spell.best_score = now, evidence, max(spell.best_score, evidence.score)
        if spell.last is not None:
            return self._update(page, spell, now)
        if now.media_s - spell.began.media_s < page.policy.open_after_s - TOLERANCE_S:
            return []
        if refusal := page.refuses(now):
            if not spell.suppressed:
                spell.suppressed = True
                self._suppressed[rule, refusal] += 1
            return []
        return [self._open(page, spell, rule, kind, now)]

    def _happen(self, page: _Page, rule: str, kind: str, evidence: Evidence, now: Moment) -> list[AlertChange]:
        """What is over in the moment in which it happens opens and closes in that moment; it takes no place."""
        refusal = page.refuses(now)
        if refusal == "cooldown":
            self._suppressed[rule, refusal] += 1
            return []
        spell = _Spell(now, now, evidence, evidence.score)
        return [self._open(page, spell, rule, kind, now), self._close(page, spell, now, "it happened at one moment")]

    def _open(self, page: _Page, spell: _Spell, rule: str, kind: str, now: Moment) -> AlertChange:
        began, evidence = spell.began, spell.evidence
        change = AlertChange(
            id=alert_id(
                camera=self._camera,
                session=began.session,
                rule=rule,
                kind=kind,
                subject=evidence.subject,
                started_media_s=began.media_s,
            ),
            seq=1,
            type="opened",
            camera=self._camera,
            session=began.session,
            rule=rule,
            kind=kind,
            severity=page.policy.severity,
            started_at=rounded(began.at),
            at=rounded(now.at),
            media_s=rounded(now.media_s),
            **self._what(page, spell, now),
        )
        if self._snapshot_path is not None and now.source_wh is not None:
            change = replace(change, snapshot=self._snapshot_path(change), strip=evidence.strip)
        spell.last, spell.told_s = change, now.media_s
        return change

    def _update(self, page: _Page, spell: _Spell, now: Moment) -> list[AlertChange]:
        last = spell.last
        assert last is not None
        if now.media_s - spell.told_s < page.policy.update_every_s - TOLERANCE_S:
            return []
        what = self._what(page, spell, now)
        if not _says_more(last, what):
            return []
        return [self._next(spell, "updated", now, what)]

    def _close(self, page: _Page, spell: _Spell, now: Moment, why: str) -> AlertChange:
        what = self._what(page, spell, now)
        what["reason"] = {**what["reason"], "closed_because": why, "held_until": rounded(spell.held.at)}
        page.closed = now
        return self._next(spell, "closed", now, what)

    def _next(self, spell: _Spell, type_: ChangeType, now: Moment, what: Mapping[str, Any]) -> AlertChange:
        assert spell.last is not None
        spell.last = replace(
            spell.last,
            seq=spell.last.seq + 1,
            type=type_,
            at=rounded(now.at),
            media_s=rounded(now.media_s),
            **what,
        )
        spell.told_s = now.media_s
        return spell.last

    def _what(self, page: _Page, spell: _Spell, now: Moment) -> dict[str, Any]:
        """The part of a change that its evidence says."""
        evidence = spell.evidence
        box: Box | None = normalised_box(evidence.box_xyxy, spell.held.source_wh or now.source_wh)
        reason = reason_of(evidence, settings=page.settings, model_hash=self._model_hash, config_hash=self._config_hash)
        return {
            "score": rounded(spell.best_score),
            "label": evidence.label,
            "place": evidence.place,
            "track_ids": evidence.track_ids,
            "box": box,
            "reason": reason,
        }


def closing_change(last: AlertChange, at: float, why: str) -> AlertChange:
    """The change that closes an alert which was still open when the service stopped or died.

    last: its newest change, as the outbox kept it; at: epoch seconds of its end as far as known.
    """
    reason = {**last.reason, "closed_because": why, "held_until": last.at}
    return replace(last, seq=last.seq + 1, type="closed", at=max(last.at, rounded(at)), reason=reason)


def _has_alert(spell: _Spell | None) -> bool:
    return spell is not None and spell.last is not None


def _says_more(last: AlertChange, what: Mapping[str, Any]) -> bool:
    """Whether an update would tell a person anything: moved, surer, other numbers."""
    if what["score"] - last.score >= 0.05 or what["label"] != last.label or what["track_ids"] != last.track_ids:
        return True
    box = what["box"]
    if (box is None) != (last.box is None):
        return True
    if box is not None and last.box is not None and max(abs(a - b) for a, b in zip(box, last.box, strict=True)) >= 0.01:
        return True
    return bool(what["reason"]["measures"] != last.reason["measures"])
