"""The page on which a motion is corrected, in a real browser: every edit by pointer and by keyboard."""

import shutil
from collections.abc import Iterator
from itertools import product
from time import monotonic, sleep
from typing import Any

import numpy as np
import pytest

from vibe.edits.file import read_edits

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
if BROWSER is None:
    pytest.skip("no Chromium is on the search path", allow_module_level=True)

FLAGS = (
    "--no-sandbox --use-gl=angle --use-angle=swiftshader --enable-unsafe-swiftshader --disable-background-networking "
    "--disable-component-update --disable-sync --no-first-run"
).split()
PATIENCE = 120.0
"""Seconds that a browser has for anything, on a machine that does much else."""
OVER = {"first": 5, "last": 12}
MADE = {
    "swap_sides": {"edit": "swap_sides", "person": 1, **OVER},
    "left_stands": {"edit": "foot_stands", "person": 1, "foot": "left", **OVER},
    "right_stands": {"edit": "foot_stands", "person": 1, "foot": "right", **OVER},
    "split": {"edit": "split", "person": 1, "frame": 12},
    "exchange": {"edit": "exchange", "person": 1, "other": 2, **OVER},
    "floor_here": {"edit": "floor_here", "person": 1, "frame": 12},
    "camera_still": {"edit": "camera_still"},
    "trim": {"edit": "trim", **OVER},
    "join": {"edit": "join", "person": 1, "other": 2},
    "delete": {"edit": "delete", "person": 1},
}
"""What each button makes, with the first person and the stretch chosen, at frame 12."""


class Tab:
    """The page, and what it complained of."""

    def __init__(self, tab: Any, address: str):
        self.tab = tab
        self.complaints: list[str] = []
        tab.set_default_timeout(1000 * PATIENCE)
        tab.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        tab.on("pageerror", lambda error: self.complaints.append(str(error)))
        tab.goto(address)
        self.settle()

    def ask(self, expression: str) -> Any:
        return self.tab.evaluate(expression)

    def settle(self) -> None:
        """Wait until the last edit is made; the page's policy forbids the driver's own way of waiting."""
        end = monotonic() + PATIENCE
        while not self.ask("Boolean(window.vibe && !vibe.waiting && !vibe.editing.busy)"):
            assert monotonic() < end, self.complaints
            sleep(0.02)

    @property
    def said(self) -> str:
        return self.ask("document.getElementById('edit-said').textContent")

    @property
    def edits(self) -> list[dict]:
        return self.ask("vibe.editing.edits")

    def choose(self) -> None:
        """The first person, from frame 5 to 12, and frame 12."""
        self.ask("document.getElementById('edit-person').value = 1; document.getElementById('edit-other').value = 2")
        for frame, key in ((5, "i"), (12, "o")):
            self.ask(f"document.activeElement.blur(); vibe.clock.seekFrame({frame})")
            self.tab.keyboard.press(key)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=BROWSER, args=FLAGS, timeout=1000 * PATIENCE)
        yield opened
        opened.close()


@pytest.fixture
def tab(browser, server) -> Iterator[Tab]:
    page = browser.new_page(viewport={"width": 640, "height": 640}, has_touch=True)
    yield Tab(page, server.address)
    page.close()


def test_every_button_makes_its_edit_by_pointer_and_by_keyboard_and_undo_takes_it_back(tab, opened, files):
    for (kind, made), by_keyboard in product(MADE.items(), (False, True)):
        tab.choose()
        button, undo = tab.tab.locator(f"[data-edit={kind}]"), tab.tab.locator("#edit-undo")
        if by_keyboard:
            button.focus()
            tab.tab.keyboard.press("Enter")
        else:
            button.click()
        tab.settle()
        assert tab.edits == [made], tab.said
        values = {name: value for name, value in made.items() if name != "edit"}
        (kept,) = read_edits(files.edits, opened.video).edits
        assert (kept.kind, kept.values) == (made["edit"], values)
        assert tab.ask("vibe.people.length") == len(opened.solve([kept]))
        if by_keyboard:
            assert tab.ask(f"document.activeElement.dataset.edit === '{kind}'"), "the keyboard stays where it was"
            tab.tab.keyboard.press("Control+z" if made.get("foot") else "z")
        else:
            undo.click()
        tab.settle()
        assert tab.edits == [] and tab.ask("vibe.people.length") == 2
        assert undo.get_attribute("aria-disabled") == "true"
    assert tab.complaints == []


def test_a_name_is_shown_and_a_reload_keeps_what_was_put_right(tab):
    tab.choose()
    tab.tab.fill("#edit-name", "<b>Anna")
    tab.tab.keyboard.press("Enter")
    tab.settle()
    tab.ask("document.activeElement.blur()")
    tab.tab.keyboard.press("l")
    tab.settle()
    for _ in range(2):
        assert [edit["edit"] for edit in tab.edits] == ["name", "swap_sides"]
        assert tab.ask("document.querySelectorAll('#edit-list li').length") == 2
        assert tab.ask("[...document.querySelectorAll('.badge')].map((one) => one.textContent)") == ["<b>Anna", "2"]
        assert tab.tab.get_by_label("Person 1, <b>Anna").count() == 1
        tab.tab.reload()
        tab.settle()


def test_points_are_moved_by_pointer_and_by_keyboard_to_where_they_are_put(tab):
    tab.choose()
    tab.tab.keyboard.press("k")
    tab.settle()
    scale = 1280 / tab.ask("document.getElementById('picture').clientWidth")
    place = lambda: np.array(tab.ask("[...vibe.motion.people[0].points[0].slice(2 * 27 * 12).slice(18, 20)]"))  # noqa: E731
    before, wrist = place(), tab.tab.get_by_label("left wrist: move with the arrows, then enter")
    box = wrist.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    tab.tab.mouse.move(x, y)
    tab.tab.mouse.down()
    tab.tab.mouse.move(x + 12, y - 7, steps=3)
    tab.tab.mouse.up()
    tab.settle()
    assert np.allclose(place() - before, scale * np.array([12, -7]), atol=0.1), "pixels of the video"
    wrist.focus()
    for key in ("Shift+ArrowRight", "ArrowRight", "ArrowDown", "Enter"):
        tab.tab.keyboard.press(key)
    tab.settle()
    assert np.allclose(place() - before, scale * np.array([12, -7]) + [11, 1], atol=0.1)
    before, scale = place(), 1280 / tab.ask("document.getElementById('picture').clientWidth")
    box = wrist.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    finger = tab.tab.context.new_cdp_session(tab.tab)
    for kind, points in (("Start", [(x, y)]), ("Move", [(x - 9, y + 5)]), ("Move", [(x - 14, y + 9)]), ("End", [])):
        at = [{"x": x, "y": y} for x, y in points]
        finger.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": at})
    tab.settle()
    assert np.allclose(place() - before, scale * np.array([-14, 9]), atol=0.15), "by a finger too"
    assert [edit["point"] for edit in tab.edits] == ["left_wrist"] * 3 and tab.complaints == []
    wrist.focus()
    for key in ("ArrowLeft", "Escape", "Enter"):
        tab.tab.keyboard.press(key)
    tab.settle()
    assert len(tab.edits) == 3, "taken back before it was made"
    tab.tab.locator("#edit-undo").tap()
    tab.settle()
    assert len(tab.edits) == 2


def test_of_several_cameras_the_view_that_is_shown_is_put_right(browser, server_together, opened_together, files):
    page = browser.new_page(viewport={"width": 640, "height": 640})
    tab = Tab(page, server_together.address)
    for frame, key in ((40, "i"), (60, "o")):
        tab.ask(f"vibe.clock.seekFrame({frame})")
        page.keyboard.press(key)
    page.keyboard.press("l")
    tab.settle()
    page.keyboard.press("n")
    assert tab.ask("document.getElementById('shot').value") == "2"
    page.select_option("#edit-where", "view")
    tab.ask("document.activeElement.blur()")
    page.keyboard.press("l")
    tab.settle()
    over = {"edit": "swap_sides", "person": 1, "first": 40, "last": 60}
    assert tab.edits == [over, over | {"view": 2}] and tab.complaints == [], tab.said
    page.keyboard.press("k")
    tab.settle()
    wrists = "vibe.motion.people[0].points.map((one) => [...one.slice(2 * 27 * 60)].slice(18, 20))"
    place = lambda: np.array(tab.ask(wrists))  # noqa: E731
    before = place()
    page.get_by_label("left wrist: move with the arrows, then enter").focus()
    for key in ("Shift+ArrowRight", "ArrowDown", "Enter"):
        page.keyboard.press(key)
    tab.settle()
    assert np.allclose(place() - before, [[0, 0], [10, 1]], atol=0.1), "in the second picture alone"
    assert tab.edits[-1]["view"] == 2 and tab.complaints == []
    assert [each.values.get("view") for each in read_edits(files.edits, opened_together.video).edits] == [None, 2, 2]
    page.close()


def test_what_cannot_be_made_is_said_and_nothing_changes(tab):
    tab.choose()
    tab.tab.fill("#edit-first", "20")
    tab.tab.locator("[data-edit=swap_sides]").click()
    tab.settle()
    assert "before it begins at 20" in tab.said and tab.edits == []
    assert tab.complaints == ["Failed to load resource: the server responded with a status of 400 (Bad Request)"]


def test_a_page_that_was_opened_before_another_made_an_edit_drops_none(tab, browser, server, opened, files):
    late = browser.new_page()
    other = Tab(late, server.address)
    tab.choose()
    tab.tab.keyboard.press("l")
    tab.settle()
    late.keyboard.press("l")
    other.settle()
    assert other.said == "another page changed the edits: reload this one" and len(tab.edits) == 1
    assert len(read_edits(files.edits, opened.video).edits) == 1
    late.reload()
    other.settle()
    late.keyboard.press("l")
    other.settle()
    late.close()
    assert len(read_edits(files.edits, opened.video).edits) == 2


def test_when_everybody_is_deleted_the_page_says_so_until_that_is_taken_back(tab):
    notice = lambda: tab.ask("!document.getElementById('notice').hidden")  # noqa: E731
    for people in (1, 0):
        tab.tab.locator("[data-edit=delete]").click()
        tab.settle()
        assert tab.ask("vibe.people.length") == people and notice() == (people == 0)
    tab.tab.locator("#edit-undo").click()
    tab.settle()
    assert not notice() and tab.complaints == []


def test_everything_has_a_name_for_who_does_not_see_it(tab):
    bare = """[...document.querySelectorAll('#edit button, #edit select, #edit input')].filter(
        (one) => !(one.textContent.trim() || one.getAttribute('aria-label') || one.closest('label')?.textContent.trim())
    ).map((one) => one.id)"""
    assert tab.ask(bare) == []
    assert tab.ask("document.getElementById('edit-said').getAttribute('role')") == "status"
