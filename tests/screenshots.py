"""Pictures of every page of the console, for its documentation: `python -m tests.screenshots [FOLDER]`.

A real service watches the demo's drawn street over RTSP, and a camera that nobody can reach; a browser logs in and
looks. Needs Chromium, and the extras demo, web and dev.
"""

from __future__ import annotations

import io
import re
import shutil
import sys
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import yaml
from playwright.sync_api import Browser, Page, expect

from streamer.demo.clips import prepare_clips
from streamer.demo.script import Ground
from streamer.demo.views import VIEWS
from streamer.demo.watch import Addresses, posts, write_configuration
from streamer.zoo import bundled_model
from tests.conftest import ROOT
from tests.console import chromium, visiting, wait_until_served, with_console
from tests.living import running
from tests.redis_server import RedisServer
from tests.rtsp import aio_rtsp_server, free_port

_ALERTS_WITHIN_MS = 120_000
# What stands above are addresses and folders of the machine that takes the pictures.
_SCROLLED_TO_CAMERAS = """text => {
  const lines = text.value.split("\\n");
  text.scrollTo(0, text.scrollHeight * lines.indexOf("cameras:") / lines.length);
}"""


def main(folder: Path) -> None:
    """Take them all."""
    clips = prepare_clips(Path.home() / ".cache" / "streamer" / "demo")
    assert clips is not None
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="streamer-screenshots-") as scratch:
        room = Path(scratch)
        videos = room / "videos"
        videos.mkdir()
        for name, clip in clips.items():
            shutil.copy(clip.video, videos / f"{name}.mp4")  # the server follows no links
        with RedisServer(room / "redis") as redis, aio_rtsp_server(videos) as rtsp:
            cameras = {name: rtsp.url(f"{name}.mp4", loop=True) for name in VIEWS}
            config = room / "cameras.yaml"
            write_configuration(
                config,
                posts(Ground()),
                Addresses(redis.url, "", cameras, room),
                0,
                bundled_model(),
                room / "data",
                1000,
            )
            settings = yaml.safe_load(config.read_text())
            settings["cameras"]["car-park"] = {"url": f"rtsp://127.0.0.1:{free_port()}/main"}
            config.write_text(yaml.safe_dump(settings, sort_keys=False, default_flow_style=None))
            address = with_console(config, allow_sources=["loopback"])
            with running(config), chromium() as browser:
                wait_until_served(address)
                take(browser, address, folder, cameras["gate"])


def take(browser: Browser, address: str, folder: Path, camera: str) -> None:
    """Every page, in the light or in the dark, large or as a phone shows it."""

    def shoot(page: Page, name: str) -> None:
        path = folder / f"console_{name}.png"
        path.write_bytes(in_few_colours(page.screenshot()))
        print(path)

    with visiting(browser, address) as visit:
        visit.page.goto(address)
        visit.page.get_by_label("Name").wait_for()
        shoot(visit.page, "login")
        page = visit.log_in("ada")
        rows = page.get_by_role("list", name="Latest alerts").get_by_role("listitem")
        expect(rows.nth(5)).to_be_visible(timeout=_ALERTS_WITHIN_MS)
        _wait_for_boxes(page)
        shoot(page, "wall")
        page.goto(f"{address}/alerts")
        page.get_by_role("list", name="Alerts").get_by_role("listitem").filter(has_text="yard").last.click()
        detail = page.get_by_role("region", name="Alert")
        detail.get_by_label("Comment").fill("The gardener; expected until noon.")
        detail.get_by_role("button", name="Acknowledge").click()
        expect(detail).to_contain_text("Acknowledged by ada")
        detail.get_by_role("img").wait_for()
        shoot(page, "alert")
        page.goto(f"{address}/cameras/yard/places")
        page.locator("canvas[data-shown]").wait_for()
        page.get_by_label("Name of zone yard").focus()
        shoot(page, "places")
        page.goto(f"{address}/configuration/add")
        page.get_by_label("Name").fill("north-gate")
        page.get_by_label("Address").fill(camera)
        page.get_by_role("button", name="Try it").click()
        page.get_by_role("img", name="Picture of the camera that was tried").wait_for()
        shoot(page, "add_camera")
        page.goto(f"{address}/configuration")
        text = page.get_by_role("textbox", name="Configuration")
        expect(text).to_have_value(re.compile("car-park:"))
        text.fill(_edited(text.input_value()))
        page.get_by_role("button", name="See what would change").click()
        page.get_by_role("list", name="What would change").wait_for()
        text.evaluate(_SCROLLED_TO_CAMERAS)
        shoot(page, "configuration")
    with visiting(browser, address, scheme="dark") as visit:
        page = visit.log_in("otto")
        _wait_for_boxes(page)
        shoot(page, "wall_dark")
        page.goto(f"{address}/cameras/gate")
        expect(page.get_by_text("picture", exact=False).first).to_be_visible()
        page.wait_for_function("() => document.querySelector('video')?.currentTime > 11")  # it begins at 10
        page.wait_for_function("() => document.querySelector('canvas').dataset.objects > 0")
        shoot(page, "camera")
    with visiting(browser, address, scheme="dark", size=(390, 844)) as visit:
        page = visit.log_in("otto")
        _wait_for_boxes(page)
        shoot(page, "phone_wall")
        page.goto(f"{address}/alerts")
        page.get_by_role("list", name="Alerts").get_by_role("listitem").first.click()
        page.get_by_role("region", name="Alert").get_by_role("button", name="Acknowledge").wait_for()
        shoot(page, "phone_alert")


def _edited(text: str) -> str:
    """A configuration with something of everything: a camera more, one changed, one less, and a key for a restart."""
    more = text.replace("cameras:\n", "cameras:\n  back-door: {url: rtsp://10.0.0.17/main}\n")
    without = re.sub(r"\n  car-park:\s+url: .*", "", more)
    return re.sub(r"analyse_fps: \d+(\.\d+)?", "analyse_fps: 3", without, count=1) + "\nkeep: {clips_days: 3}\n"


def in_few_colours(png: bytes) -> bytes:
    """The same PNG with a palette of 256 colours of its own: less than half as long, and hardly to be told apart."""
    with av.open(io.BytesIO(png)) as container:
        picture = next(container.decode(video=0)).reformat(format="rgb24")
    graph = av.filter.Graph()
    shape = f"video_size={picture.width}x{picture.height}:pix_fmt=rgb24:time_base=1/1:pixel_aspect=1/1"
    source, twice, chosen = graph.add("buffer", shape), graph.add("split"), graph.add("palettegen")
    drawn, end = graph.add("paletteuse", "dither=bayer:bayer_scale=4"), graph.add("buffersink")
    source.link_to(twice)
    twice.link_to(drawn, 0, 0)
    twice.link_to(chosen, 1, 0)
    chosen.link_to(drawn, 0, 1)
    drawn.link_to(end)
    graph.configure()
    picture.pts = 0
    source.push(picture)
    source.push(None)
    encoder: Any = av.CodecContext.create("png", "w")
    encoder.width, encoder.height, encoder.pix_fmt = picture.width, picture.height, "pal8"
    encoder.time_base, encoder.options = Fraction(1, 1), {"pred": "mixed", "compression_level": "9"}
    return b"".join(bytes(packet) for packet in [*encoder.encode(end.pull()), *encoder.encode(None)])


def _wait_for_boxes(page: Page) -> None:
    tiles = page.get_by_role("list", name="Cameras").get_by_role("listitem")
    expect(tiles.filter(has_text=re.compile(r"\d (person|car)"))).to_have_count(len(VIEWS), timeout=60_000)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "images")
