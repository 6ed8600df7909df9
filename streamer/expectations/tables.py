"""What was found, as tables for people, in order of time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from rich.markup import escape
from rich.table import Table

from streamer.expectations.comparison import Change, Comparison
from streamer.expectations.model import Expected
from streamer.expectations.moments import shown
from streamer.expectations.seen import SeenAlert
from streamer.expectations.verdict import Finding, Outcome, Verdict

_SIGNS: Mapping[Outcome, str] = {
    "as expected": "[green]✓ as expected",
    "kept": "[green]✓ kept",
    "allowed": "[dim]· allowed",
    "differs": "[yellow]≠ differs",
    "missing": "[red]✗ missing",
    "unexpected": "[red]✗ unexpected",
    "forbidden": "[red]✗ forbidden",
    "too many": "[red]✗ too many",
}
_CHANGES: Mapping[Change, str] = {
    "same": "[dim]= same",
    "changed": "[yellow]≠ changed",
    "only before": "[red]− only before",
    "only after": "[green]+ only after",
}


def verdict_table(verdict: Verdict, title: str, line_of: Callable[[Finding], int | None]) -> Table:
    """One row for each finding; line_of: where in the file it is written."""
    table = _table(title, "time", "outcome", "alert", "seen", "why", "line")
    for each in verdict.findings:
        line = line_of(each)
        table.add_row(
            shown(each.at_s),
            _SIGNS[each.outcome],
            escape(each.seen.described if each.seen else each.wanted.described if each.wanted else ""),
            escape(_times(each)),
            escape(each.why),
            "" if line is None else str(line),
        )
    return table


def comparison_table(comparison: Comparison, title: str) -> Table:
    """One row for each alert of either configuration."""
    table = _table(title, "time", "", "alert", "before", "after", "how")
    for each in comparison.sides:
        either = each.before or each.after
        assert either is not None
        table.add_row(
            shown(each.at_s),
            _CHANGES[each.change],
            escape(f"{either.rule}: {either.described}"),
            _span(each.before) if each.before else "",
            _span(each.after) if each.after else "",
            escape(each.how),
        )
    return table


def numbered_table(alerts: Sequence[SeenAlert], title: str, wrong: Collection[int]) -> Table:
    """Every alert with its number from 1; those in `wrong` are marked."""
    table = _table(title, "no", "opens", "closes", "rule", "alert", "it said", "")
    for number, each in enumerate(alerts, 1):
        closes = "at the end" if each.cut or each.closed_s is None else shown(each.closed_s)
        mark = "[red]judged wrong" if number in wrong else "[green]right"
        row = (str(number), shown(each.opened_s), closes, escape(each.rule), escape(each.described), escape(each.text))
        table.add_row(*row, mark)
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=escape(title), title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column in ("time", "outcome", "no", "line", ""))
    return table


def _times(finding: Finding) -> str:
    if finding.seen is None:
        wanted = finding.wanted
        return f"expected at {shown(wanted.opens)}" if isinstance(wanted, Expected) else ""
    return _span(finding.seen)


def _span(alert: SeenAlert) -> str:
    if alert.closed_s is None or alert.cut:
        return f"{shown(alert.opened_s)} – end"
    if alert.closed_s == alert.opened_s:
        return shown(alert.opened_s)
    return f"{shown(alert.opened_s)} – {shown(alert.closed_s)}"
