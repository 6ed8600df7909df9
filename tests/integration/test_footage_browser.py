"""Clips play where people look at them: in a browser."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser import told_by_browser
from tests.clips import write_clip
from tests.unit.test_footage_clips import clip_of

pytestmark = pytest.mark.needs("chromium")

PLAY = """<video id="v" src="%s" muted></video><script>
const v = document.getElementById("v"), tell = what => fetch("/told", {method: "POST", body: JSON.stringify(what)});
v.onerror = () => tell({error: v.error.message});
v.onended = () => tell({size: [v.videoWidth, v.videoHeight], seconds: v.duration,
                        shown: v.getVideoPlaybackQuality().totalVideoFrames});
v.play().catch(error => tell({error: String(error)}));
</script>"""


@pytest.mark.parametrize("stream", [{}, {"b_frames": 2}, {"b_frames": 2, "open_gop": True}])
def test_a_clip_plays_to_its_end_in_chromium(tmp_path: Path, stream: dict) -> None:
    video = write_clip(tmp_path / "source.mp4", frames=100, fps=25, gop=25, **stream)
    clip, _ = clip_of(tmp_path, video, begins_s=2.4, ends_s=2.6)
    assert clip is not None
    told = told_by_browser(tmp_path, PLAY % clip.path)
    assert "error" not in told, told
    assert told["size"] == [320, 240]
    assert told["seconds"] == pytest.approx(clip.to_at - clip.from_at, abs=0.1)
    assert told["shown"] >= 0.8 * told["seconds"] * 25  # a busy machine may skip some
