"""The page of behaviour: what is raised, held back and learned."""

from __future__ import annotations

from deploy.grafana.asking import CAMERA, CAMERA_CHOICE, INSTANCE_CHOICE, SERVICE
from deploy.grafana.panels import Dashboard, Panel, Query, Row, Step

BEHAVIOUR = Dashboard(
    "streamer-behaviour",
    "Streamer: behaviour",
    "What is raised, held back and learned.",
    (INSTANCE_CHOICE, CAMERA_CHOICE),
    (
        Row(
            "Alerts",
            (
                Panel(
                    "Opened in an hour",
                    "By camera and kind.",
                    (
                        Query(
                            f'sum by (camera, kind) (increase(streamer_alerts_total{{{CAMERA}, type="opened"}}[1h]))',
                            "{{camera}} {{kind}}",
                        ),
                    ),
                    columns=12,
                    stacked=True,
                ),
                Panel(
                    "Held back by cooldown, in an hour",
                    "By camera and kind. Many: the rule fires on something that stays; look at its zone.",
                    (
                        Query(
                            f"sum by (camera, kind) (increase(streamer_alerts_suppressed_total{{{CAMERA}}}[1h]))",
                            "{{camera}} {{kind}}",
                            quiet=True,
                        ),
                    ),
                    columns=12,
                ),
                Panel(
                    "Behaviour alerts in a day",
                    "Opened, by kind: set beside the budget of false alerts that you configured.",
                    (
                        Query(
                            "sum by (camera, kind) (increase(streamer_alerts_total"
                            f'{{{CAMERA}, type="opened", kind=~"behaviour.*"}}[1d]))',
                            "{{camera}} {{kind}}",
                            quiet=True,
                        ),
                    ),
                    kind="table",
                    columns=12,
                ),
                Panel(
                    "Commands over Redis",
                    "Done, or why not, in five minutes.",
                    (Query(f"sum by (reason) (increase(streamer_commands_total{{{SERVICE}}}[5m]))", "{{reason}}"),),
                    columns=12,
                ),
            ),
        ),
        Row(
            "Anomaly",
            (
                Panel(
                    "Calibrated",
                    "0 while learning: behaviour.anomaly raises nothing before `streamer calibrate` has run.",
                    (Query(f"streamer_behaviour_calibrated{{{CAMERA}}}", "{{camera}}"),),
                    kind="state-timeline",
                    unit="bool_yes_no",
                    columns=12,
                    steps=(Step("orange"), Step("green", 1)),
                ),
                Panel(
                    "Drift",
                    "How much speaks for a change since calibration: docs/operations.md#streamercameradrifted.",
                    (Query(f"streamer_behaviour_drift_ratio{{{CAMERA}}}", "{{camera}}", quiet=True),),
                    unit="percentunit",
                    columns=12,
                    most=1.0,
                    steps=(Step("green"), Step("red", 0.95)),
                ),
            ),
        ),
        Row(
            "Model",
            (
                Panel(
                    "In use",
                    "Name and short hash.",
                    (Query(f"streamer_model_info{{{SERVICE}}}"),),
                    kind="table",
                    columns=24,
                    height=5,
                ),
            ),
        ),
    ),
)
