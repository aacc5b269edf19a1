"""The live page in a real browser: it shows the picture and the bodies of the newest answer, and nothing is refused."""

import io
import shutil
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from time import monotonic, sleep

import numpy as np
import pytest

from vibe import cameras
from vibe.body import load_body
from vibe.live.outputs import Packets
from vibe.live.pose import LivePoses
from vibe.live.server import ServedContent, Server
from vibe.viewer import page

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytest.importorskip("websockets", reason="websockets is not installed")
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
if BROWSER is None:
    pytest.skip("no Chromium is on the search path", allow_module_level=True)
if not page.TEMPLATE.is_file():
    pytest.skip("vibe was installed without its page (npm could not fetch its packages)", allow_module_level=True)

FLAGS = (
    "--no-sandbox --use-gl=angle --use-angle=swiftshader --enable-unsafe-swiftshader --disable-background-networking "
    "--disable-component-update --disable-sync --no-first-run"
).split()
PATIENCE = 120.0
"""Seconds that a browser has for anything, on a machine that does much else."""
HOSTILE = "</script><script>window.hit=1</script>"


@pytest.fixture(scope="module")
def server(method) -> Iterator[Server]:
    body = load_body(detail="low")
    camera = cameras.default_camera(640, 480)
    text = page.live_page(page.page_template(), HOSTILE, camera, body)
    opened = Server(ServedContent('{"type":"start"}', text, Packets(body)))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def tab(server):
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=FLAGS, timeout=1000 * PATIENCE)
        opened = browser.new_page(viewport={"width": 900, "height": 520})
        opened.set_default_timeout(1000 * PATIENCE)
        opened.complaints = []
        opened.on("console", lambda said: opened.complaints.append(said.text) if said.type == "error" else None)
        opened.on("pageerror", lambda error: opened.complaints.append(str(error)))
        opened.goto(server.address)
        yield opened
        browser.close()


def until(tab, expression: str, again=lambda: None) -> None:
    """Wait for something to be true; the page's policy forbids the driver's own way of waiting."""
    end = monotonic() + PATIENCE
    while not tab.evaluate(f"Boolean({expression})"):
        assert monotonic() < end, f"{expression} does not come true: {tab.complaints}"
        again()
        sleep(0.02)


def shown(tab, server, moment: LivePoses, shot, index: int) -> None:
    """Answer until the page has drawn it."""
    numbers = count(index)
    again = lambda: server.put(replace(moment, index=next(numbers)), shot, 80.0)  # noqa: E731
    again()
    until(tab, f"window.vibe && vibe.drawn >= {index} && vibe.view.people.length && !vibe.waiting", again)
    tab.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def pixels(tab, element: str) -> np.ndarray:
    import cv2

    content = tab.locator(element).screenshot()
    return cv2.imdecode(np.frombuffer(io.BytesIO(content).getbuffer(), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


def test_the_page_shows_the_picture_and_everybody_s_body(tab, server, moment, shot):
    shown(tab, server, moment, shot, 0)
    picture = pixels(tab, "#film")
    assert np.abs(picture[picture.shape[0] // 2, picture.shape[1] // 2].astype(int) - (200, 30, 30)).max() < 15
    assert tab.evaluate("vibe.view.people.map((person) => person.number)") == [1, 2]
    assert tab.evaluate("document.querySelectorAll('.badge:not([hidden])').length") == 2
    assert tab.evaluate("document.getElementById('frame').textContent") == "80 ms behind the camera"
    for pose in moment.people:
        joints = tab.evaluate(
            f"vibe.view.people.find((one) => one.number === {pose.number}).joints().map((one) => "
            "one.applyMatrix4(vibe.view.bodies.matrix.clone().invert()).toArray())"
        )
        assert np.abs(np.array(joints) - pose.joints.numpy()).max() < 0.01, "metres, in the camera's frame"


def test_bodies_stand_on_the_ground(tab, server, moment, shot):
    shown(tab, server, moment, shot, 20_000)
    low = tab.evaluate("Math.min(...vibe.view.people.flatMap((one) => one.joints().map((joint) => joint.y)))")
    assert abs(low - 0.03) < 0.03


def test_the_camera_s_view_lays_the_bodies_over_the_picture(tab, server, moment, shot):
    tab.keyboard.press("c")
    shown(tab, server, moment, shot, 40_000)
    over = pixels(tab, "#picture").astype(int)
    height, width = over.shape[:2]
    x, y = (float(value) for value in moment.people[0].keypoints_px[[5, 6, 11, 12], :2].mean(0))
    middle = over[round(y / 480 * height), round(x / 640 * width)]
    assert np.abs(middle - (200, 30, 30)).max() > 60, "a body, not the picture"
    assert np.abs(over[5, 5] - (200, 30, 30)).max() < 15
    tab.keyboard.press("c")


def test_who_left_is_no_longer_shown(tab, server, moment, shot):
    shown(tab, server, moment, shot, 60_000)
    alone = replace(moment, people=moment.people[:1])
    numbers = count(80_000)
    until(
        tab,
        "document.querySelectorAll('.badge:not([hidden])').length === 1",
        lambda: server.put(replace(alone, index=next(numbers)), shot, 80.0),
    )


def test_nothing_was_refused_and_a_hostile_name_is_only_text(tab):
    assert tab.complaints == []
    assert tab.evaluate("window.hit") is None
    assert tab.evaluate("document.getElementById('title').textContent") == HOSTILE


def test_the_end_of_the_stream_is_said(tab, server):
    server.close()
    until(tab, "document.getElementById('notice').textContent === 'the stream has ended'")
