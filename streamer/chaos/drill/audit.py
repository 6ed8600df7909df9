"""Whether every alert change was received once and in order. Pure: what was stored and seen in, numbers out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Audit:
    """lost: stored and never seen, or missing between two that were seen. examples: `id:seq` of what is wrong."""

    sent: int
    lost: int
    doubled: int
    out_of_order: int
    examples: tuple[str, ...] = ()

    @property
    def clean(self) -> bool:
        """Nothing lost, nothing doubled, nothing out of order."""
        return not (self.lost or self.doubled or self.out_of_order)


def audit(stored: Iterable[tuple[str, int]], seen: Sequence[tuple[str, int]]) -> Audit:
    """Compare what the outbox committed with what the subscriber handled, both as (id, seq).

    The outbox is the service's own book, so it is not believed alone: the numbers of an alert's changes rise one by
    one, and one that is missing below the highest that was seen is lost, whoever forgot it.
    """
    times = Counter(seen)
    last: dict[str, int] = {}
    backwards = []
    for id_, seq in seen:
        if seq < last.get(id_, 0):
            backwards.append((id_, seq))
        last[id_] = max(seq, last.get(id_, 0))
    due = set(stored) | {(id_, seq) for id_, highest in last.items() for seq in range(1, highest + 1)}
    lost = sorted(due - times.keys())
    doubled = sorted(name for name, count in times.items() if count > 1)
    examples = [f"{word} {id_}:{seq}" for word, names in (("lost", lost), ("doubled", doubled), ("late", backwards))
                for id_, seq in names[:3]]  # fmt: skip
    return Audit(len(due), len(lost), len(doubled), len(backwards), tuple(examples))
