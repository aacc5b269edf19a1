"""What the manual says of itself: extras, numbers of the tables, pictures, drawings."""

import re
import subprocess
import sys

import pytest
from manual import PAGES, ROOT

DOCS = ROOT / "docs"
IMAGE = re.compile(r"!\[([^\]]*)\]\(([^)]+)\)")


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def rows(page: str) -> set[tuple[str, ...]]:
    """The cells of all tables of a page."""
    lines = [line for line in page.splitlines() if line.startswith("| ")]
    return {tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines}


def test_every_extra_is_on_the_page_on_installing():
    section = text("pyproject.toml").split("[project.optional-dependencies]")[1].split("\n[")[0]
    extras = set(re.findall(r"^(\w+) = \[", section, re.MULTILINE))
    told = {row[0].strip("`") for row in rows(text("docs/install.md")) if re.fullmatch(r"`\w+`", row[0])}
    assert told == extras


def test_the_errors_told_of_single_clips_are_those_of_the_table():
    measured = {row[0]: row for row in rows(text("benchmarks/results/failures.md"))}
    page = text("docs/accuracy.md").split("## Where it fails")[1].split("### Which motions")[0]
    clips = [row for row in rows(page) if row[0] in measured and row[0] not in ("clip", "joints")]
    assert len(clips) >= 13
    for row in clips:
        mine = measured[row[0]]
        assert row[1:] in (mine[1:3], mine[2:4]), row[0]


def test_the_distances_told_are_those_of_the_table():
    measured = {row[0]: row[-1] for row in rows(text("benchmarks/results/failures.md"))}
    told = [row for row in rows(text("docs/accuracy.md")) if row[0].endswith(" degrees") and len(row) == 3]
    assert len(told) == 2
    for lens, *cells in told:
        clips = (f"the walk through a lens of {lens}", f"the same, with --fov {lens.split()[0]}")
        for cell, clip in zip(cells, clips, strict=True):
            percent = int(measured[clip])
            assert cell == f"{abs(percent)} % too {'far' if percent > 0 else 'near'}"


def test_a_clip_gives_the_same_people_in_all_its_forms():
    """As `make benchmark` measured it: in the same frames, and PA-MPJPE within 10 mm for each of them."""
    forms = {row[0]: row for row in rows(text("benchmarks/results/video_forms.md")) if "." in row[0]}
    assert len(forms) >= 18 and {"mirrored.mp4", "HDR (HLG, BT.2020).mp4", "copied.avi"} <= forms.keys()
    for name, (_, people, numbers, frames, _, person_mm, *_) in forms.items():
        assert numbers == f"{people} of {people}" and frames == "100.0" and float(person_mm) <= 10, name


def test_the_page_on_the_method_names_code_that_is_there():
    page = text("docs/method.md")
    places = [
        ROOT / "src" / "vibe" / place
        for place in re.findall(r"`([a-z_]+/[a-z_/]*(?:\.py)?)`", page)
        if place != "src/vibe/"
    ]
    assert len(places) > 20 and [place for place in places if not place.exists()] == []
    named = re.findall(r"`([a-z_/]+\.py)`: `(\w+)`", page)
    assert len(named) >= 5
    for place, name in named:
        assert re.search(rf"^(def |class )?{name}\b", text(f"src/vibe/{place}"), re.MULTILINE), (place, name)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pictures_say_in_words_what_they_show(page):
    images = IMAGE.findall(page.read_text(encoding="utf-8"))
    assert [place for words, place in images if len(words.split()) < 4] == []
    assert [place for _, place in images if ":" in place] == []


def test_no_picture_lies_there_unused():
    used = {place.rsplit("/", 1)[-1] for page in PAGES for _, place in IMAGE.findall(page.read_text(encoding="utf-8"))}
    there = {path.name for ending in ("svg", "jpg", "png") for path in DOCS.rglob(f"*.{ending}")}
    assert there == used


def test_the_figures_are_those_that_their_program_draws(tmp_path):
    program = DOCS / "figures" / "draw.py"
    subprocess.run([sys.executable, str(program), str(tmp_path)], check=True, capture_output=True)
    drawn = sorted(path.name for path in tmp_path.iterdir())
    assert drawn == sorted(path.name for path in DOCS.rglob("*.svg"))
    for name in drawn:
        new, old = ((folder / name).read_text(encoding="utf-8") for folder in (tmp_path, program.parent))
        places = [re.findall(r'<text x="([-.0-9]+)" y="([-.0-9]+)"[^>]*>([^<]*)<', figure) for figure in (new, old)]
        assert [words for *_, words in places[0]] == [words for *_, words in places[1]], name
        for (x, y, words), (old_x, old_y, _) in zip(*places, strict=True):
            assert abs(float(x) - float(old_x)) < 1 and abs(float(y) - float(old_y)) < 1, (name, words)
