"""The page as a file."""

import base64
import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path

import performers
import pytest
import torch

import vibe
from vibe.body import load_body
from vibe.viewer import page
from vibe.viewer.page import PageVideo

if not page.TEMPLATE.is_file():
    pytest.skip("vibe was installed without its page (npm could not fetch its packages)", allow_module_level=True)


@pytest.fixture(scope="module")
def body():
    return load_body(detail="low")


@pytest.fixture
def result(body):
    return performers.show(body, performers.performer(body, torch.arange(10)))


def part(text: str, name: str) -> str:
    """What stands in the element of that name."""
    found = re.search(rf'<script[^>]* id="{name}"[^>]*>(.*?)</script>', text, re.DOTALL)
    assert found
    return found.group(1)


def test_the_page_holds_the_motion_and_the_film_and_names_no_place_to_fetch_from(result, body):
    text = page.page(page.page_template(), result, body, PageVideo(b"film", "video/webm", sound=True))
    assert json.loads(part(text, "motion"))["people"][0]["number"] == 1
    assert base64.b64decode(part(text, "film-data-1")) == b"film"
    assert 'data-kind="video/webm" data-sound="yes"' in text
    assert "%films%" not in text and "%motion%" not in text
    assert not re.search(r"<(link|img|iframe|script|video)[^>]*(src|href)=", text)


def test_more_videos_than_the_motion_has_cameras_are_refused(result, body, tmp_path):
    with pytest.raises(ValueError, match="2 videos were given for a motion of 1 camera: give one for each"):
        page.view(result, tmp_path / "page.html", ["one.mp4", "two.mp4"], body)


def test_what_stands_in_the_data_is_never_taken_for_a_place_of_the_page(result, body):
    named = replace(result, notes=("%films% %motion%",))
    text = page.page(page.page_template(), named, body, None)
    assert json.loads(part(text, "motion"))["notes"][0] == "%films% %motion%"


def test_the_policy_lets_no_script_run_but_the_pages_own():
    text = page.page_template()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    script = re.search(r"<script>(.*)</script>\n</body>", text, re.DOTALL)
    assert policy and script
    digest = base64.b64encode(hashlib.sha256(script.group(1).encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}';" in policy.group(1)
    assert "default-src 'none'" in policy.group(1)
    assert "http" not in policy.group(1)


def test_the_page_keeps_the_notice_of_three_js():
    text = page.page_template()
    assert "@license" in text and "Three.js Authors" in text
    assert re.search(
        r"<!--\s+three.js\s+The MIT License\s.*Permission is hereby granted, free of charge.*-->", text, re.S
    )


def test_all_but_the_video_of_ten_seconds_of_two_people_is_under_three_megabytes():
    body, frames = load_body(), torch.arange(300)
    people = [performers.performer(body, frames, seed) for seed in range(2)]
    clip = replace(performers.show(body).clip, timestamps=frames.numpy() / 30, fps=30.0)
    text = page.page(page.page_template(), replace(performers.show(body, *people), clip=clip), body, None)
    assert len(text.encode()) < 2e6


def test_view_writes_where_it_is_told_or_opens_the_browser(result, tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(page.webbrowser, "open", opened.append)
    assert vibe.view(result, tmp_path / "a.html") == tmp_path / "a.html"
    assert not opened
    somewhere = vibe.view(result)
    assert opened == [somewhere.as_uri()]
    assert somewhere.read_bytes() == (tmp_path / "a.html").read_bytes()
    somewhere.unlink()
    somewhere.parent.rmdir()


def test_nothing_is_left_of_a_page_that_cannot_be_written(result, tmp_path):
    (tmp_path / "folder" / "page.html").mkdir(parents=True)
    with pytest.raises(OSError):
        vibe.view(result, tmp_path / "folder")
    assert [path.name for path in tmp_path.rglob("*")] == ["folder", "page.html"]


def test_an_installation_without_the_page_says_what_to_do(result, tmp_path, monkeypatch):
    monkeypatch.setattr(page, "TEMPLATE", Path("nowhere.html"))
    with pytest.raises(FileNotFoundError, match="install vibe once more"):
        vibe.view(result, tmp_path / "a.html")
    assert not list(tmp_path.iterdir())
