"""The app's page in a real browser, by pointer and by keyboard, on a desk's screen and on a phone's."""

import re
import shutil
import threading
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

import pytest

from vibe.app import server as server_module
from vibe.app.correct import Correcting

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
if BROWSER is None:
    pytest.skip("no Chromium is on the search path", allow_module_level=True)
if not server_module.TEMPLATE.is_file():
    pytest.skip("vibe was installed without its pages (npm could not fetch its packages)", allow_module_level=True)

FLAGS = "--no-sandbox --disable-gpu --disable-background-networking --disable-sync --no-first-run".split()
PATIENCE = 120.0
"""Seconds that a browser has for anything, on a machine that does much else."""
DESK, PHONE = {"width": 1000, "height": 800}, {"width": 360, "height": 640}
HOSTILE = "<img src=x onerror=window.hit=1>"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=BROWSER, args=FLAGS, timeout=1000 * PATIENCE)
        yield opened
        opened.close()


@pytest.fixture
def open_page(browser, server):
    """Opens the page; what it complains of, and asks of others, fails the test."""
    contexts, complaints, strangers = [], [], []

    def opener(screen=DESK, **options: Any) -> Any:
        contexts.append(browser.new_context(viewport=screen, **options))
        tab = contexts[-1].new_page()
        tab.set_default_timeout(1000 * PATIENCE)
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("console", lambda said: complaints.append(said.text) if "Policy" in said.text else None)
        home = f"http://127.0.0.1:{server.port}/"
        tab.on("request", lambda asked: None if asked.url.startswith(home) else strangers.append(asked.url))
        tab.goto(server.address)
        tab.locator("#place").filter(has_text="Nothing leaves this machine").wait_for()
        return tab

    yield opener
    for each in contexts:
        each.close()
    assert (complaints, strangers) == ([], [])


def until(tab: Any, true: Callable[[], bool]) -> None:
    """Wait for something to be true; meanwhile the driver passes on what the page asks."""
    end = monotonic() + PATIENCE
    while not true():
        assert monotonic() < end
        tab.wait_for_timeout(20)


def video(name: str, content: bytes) -> Any:
    return {"name": name, "mimeType": "video/mp4", "buffer": content}


def test_videos_are_sent_in_pieces_through_a_line_that_breaks(open_page, jobs, monkeypatch):
    monkeypatch.setattr(server_module, "PIECE", 1000)
    tab, broken = open_page(), []

    def sometimes(route: Any) -> None:
        if len(broken) % 3 == 1:
            broken.append(route.abort())
        else:
            broken.append(route.continue_())

    tab.route(re.compile("/video"), sometimes)
    content = bytes(range(256)) * 20
    tab.set_input_files("#files", [video("a.mp4", content), video("b.mp4", content[::-1])])
    until(tab, lambda: [job.state for job in jobs.jobs()] == ["waiting", "waiting"])
    assert [jobs.video(job).read_bytes() for job in jobs.jobs()] == [content, content[::-1]]
    tab.get_by_role("listitem", name="b.mp4").get_by_text("waits for its turn").wait_for()


def test_a_copy_that_was_broken_off_goes_on_when_the_same_file_is_chosen_again(open_page, jobs, monkeypatch):
    monkeypatch.setattr(server_module, "PIECE", 4)
    tab = open_page()
    tab.evaluate("window.given = new File(['0123456789'], 'dance.mp4', {lastModified: 5})")
    jobs.receive(jobs.add("dance.mp4", 10, 5).job_id, 0, b"01234")
    tab.get_by_text("choose the same file again to go on").wait_for()
    tab.evaluate("app.hand([given])")
    until(tab, lambda: jobs.jobs()[0].state == "waiting")
    assert len(jobs.jobs()) == 1 and jobs.video(jobs.jobs()[0]).read_bytes() == b"0123456789"


def test_a_file_that_is_dropped_is_taken_with_the_settings(open_page, jobs):
    tab = open_page()
    tab.get_by_text("Settings").click()
    tab.get_by_label("Height of the people").fill("1.82")
    tab.get_by_label("Also draw the bodies").uncheck()
    drop = "const data = new DataTransfer(); data.items.add(new File(['abc'], 'a.mp4'));"
    drop += "document.body.dispatchEvent(new DragEvent('{}', {{dataTransfer: data, bubbles: true, cancelable: true}}))"
    tab.evaluate(f"{{{drop.format('dragenter')}}}")
    assert tab.evaluate("document.body.className") == "dropping"
    tab.evaluate(f"{{{drop.format('drop')}}}")
    until(tab, lambda: [job.state for job in jobs.jobs()] == ["waiting"])
    (job,) = jobs.jobs()
    assert (job.height_m, job.overlay) == (1.82, False) and tab.evaluate("document.body.className") == ""


def test_what_is_done_is_played_downloaded_and_deleted_by_keyboard_alone(open_page, jobs, done, monkeypatch):
    monkeypatch.setattr(
        server_module, "make_download", lambda job, jobs, to, rig, _: (made(jobs, job, to, rig), ("so",))
    )
    tab = open_page()
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.id") == "files"
    reach(tab, "Play dance.mp4")
    with tab.context.expect_page() as played:
        tab.keyboard.press("Enter")
    until(tab, lambda: played.value.title() == "played")
    played.value.close()
    reach(tab, "Download dance.mp4")
    tab.keyboard.press("Enter")
    assert tab.evaluate("document.activeElement.getAttribute('aria-expanded')") == "true"
    reach(tab, "Format")
    tab.keyboard.type("glb")
    reach(tab, "Bones")
    tab.keyboard.type("ue5")
    reach(tab, "Make")
    with tab.expect_download() as download:
        tab.keyboard.press("Enter")
    assert download.value.suggested_filename == "dance-ue5.glb"
    tab.get_by_role("link", name="glb-ue5.glb").wait_for()
    tab.get_by_role("status").get_by_text("so", exact=True).wait_for()
    reach(tab, "Delete dance.mp4", back=True)
    tab.keyboard.press("Enter")
    assert tab.evaluate("document.activeElement.textContent") == "Keep"
    tab.keyboard.press("Tab")
    tab.keyboard.press("Enter")
    tab.get_by_text("None yet.").wait_for()
    assert jobs.jobs() == []


def test_the_page_on_which_a_motion_is_put_right_opens_when_it_is_ready(open_page, server, done, monkeypatch):
    gate = threading.Event()

    def opened(self, job_id: str) -> str:
        gate.wait(PATIENCE)
        return server.address.replace("/?", f"/jobs/{job_id}/files/page.html?")

    monkeypatch.setattr(Correcting, "open", opened)
    tab = open_page()
    with tab.context.expect_page() as found:
        tab.get_by_role("button", name="Correct dance.mp4").click()
    assert found.value.locator("body").text_content() == "vibe opens the motion …"
    gate.set()
    until(tab, lambda: found.value.title() == "played")
    monkeypatch.setattr(Correcting, "open", lambda *_: 1 / 0)
    tab.get_by_role("button", name="Correct dance.mp4").click()
    tab.get_by_role("alert").get_by_text("dance.mp4: a fault of vibe's own").wait_for()


def made(jobs, job, to: str, rig: str | None) -> str:
    folder = jobs.folder(job.job_id) / "downloads"
    folder.mkdir(exist_ok=True)
    (folder / f"{to}-{rig}.{to}").write_bytes(b"made")
    return f"{to}-{rig}.{to}"


def reach(tab: Any, name: str, back: bool = False) -> None:
    """Press Tab until what is called so has the focus, and see that a screen reader would say its name."""
    where = tab.locator("#jobs").get_by_label(name).or_(tab.locator("#jobs").get_by_role("button", name=name))
    for _ in range(40):
        tab.keyboard.press("Shift+Tab" if back else "Tab")
        if where.evaluate("(element) => element === document.activeElement"):
            return
    raise AssertionError(f"{name} is not reached")


def test_it_tells_what_goes_on_and_what_went_wrong(open_page, jobs, done, idle, monkeypatch):
    jobs.change(done.job_id, state="working", notes=())
    progress = {"job_id": done.job_id, "stage": "people", "share": 0.25, "seconds_left": 95}
    monkeypatch.setattr(type(idle), "progress", lambda self: progress)
    tab = open_page()
    tab.get_by_text("looking for people, 25 %, about 2 min left").wait_for()
    assert tab.get_by_role("progressbar", name="Progress of dance.mp4").evaluate("(bar) => bar.value") == 0.25
    jobs.change(done.job_id, state="failed", reason=HOSTILE, notes=(HOSTILE,), files=())
    tab.locator(".state").get_by_text(HOSTILE).wait_for()
    tab.get_by_role("button", name="Try again dance.mp4").wait_for()
    until(tab, lambda: "dance.mp4: " in tab.locator("#spoken").text_content())
    assert tab.evaluate("window.hit") is None and not tab.locator("progress").is_visible()


def test_it_says_when_the_program_has_ended_and_goes_on_when_it_answers_again(open_page, done):
    tab = open_page()
    tab.route("**/jobs", lambda route: route.abort())
    tab.get_by_role("alert").get_by_text("vibe does not answer").wait_for()
    tab.unroute("**/jobs")
    tab.get_by_role("alert").wait_for(state="hidden")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", [DESK, PHONE], ids=["desk", "phone"])
def test_everything_fits_and_can_be_hit_and_has_a_name(open_page, jobs, done, screen, scheme):
    jobs.add(f"{'very-long-name-' * 5}.mp4", 9, 0)
    tab = open_page(screen, color_scheme=scheme, has_touch=screen is PHONE)
    tab.get_by_role("button", name="Download dance.mp4").click()
    tab.get_by_text("Settings").click()
    assert tab.evaluate("document.documentElement.scrollWidth") <= screen["width"]
    light = tab.evaluate("getComputedStyle(document.documentElement).backgroundColor.match(/\\d+/)[0]")
    assert (int(light) > 128) == (scheme == "light")
    for each in tab.locator("button:visible, a.button:visible, select:visible").all():
        box = each.bounding_box()
        assert box["height"] >= 32 and box["x"] >= 0 and box["x"] + box["width"] <= screen["width"]
    tree = tab.locator("body").aria_snapshot()
    for role in ("button", "link", "combobox", "progressbar", "spinbutton", "checkbox"):
        named = [line for line in tree.splitlines() if line.strip().startswith(f"- {role}")]
        assert [line for line in named if f'- {role} "' not in line] == []
