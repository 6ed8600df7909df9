"""The model apart from the cameras: pictures go where it runs, what it finds comes back, in time or not at all.

    capture node                                              inference node
    FrameInbox ─▶ ApartDetector ─ Question ─▶ Door ─────────▶ AnsweringDesk ─▶ Gatherer ─▶ the detector
                       ▲                                            │         (several nodes in one run)
                       └──────────────── Answer ────────────────────┘

What carries them is a Door's affair (fleet/inference_on_ray.py: Ray's object store). docs/cluster.md, ADR 15.
"""
