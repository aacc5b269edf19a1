"""The page in a real browser, with the network off: what is seen is what the motion says."""

import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import av
import numpy as np
import performers
import pytest
import torch
from two_views import two_views

from vibe import cameras
from vibe.arrays import as_numpy, as_tensors
from vibe.body import load_body
from vibe.distortion import distort
from vibe.motion.resample import seen_from
from vibe.render import rasterizer
from vibe.render.compositor import Poser
from vibe.video.write import VideoWriter
from vibe.viewer import page

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
if BROWSER is None:
    pytest.skip("no Chromium is on the search path", allow_module_level=True)
if not page.TEMPLATE.is_file():
    pytest.skip("vibe was installed without its page (npm could not fetch its packages)", allow_module_level=True)

FLAGS = (
    "--no-sandbox --use-gl=angle --use-angle=swiftshader --enable-unsafe-swiftshader --disable-background-networking "
    "--disable-component-update --disable-sync --no-first-run --autoplay-policy=no-user-gesture-required"
).split()
WIDTH, HEIGHT, FRAMES = 320, 180, 40
TIMES = [index / 25 + 0.007 * (index % 3) for index in range(FRAMES)]
"""Seconds; not even, as in a phone's videos."""
SCREEN = {"width": 640, "height": 560}
WHITE = "vibe.view.people.forEach(({{material}}) => Object.assign(material, {{vertexColors: {}, needsUpdate: true}}))"
WHITE += "; vibe.redraw(); new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
"""Bodies without their colours, hair as dark as the ground among them."""
PATIENCE = 120.0
"""Seconds that a browser has for anything, on a machine that does much else."""
HOSTILE = "</script><script>window.hit=1</script><img src=x onerror=window.hit=1>"


@pytest.fixture(scope="module")
def body():
    return load_body(detail="low")


@pytest.fixture(scope="module")
def result(body):
    """Two people of unusual shape; the second comes later and is away for a while."""
    late = torch.cat([torch.arange(5, 18), torch.arange(24, 38)])
    camera = cameras.default_camera(WIDTH, HEIGHT)
    people = [performers.performer(body, torch.arange(FRAMES), 0), performers.performer(body, late, 1)]
    seen = [cameras.project(as_tensors(one.joints_cam), camera.K_px).numpy() for one in people]
    people = [replace(one, joints_px=joints_px) for one, joints_px in zip(people, seen, strict=True)]
    for one in people:
        one.keypoints_px[..., 2] = np.linspace(0.3, 1, one.keypoints_px[..., 2].size).reshape(-1, 17)
    std = np.full((FRAMES, 24, 2), [0.02, 0.05], np.float32)
    shown = performers.show(body, replace(people[0], joints_std=std), people[1])
    times = np.array(TIMES, np.float64)
    clip = replace(shown.clip, path=Path(HOSTILE), width=WIDTH, height=HEIGHT, timestamps=times)
    return replace(shown, clip=clip, camera=as_numpy(camera), notes=(HOSTILE,))


@pytest.fixture(scope="module")
def files(result, body, tmp_path_factory) -> tuple[Path, Path]:
    """The page with a film whose brightness numbers its frames, and the page without one."""
    folder = tmp_path_factory.mktemp("page")
    with VideoWriter(folder / "film.webm", WIDTH, HEIGHT, 25) as writer:
        for index in range(FRAMES):
            writer.write(np.full((HEIGHT, WIDTH, 3), 20 + 5 * index, np.uint8), TIMES[index])
    page.view(result, folder / "film.html", folder / "film.webm", body)
    page.view(result, folder / "alone.html", body=body)
    return folder / "film.html", folder / "alone.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=BROWSER, args=FLAGS, timeout=1000 * PATIENCE)
        yield opened
        opened.close()


class Watched:
    """A page that was opened from disk with the network off, and what it complained of and asked for."""

    def __init__(self, browser: Any, file: Path, **screen: Any):
        self.context = browser.new_context(offline=True, **{"viewport": SCREEN} | screen)
        self.context.set_default_timeout(1000 * PATIENCE)
        self.tab = self.context.new_page()
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.tab.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        self.tab.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.tab.on("request", lambda request: self.requests.append(request.url))
        self.tab.goto(file.as_uri())
        self.until("window.vibe && !vibe.waiting")

    def ask(self, expression: str) -> Any:
        return self.tab.evaluate(expression)

    def until(self, expression: str) -> None:
        """Wait for something to be true; the page's policy forbids the driver's own way of waiting."""
        end = monotonic() + PATIENCE
        while not self.ask(f"Boolean({expression})"):
            assert monotonic() < end, f"{expression} does not come true: {self.complaints}"
            sleep(0.02)

    def settle(self) -> None:
        """Wait until the film has reached its frame and everything is drawn."""
        self.until("vibe.clock.wanted < 0 && !vibe.waiting")
        self.ask("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def seek(self, frame: int) -> None:
        self.ask(f"vibe.clock.seekFrame({frame})")
        self.settle()

    def press(self, *keys: str) -> None:
        for key in keys:
            self.tab.keyboard.press(key)
        self.settle()

    def picture(self, element: str = "#picture") -> np.ndarray:
        """Pixels of an element, RGB in [0, 255]."""
        shot = self.tab.locator(element).screenshot()
        with av.open(BytesIO(shot)) as file:
            return next(file.decode(video=0)).to_ndarray(format="rgb24").astype(int)


@pytest.fixture
def open_page(browser) -> Iterator[Callable[..., Watched]]:
    """Opens further pages, which are closed when the test ends."""
    pages: list[Watched] = []

    def opener(file: Path, **screen: Any) -> Watched:
        pages.append(Watched(browser, file, **screen))
        return pages[-1]

    yield opener
    for each in pages:
        each.context.close()


@pytest.fixture(scope="module")
def opened(browser, files) -> Iterator[Watched]:
    watched = Watched(browser, files[0])
    yield watched
    watched.context.close()


@pytest.fixture
def tab(opened) -> Watched:
    """The page with the film, as it was when it was opened."""
    opened.ask("vibe.clock.pause(); vibe.showAll(); vibe.setView('free'); vibe.clock.setRate(1); vibe.view.home()")
    opened.ask("vibe.filmShown || vibe.toggleFilm(); document.getElementById('over').hidden = false")
    opened.seek(10)
    return opened


def film_comes_to(tab: Watched, frame: int) -> bool:
    """Whether the film shows this frame, by its brightness; the screen may follow the film a little later."""
    end = monotonic() + PATIENCE
    while round((tab.picture("#film")[60:80, 60:80].mean() - 20) / 5) != frame:
        if monotonic() > end:
            return False
        sleep(0.05)
    return True


def frame_at(time: float) -> int:
    """The last frame that begins before this time, or at it."""
    return int(np.searchsorted(TIMES, time + 1e-3, side="right")) - 1


def blue(picture: np.ndarray) -> np.ndarray:
    """Where the first person's colour is."""
    return (picture[..., 2] > 110) & (picture[..., 2] > picture[..., 0] + 45)


def orange(picture: np.ndarray) -> np.ndarray:
    """Where the second person's colour is, which no skin has."""
    return (picture[..., 0] > 110) & (picture[..., 0] > picture[..., 2] + 105)


def test_a_silent_film_has_no_button_for_sound(opened):
    assert opened.ask("document.getElementById('sound').hidden")
    assert not opened.ask("document.getElementById('film-button').hidden")


def test_it_opens_from_disk_with_the_network_off_and_asks_for_nothing(tab, files):
    assert tab.complaints == []
    assert [url for url in tab.requests if not url.startswith("blob:")] == [files[0].as_uri()]
    assert blue(tab.picture()).sum() > 500 and orange(tab.picture()).sum() > 500


def test_names_from_the_file_are_text_and_nothing_else(tab):
    assert tab.ask("window.hit") is None
    assert tab.tab.locator("#title").text_content() == Path(HOSTILE).name
    assert HOSTILE in tab.tab.locator("#notes").text_content()


def test_a_person_is_hidden_and_shown_by_chip_and_by_key(tab):
    before = tab.picture()
    tab.press("2")
    without = tab.picture()
    assert orange(without).sum() == 0 and abs(blue(without).sum() - blue(before).sum()) < 0.2 * blue(before).sum()
    tab.tab.get_by_label("Person 2").click()
    tab.settle()
    assert abs(tab.picture() - before).max() < 8


def test_somebody_who_is_out_of_view_is_not_drawn(tab):
    tab.seek(20)
    assert orange(tab.picture()).sum() == 0
    assert tab.ask("vibe.names.jointsPx(2)") is None


@pytest.mark.parametrize("frame", [0, 17, 21, 24, 39])
def test_the_film_shows_the_frame_of_the_playhead(tab, frame):
    tab.seek(frame)
    assert film_comes_to(tab, frame)


def test_scrubbing_moves_bodies_and_film(tab):
    before = tab.picture()
    bar = tab.tab.locator("#scrubber").bounding_box()
    tab.tab.mouse.move(bar["x"] + 5, bar["y"] + 10)
    tab.tab.mouse.down()
    tab.tab.mouse.move(bar["x"] + 0.7 * bar["width"], bar["y"] + 10, steps=4)
    tab.tab.mouse.up()
    tab.settle()
    there = frame_at(0.7 * tab.ask("vibe.clock.duration"))
    assert tab.ask("vibe.clock.frame") == there
    assert film_comes_to(tab, there)
    assert (abs(tab.picture() - before).max(-1) > 40).mean() > 0.005


def test_it_plays_with_the_film_and_the_film_leads(tab):
    before = tab.picture()
    tab.press("[", "[")
    tab.press("Space")
    tab.until("vibe.clock.frame > 13")
    tab.press("Space")
    tab.settle()
    assert not tab.ask("vibe.clock.playing") and tab.ask("vibe.film.playbackRate") == 0.25
    assert film_comes_to(tab, tab.ask("vibe.clock.frame"))
    assert (abs(tab.picture() - before).max(-1) > 40).mean() > 0.005


def test_keys_step_seek_and_change_the_pace(tab):
    def frame() -> int:
        return tab.ask("vibe.clock.frame")

    tab.press(".", ".", ".", ",")
    assert frame() == 12
    tab.press("End")
    assert frame() == FRAMES - 1
    tab.press("ArrowLeft")
    assert frame() == frame_at(TIMES[-1] - 1)
    tab.press("Home")
    assert frame() == 0
    tab.press("ArrowRight")
    assert frame() == frame_at(1.0)
    tab.press("]", "]")
    assert tab.ask("vibe.clock.rate") == 2
    tab.press("c")
    assert tab.ask("vibe.view.view") == "camera"


def test_the_camera_view_puts_joints_where_the_motion_has_them(tab, result):
    tab.press("c")
    scale = tab.ask("vibe.view.size[0]") / WIDTH
    for frame in (0, 12, 30):
        tab.seek(frame)
        for number, motion in enumerate(result.people, start=1):
            row = (motion.frames == frame).nonzero()[0]
            if len(row):
                there = np.array(tab.ask(f"vibe.names.jointsPx({number})")) / scale
                assert np.abs(there - motion.joints_px[int(row[0])]).max() < 0.5
            else:
                assert tab.ask(f"vibe.names.jointsPx({number})") is None


def test_the_camera_view_shows_the_silhouettes_of_our_own_renderer(tab, result, body):
    tab.press("c", "v")
    tab.ask("document.getElementById('over').hidden = true")
    tab.ask(WHITE.format("false"))
    seen = tab.picture().max(-1) > 24
    tab.ask(WHITE.format("true"))
    scale = seen.shape[1] / WIDTH
    K_px = np.diag([scale, scale, 1.0]) @ result.camera.K_px.astype(np.float64)
    poser = Poser([(number, motion, body) for number, motion in enumerate(result.people, start=1)])
    white = [rasterizer.Mesh(one.vertices, one.faces, np.ones_like(one.vertices)) for one in poser.at(10)]
    ours = rasterizer.rasterize(np.zeros((*seen.shape, 3), np.uint8), white, K_px).max(-1) > 24
    assert (seen & ours).sum() / (seen | ours).sum() > 0.97


@pytest.mark.parametrize("lens", [(-0.35, 0.15, 0.004, -0.003), (-0.1, 0.02, 0.0, 0.0)], ids=["barrel", "fisheye"])
def test_over_the_film_bodies_are_where_a_bending_lens_shows_them(open_page, result, body, tmp_path, lens):
    camera = replace(result.camera, distortion=np.array(lens), fisheye=not lens[2])
    page.view(replace(result, camera=camera), tmp_path / "bent.html", body=body)
    tab = open_page(tmp_path / "bent.html")
    tab.press("c", "v")
    scale = tab.ask("vibe.view.size[0]") / WIDTH
    tab.seek(12)
    for number, motion in enumerate(result.people, start=1):
        bent = distort(motion.joints_cam[motion.frames == 12][0].astype(np.float64), camera)
        there = np.array(tab.ask(f"vibe.names.jointsPx({number})")) / scale
        assert np.abs(there - cameras.project(bent, camera.K_px)).max() < 0.5
    tab.ask("document.getElementById('over').hidden = true")
    tab.ask(WHITE.format("false"))
    seen = tab.picture().max(-1) > 24
    K_px = np.diag([seen.shape[1] / WIDTH] * 2 + [1.0]) @ camera.K_px.astype(np.float64)
    shares = []
    for through in (camera, result.camera):
        poser = Poser([(number, motion, body) for number, motion in enumerate(result.people, start=1)])
        white = [
            rasterizer.Mesh(distort(one.vertices, through), one.faces, np.ones_like(one.vertices))
            for one in poser.at(12)
        ]
        ours = rasterizer.rasterize(np.zeros((*seen.shape, 3), np.uint8), white, K_px).max(-1) > 24
        shares.append((seen & ours).sum() / (seen | ours).sum())
    assert shares[0] > 0.96 and shares[1] < shares[0] - 0.02, shares


def test_orbiting_by_mouse_wheel_and_key_changes_the_view_and_reset_brings_it_back(tab):
    before = tab.picture()
    box = tab.tab.locator("#scene").bounding_box()
    tab.tab.mouse.move(box["x"] + 30, box["y"] + 30)
    tab.tab.mouse.down()
    tab.tab.mouse.move(box["x"] + 130, box["y"] + 50, steps=3)
    tab.tab.mouse.up()
    tab.tab.mouse.wheel(0, 300)
    tab.press("a", "w", "+")
    assert (abs(tab.picture() - before).max(-1) > 40).mean() > 0.005
    tab.tab.mouse.move(5, 5)
    tab.press("r")
    assert abs(tab.picture() - before).max() < 8


def test_at_first_everybody_is_in_sight_also_who_stands_high_above_the_others(open_page, result, body, tmp_path):
    low, high = result.people
    lifted = performers.moved(high, np.array([0.0, -3.0, 0.0]))
    page.view(replace(result, people=(low, lifted)), tmp_path / "high.html", body=body)
    for screen in ({"width": 900, "height": 600}, {"width": 390, "height": 844}):
        watched = open_page(tmp_path / "high.html", viewport=screen)
        width, height = watched.ask("vibe.view.size")
        for frame in (5, 17, 30):
            watched.seek(frame)
            x, y = np.array(watched.ask("[1, 2].flatMap((number) => vibe.names.jointsPx(number))")).T
            assert x.min() > 0 and x.max() < width and y.min() > 0 and y.max() < height


def test_the_joint_under_the_pointer_is_named_and_a_click_plots_it(tab, result):
    box = tab.tab.locator("#scene").bounding_box()
    wrist = tab.ask("vibe.names.jointsPx(1)[20]")
    tab.tab.mouse.move(box["x"] + wrist[0], box["y"] + wrist[1])
    angle = float(result.people[0].joint_angles()["left_wrist_flexion"].values[10, 0])
    assert tab.tab.locator(".joint-name").text_content() == f"left wrist · {angle:.0f}° · ± 3.3 cm"
    tab.tab.mouse.down()
    tab.tab.mouse.up()
    assert tab.ask("vibe.plots.joint") == 20
    assert "left wrist" in tab.tab.locator("[data-plot=speed] .plot-head").text_content()
    assert tab.tab.locator("[data-plot=angle] .plot-head").text_content() == "left wrist flexion, °"


def test_curves_are_the_motions_own_numbers_and_follow_the_playhead(tab, result):
    tab.ask("vibe.chooseJoint(20)")
    series = result.people[0].joints().values[:, 20]
    speed = np.linalg.norm(series[2:] - series[:-2], axis=-1) / (np.array(TIMES[2:]) - TIMES[:-2])
    for kind, whole in (
        ("angle", result.people[0].joint_angles()["left_wrist_flexion"].values[:, 0]),
        ("speed", speed),
    ):
        index = ["angle", "speed"].index(kind)
        drawn = np.array(tab.ask(f"Array.from(vibe.plots.kinds[{index}].curves[0])"))
        drawn = drawn[1:-1] if kind == "speed" else drawn
        np.testing.assert_allclose(drawn, whole, atol=0.06 if kind == "angle" else 0.01)
    places = []
    for frame in (5, 30):
        tab.seek(frame)
        places.append(tab.tab.locator("[data-plot=angle] .plot-line").bounding_box()["x"])
        values = tab.tab.locator("[data-plot=angle] .plot-values span").first.text_content()
        assert values == f"{float(result.people[0].joint_angles()['left_wrist_flexion'].values[frame, 0]):.0f}"
    assert places[1] > places[0] + 50


def test_without_a_film_bodies_play_by_themselves_and_move_between_frames(open_page, files):
    alone = open_page(files[1])
    alone.press("[", "[", "[")
    alone.tab.keyboard.press("Space")
    alone.until("vibe.clock.frame > 1")
    assert alone.ask("vibe.clock.time - vibe.motion.timestamps[vibe.clock.frame]") >= 0
    halfway = alone.ask(
        f"vibe.clock.pause(), vibe.view.draw(3, {(TIMES[3] + TIMES[4]) / 2}), "
        "vibe.view.people[0].bones[18].quaternion.toArray()"
    )
    ends = [
        np.array(
            alone.ask(f"vibe.view.draw({frame}, {TIMES[frame]}), vibe.view.people[0].bones[18].quaternion.toArray()")
        )
        for frame in (3, 4)
    ]
    middle = ends[0] + np.sign(ends[0] @ ends[1]) * ends[1]
    assert abs(np.dot(middle / np.linalg.norm(middle), halfway)) > 1 - 1e-6
    assert alone.complaints == []
    assert not alone.tab.locator("#film-button").is_visible()


def test_on_a_phone_everything_is_in_reach_and_touch_works(open_page, files):
    phone = open_page(files[0], viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    phone.seek(10)
    assert phone.ask("document.documentElement.scrollWidth") <= 390
    for name in ("#play", "#view-camera", "#plots-button", "#scrubber", "#picture", "#film", "#joint", "#home"):
        box = phone.tab.locator(name).bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 390 and box["y"] + box["height"] <= 844
    phone.tab.locator("#view-camera").tap()
    phone.settle()
    assert phone.ask("vibe.view.view") == "camera"
    phone.tab.get_by_label("Person 1").tap()
    phone.settle()
    assert blue(phone.picture()).sum() < 60  # the badge of nobody
    assert phone.complaints == []


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_the_page_is_as_light_as_the_system_and_numbers_do_not_cover_heads(scheme, open_page, files):
    phone = open_page(files[1], viewport={"width": 390, "height": 844}, is_mobile=True, color_scheme=scheme)
    phone.seek(10)
    assert (phone.picture("header").mean() > 128) == (scheme == "light")
    assert (phone.picture().mean() > 128) == (scheme == "light")
    top = phone.tab.locator("#picture").bounding_box()["y"]
    for number in (1, 2):
        badge = phone.tab.locator(".badge").nth(number - 1).bounding_box()
        neck, head = (phone.ask(f"vibe.names.jointsPx({number})[{joint}][1]") + top for joint in (12, 15))
        assert badge["y"] + badge["height"] < head - 0.5 * abs(head - neck), "the crown is that far above the joint"


def test_the_confidence_that_is_plotted_is_the_chosen_joint_s_own(open_page, files, result):
    watched = open_page(files[1])
    for joint, keypoint in (("left_wrist", 9), ("right_ankle", 16)):
        watched.ask(f"vibe.chooseJoint(vibe.motion.joint_names.indexOf('{joint}'))")
        drawn = np.array(watched.ask("Array.from(vibe.plots.kinds[2].curves[0])"))
        np.testing.assert_allclose(drawn, result.people[0].keypoints_px[:, keypoint, 2], atol=0.004)
        head = watched.tab.locator("[data-plot=confidence] .plot-head").text_content()
        assert head == f"{joint.replace('_', ' ')} · confidence"
    watched.ask("vibe.chooseJoint(vibe.motion.joint_names.indexOf('spine2'))")
    assert "all keypoints" in watched.tab.locator("[data-plot=confidence] .plot-head").text_content()


@pytest.fixture(scope="module")
def moving(result, body, tmp_path_factory) -> tuple[Any, Path]:
    """The same people on the floor before a camera that moves, with the first one's feet by turns, and their page."""
    stands = np.zeros((FRAMES, 4), np.float32)
    stands[:, :2], stands[::2, 3] = 1, 0.6
    first, *others = performers.on_the_floor(body, result).people
    moving = replace(performers.on_the_floor(body, result), people=(replace(first, contacts=stands), *others))
    path = tmp_path_factory.mktemp("world") / "moving.html"
    page.view(moving, path, body=body)
    return moving, path


def test_the_camera_view_follows_a_camera_that_moves_in_the_world(open_page, moving):
    given, path = moving
    watched = open_page(path)
    watched.press("c")
    scale = watched.ask("vibe.view.size[0]") / WIDTH
    for frame in (0, 12, 30):
        watched.seek(frame)
        for number, motion in enumerate(given.people, start=1):
            for row in (motion.frames == frame).nonzero()[0]:
                there = np.array(watched.ask(f"vibe.names.jointsPx({number})")) / scale
                assert np.abs(there - motion.joints_px[int(row)]).max() < 0.5
    assert watched.complaints == []


def test_in_the_free_view_people_are_in_the_world_and_the_camera_moves_between_frames_too(open_page, moving):
    given, path = moving
    watched = open_page(path)
    joints = "vibe.view.people[0].joints().map((joint) => joint.toArray())"
    watched.seek(12)
    np.testing.assert_allclose(
        watched.ask(joints), given.people[0].joints_world[12][:, [0, 2, 1]] * [1, 1, -1], atol=2e-3
    )
    assert watched.ask("vibe.view.film.marker.visible")
    places = given.world.t_world_cam[:, [0, 2, 1]] * [1, 1, -1]
    middle = watched.ask(
        f"vibe.view.draw(12, {(TIMES[12] + TIMES[13]) / 2}), vibe.view.film.pose.elements.slice(12, 15)"
    )
    np.testing.assert_allclose(middle, places[12:14].mean(0), atol=1e-4)


def test_what_stands_is_marked_on_the_floor_and_under_the_curve_of_its_height(open_page, moving):
    given, path = moving
    watched = open_page(path)
    marks = "vibe.view.footprints[0].group.children.map((mark) => [mark.visible, ...mark.position.toArray()])"
    assert watched.ask("vibe.view.footprints.length") == 1
    for frame, shown in ((12, [True, True, False, True]), (13, [True, True, False, False])):
        watched.seek(frame)
        found = watched.ask(marks)
        assert [mark[0] for mark in found] == shown
        heel, toe = (np.array(found[point])[[1, 3]] for point in (0, 1))
        ankle, ball = given.people[0].joints_world[frame][[7, 10]][:, :2] * [1, -1]
        floor = watched.ask(f"vibe.view.platforms.under(1, {frame})")
        assert np.allclose(found[0][2], floor + 0.004) and np.linalg.norm((heel + toe - ankle - ball) / 2) < 0.15
    watched.ask("vibe.chooseJoint(10)")
    drawn = watched.ask("Array.from(vibe.plots.kinds.find(({name}) => name === 'height').curves[0])")
    np.testing.assert_allclose(drawn, given.people[0].joints_world[:, 10, 2], atol=2e-3)
    assert watched.tab.locator("[data-plot=height]").is_visible()


def test_who_stands_above_the_floor_stands_on_a_disc_that_the_marks_lie_on(open_page, result, body, tmp_path):
    on_floor = performers.on_the_floor(body, result)
    first = replace(on_floor.people[0], contacts=np.ones((FRAMES, 4), np.float32))
    high = performers.raised(performers.world_of(on_floor), 1.5)
    page.view(replace(on_floor, people=(first,), world=high), tmp_path / "high.html", body=body)
    watched = open_page(tmp_path / "high.html")
    watched.seek(12)
    platforms = watched.ask("vibe.motion.platforms")
    assert platforms and all(each["people"] == [1] and each["centre"][1] > 1.2 for each in platforms)
    here = next(each for each in platforms if each["first"] <= 12 <= each["last"])
    heights = watched.ask("vibe.view.footprints[0].group.children.map((mark) => mark.position.y)")
    np.testing.assert_allclose(heights, here["centre"][1] + 0.004, atol=1e-4)
    shown = watched.ask("vibe.view.platforms.group.children.map((disc) => disc.visible)")
    assert [each["first"] <= 12 <= each["last"] for each in platforms] == shown and watched.complaints == []


def test_without_a_world_there_are_no_heights(open_page, files):
    watched = open_page(files[1])
    assert not watched.tab.locator("[data-plot=height]").is_visible() and watched.ask("vibe.plots.kinds.length") == 3


def test_no_other_script_can_run_in_the_page(open_page, files, tmp_path):
    text = files[1].read_text(encoding="utf-8")
    planted = re.sub("<main ", "<script>window.hit = 1</script><img src=x onerror='window.hit = 1'><main ", text)
    (tmp_path / "planted.html").write_text(planted, encoding="utf-8")
    watched = open_page(tmp_path / "planted.html")
    assert watched.ask("window.hit") is None


@pytest.fixture(scope="module")
def both(tmp_path_factory) -> tuple[Path, Any]:
    """The page of two cameras, with both films, whose brightness numbers their frames; and what is in it."""
    folder, result = tmp_path_factory.mktemp("both"), two_views()
    videos = [folder / f"{number}.webm" for number in (1, 2)]
    for video, view in zip(videos, result.views, strict=True):
        with VideoWriter(video, view.clip.width, view.clip.height, view.clip.fps) as writer:
            for index, time in enumerate(view.clip.timestamps.tolist()):
                writer.write(np.full((view.clip.height, view.clip.width, 3), 20 + 3 * index, np.uint8), time)
    page.view(result, folder / "both.html", videos)
    return folder / "both.html", result


@pytest.mark.parametrize("by_key", [False, True])
def test_the_camera_that_is_picked_gives_its_film_at_the_same_moment_and_its_view(open_page, both, by_key):
    tab, result = open_page(both[0]), both[1]
    tab.seek(20)
    if by_key:
        tab.press("n")
    else:
        tab.tab.locator("#shot").select_option("2", timeout=20_000)
    tab.until("vibe.film.readyState >= 2")
    tab.settle()
    assert tab.ask("vibe.clock.frame") == 20 and abs(tab.ask("vibe.film.currentTime") - 0.51) < 0.011
    assert abs(np.median(tab.picture("#film")) - (20 + 3 * 25)) < 3
    tab.press("c")
    seen = seen_from(result, 1)
    there = np.array(tab.ask("vibe.names.jointsPx(1)")) / tab.ask("vibe.view.size[0]") * seen.camera.width
    row = seen.people[0].frames.tolist().index(25)
    assert np.abs(there - seen.people[0].joints_px[row]).max() < 0.5
    tab.press(".", ".", ".")
    assert abs(tab.ask("vibe.clock.time") - 1.06) < 1e-6, "three pictures of the faster camera"
    tab.press("n")
    tab.until("vibe.film.readyState >= 2")
    tab.settle()
    assert tab.ask("vibe.clock.frame") == 21 and not tab.complaints
    there = np.array(tab.ask("vibe.names.jointsPx(1)")) / tab.ask("vibe.view.size[0]") * result.camera.width
    assert np.abs(there - result.people[0].joints_px[21]).max() < 0.5


def test_where_there_is_one_camera_there_is_none_to_pick(tab):
    assert not tab.tab.locator("#views").is_visible()
    tab.press("n")
    assert tab.ask("vibe.seen === vibe.motion")
