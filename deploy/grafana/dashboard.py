"""Writes the JSON of the dashboards: `python -m deploy.grafana.dashboard`.

Every expression asks only for what streamer/telemetry/metrics.py lists, for what the rules record, and for `up` and
`process_*`; tests hold that, and that the JSON in the repository is what is written here.
"""

from __future__ import annotations

import json
from pathlib import Path

from deploy.grafana.behaviour import BEHAVIOUR
from deploy.grafana.camera import CAMERA_PAGE
from deploy.grafana.latency import LATENCY
from deploy.grafana.overview import OVERVIEW
from deploy.grafana.panels import Dashboard

FOLDER = Path(__file__).parent / "dashboards"
DASHBOARDS = (OVERVIEW, CAMERA_PAGE, LATENCY, BEHAVIOUR)


def written(dashboard: Dashboard) -> str:
    """The JSON of a dashboard, as it is kept in the repository."""
    return json.dumps(dashboard.as_json(), indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    """Write all of them."""
    FOLDER.mkdir(exist_ok=True)
    for dashboard in DASHBOARDS:
        (FOLDER / f"{dashboard.uid}.json").write_text(written(dashboard))


if __name__ == "__main__":
    main()
