"""What nodes of a cluster say of themselves where the model is apart from the cameras: counts, metrics, readiness."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections import Counter
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from streamer.cluster.state import Picture


def answered(seen: Picture, node: str) -> int:
    """Questions that this inference node has answered."""
    beat = seen.beats.get(node)
    return 0 if beat is None or beat.inference is None else int(beat.inference["questions"].get("answered", 0))


def fetched(seen: Picture, node: str, page: str) -> str:
    """A page of a node's HTTP address, whatever its status."""
    try:
        with urllib.request.urlopen(f"{seen.beats[node].metrics}{page}", timeout=30) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as refused:
        return refused.read().decode()


def readyz(seen: Picture, node: str) -> Any:
    """What /readyz says."""
    return json.loads(fetched(seen, node, "/readyz"))


def samples(seen: Picture, node: str) -> list[Any]:
    """All of /metrics."""
    return [
        each for family in text_string_to_metric_families(fetched(seen, node, "/metrics")) for each in family.samples
    ]


def frames_of(seen: Picture, node: str) -> Counter[str]:
    """Frames of all cameras of a node by what became of them, and those dropped by reason as `dropped:REASON`."""
    found: Counter[str] = Counter({"received": 0, "analysed": 0, "skipped": 0, "dropped": 0})
    for sample in samples(seen, node):
        if sample.name == "streamer_frames_total":
            found[sample.labels["outcome"]] += int(sample.value)
            if sample.labels["outcome"] == "dropped":
                found[f"dropped:{sample.labels['reason']}"] += int(sample.value)
    return found
