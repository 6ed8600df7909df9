"""The same for machines: JSON, and the XML that continuous integration shows as tests (JUnit's)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from streamer.expectations.comparison import Comparison
from streamer.expectations.load import Written
from streamer.expectations.model import AtMost, Expected
from streamer.expectations.moments import shown
from streamer.expectations.seen import SeenAlert
from streamer.expectations.verdict import Finding, Verdict

_DECIMALS = 3
# What XML 1.0 cannot hold even as an entity; camera and rule texts may be anything.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Proof:
    """The verdict on the number-th video of a file, and how long the replay took."""

    written: Written
    number: int
    camera: str
    verdict: Verdict
    took_s: float

    @property
    def video(self) -> str:
        """The video as the file names it."""
        return self.written.expectations.videos[self.number].video.as_posix()

    def line_of(self, finding: Finding) -> int | None:
        """The line on which what was expected is written, None where nothing is."""
        return self.written.line_of("videos", self.number, *finding.entry) if finding.entry else None

    @property
    def told(self) -> str:
        """One sentence for a person."""
        return f"{self.video} ({self.camera}): {self.verdict.told}"


def proofs_json(proofs: Sequence[Proof]) -> dict[str, Any]:
    """{"ok": …, "videos": [{"video", "camera", "ok", "told", "findings": […]}]}."""
    return {
        "ok": all(each.verdict.good for each in proofs),
        "videos": [
            {
                "video": each.video,
                "camera": each.camera,
                "ok": each.verdict.good,
                "told": each.verdict.told,
                "findings": [_finding_json(finding, each.line_of(finding)) for finding in each.verdict.findings],
            }
            for each in proofs
        ],
    }


def comparison_json(video: str, camera: str, comparison: Comparison) -> dict[str, Any]:
    """{"same": …, "video", "camera", "told", "alerts": [{"change", "at_s", "before", "after", "how"}]}."""
    alerts = [
        {
            "change": each.change,
            "at_s": round(each.at_s, _DECIMALS),
            "before": each.before and alert_json(each.before),
            "after": each.after and alert_json(each.after),
            "how": each.how or None,
        }
        for each in comparison.sides
    ]
    return {
        "same": comparison.same,
        "video": video,
        "camera": camera,
        "told": comparison.told,
        "alerts": alerts,
    }


def alert_json(alert: SeenAlert) -> dict[str, Any]:
    """An alert as JSON values."""
    return {
        "id": alert.id,
        "rule": alert.rule,
        "kind": alert.kind,
        "severity": alert.severity,
        "opened_s": round(alert.opened_s, _DECIMALS),
        "closed_s": None if alert.closed_s is None else round(alert.closed_s, _DECIMALS),
        "open_at_end": alert.cut or alert.closed_s is None,
        "place": alert.place,
        "label": alert.label,
        "track_ids": list(alert.track_ids),
        "box": None if alert.box is None else list(alert.box),
        "text": alert.text,
    }


def _finding_json(finding: Finding, line: int | None) -> dict[str, Any]:
    wanted = finding.wanted
    return {
        "outcome": finding.outcome,
        "ok": finding.good,
        "at_s": round(finding.at_s, _DECIMALS),
        "line": line,
        "expected": wanted and wanted.model_dump(mode="json", by_alias=True, exclude_unset=True),
        "seen": finding.seen and alert_json(finding.seen),
        "why": finding.why or None,
    }


def junit_xml(proofs: Sequence[Proof]) -> bytes:
    """One suite per video, one test case per line of the comparison but for alerts that are merely allowed."""
    root = ElementTree.Element("testsuites", name="streamer replay --expect")
    for proof in proofs:
        cases = [each for each in proof.verdict.findings if each.outcome != "allowed"]
        failed = sum(not each.good for each in cases)
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=_plain(f"{proof.video} ({proof.camera})"),
            tests=str(len(cases)),
            failures=str(failed),
            errors="0",
            skipped="0",
            time=f"{proof.took_s:.3f}",
        )
        for each in cases:
            case = ElementTree.SubElement(
                suite, "testcase", classname=_plain(f"{proof.camera}.{proof.video}"), name=_plain(_case_name(each))
            )
            if (line := proof.line_of(each)) is not None:
                case.set("file", _plain(str(proof.written.path)))
                case.set("line", str(line))
            if not each.good:
                said = _plain(_failure(each))
                ElementTree.SubElement(case, "failure", type=each.outcome, message=said).text = said
    ElementTree.indent(root)
    xml: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return xml


def _case_name(finding: Finding) -> str:
    wanted = finding.wanted
    if isinstance(wanted, Expected):
        return f"{wanted.described} at {shown(wanted.opens)}"
    if isinstance(wanted, AtMost):  # a test has one name, however it ends
        return f"at most {wanted.count}: {wanted.described}"
    if finding.entry:
        return finding.why
    return f"nothing unexpected: {finding.seen.described if finding.seen else ''} at {shown(finding.at_s)}"


def _failure(finding: Finding) -> str:
    about = finding.seen.described if finding.seen else finding.wanted.described if finding.wanted else ""
    why = f" ({finding.why})" if finding.why else ""
    return f"{finding.outcome}: {about} at {shown(finding.at_s)}{why}"


def _plain(text: str) -> str:
    return _NOT_XML.sub("?", text)
