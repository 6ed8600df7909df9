"""The three cameras of the demo: one street, seen from across, along and from behind the yard."""

from __future__ import annotations

import math

from streamer.demo.perspective import Viewpoint

SEED = 20
PERIOD_S = 56.0
GATE = Viewpoint(x=-1.0, z=-13.0, height_m=5.2, yaw_rad=0.06, focal_px=560, horizon_px=48)
AVENUE = Viewpoint(x=-21.0, z=-5.2, height_m=5.6, yaw_rad=math.radians(69), focal_px=520, horizon_px=62)
YARD = Viewpoint(x=11.5, z=25.5, height_m=7.5, yaw_rad=math.radians(180 + 28), focal_px=520, horizon_px=20)
VIEWS = {"gate": GATE, "avenue": AVENUE, "yard": YARD}
