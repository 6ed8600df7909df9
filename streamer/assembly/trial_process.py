"""`python -m streamer.assembly.trial_process`: opens one camera, waits for one picture, and says what came of it.

A process of its own: what a camera that nobody has tried yet sends must not be able to end the service. In and out are
one JSON each; the settings come over standard input, because they hold passwords and a command line is read by all.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import threading
from typing import Any

from streamer.assembly.camera import build_source
from streamer.assembly.privacy import privacy_of
from streamer.clock import SystemClock
from streamer.config import CameraConfig
from streamer.errors import StreamerError, redact
from streamer.fit import InputFit
from streamer.privacy.jpeg import jpeg
from streamer.privacy.publishable import Publishable, veiled
from streamer.privacy.veil import Veil
from streamer.surroundings import Surroundings
from streamer.types import Frame

MOST_WIDTH_PX = 960
_QUALITY = 80
_MODEL_PX = (320, 320)


def tried(name: str, camera: CameraConfig, patience_s: float) -> dict[str, Any]:
    """ok, said, and the picture as base64 where there is one."""
    clock = SystemClock()
    around = Surroundings.alone(name, clock)
    source = build_source(name, camera.model_copy(update={"decode": "always"}), InputFit(_MODEL_PX), around, clock)
    timer = threading.Timer(patience_s, source.close)
    timer.daemon = True
    timer.start()
    began_s = clock.monotonic()
    try:
        for frame in source.frames():
            width, height = frame.source_wh
            codec = around.status.state().codec or "video"
            said = f"{width} × {height}, {codec}, the first picture after {clock.monotonic() - began_s:.1f} s"
            shown = _shown(frame, camera)
            return {"ok": True, "said": said, "jpeg": base64.b64encode(jpeg(shown, _QUALITY)).decode()}
    except (StreamerError, ValueError) as error:
        return {"ok": False, "said": redact(str(error)), "jpeg": None}
    finally:
        timer.cancel()
        source.close()
    trouble = around.status.state().trouble or f"no picture came within {patience_s:.0f} s"
    return {"ok": False, "said": redact(trouble), "jpeg": None}


def _shown(frame: Frame, camera: CameraConfig) -> Publishable:
    """The picture as anybody may see it: nobody was looked for in it, so where people are hidden all of it is."""
    policy = privacy_of(camera)
    picture = veiled(
        frame.picture, Veil(policy.masks, strength=policy.strength, redacts=policy.redact != "none").unknowing
    )
    width, height = picture.size_wh
    if width <= MOST_WIDTH_PX:
        return picture
    return picture.resized((MOST_WIDTH_PX, max(1, round(height * MOST_WIDTH_PX / width))))


def main() -> None:
    """One wish in, one answer out."""
    wish = json.load(sys.stdin)
    answer = tried(wish["camera"], CameraConfig.model_validate(wish["settings"]), wish["patience_s"])
    print(json.dumps(answer), flush=True)
    os._exit(0)  # a thread that is inside a foreign library must hold nobody up


if __name__ == "__main__":
    main()
