"""What README and docs promise is there: commands, options, files, names and tables."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from vibe import cli, skeletons
from vibe.cli.app import COMMANDS
from vibe.motion import npz

ROOT = Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
CONVENTIONS = (ROOT / "docs" / "conventions.md").read_text(encoding="utf-8")


def code(page: Path) -> str:
    """All that a page sets in code: spans, fences and indented lines."""
    text = page.read_text(encoding="utf-8")
    return "\n".join("".join(found) for found in re.findall(r"`([^`\n]+)`|^    (.+)$", text, re.MULTILINE))


def commands(page: Path) -> list[tuple[str, str]]:
    """Program and first word of each call of make and vibe."""
    return re.findall(r"^(make|vibe) ([a-z-]+)", code(page), re.MULTILINE)


@pytest.fixture(scope="module")
def targets() -> set[str]:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z-]+):", text, re.MULTILINE))


def help_of(command: str, capsys) -> str:
    assert cli.main([command, "--help"]) == 0, f"vibe {command}"
    return capsys.readouterr().out


def test_the_readme_has_its_two_commands_on_the_first_screen():
    first = "\n".join((ROOT / "README.md").read_text(encoding="utf-8").splitlines()[:12])
    assert "make demo" in first
    assert "make test" in first
    assert "docs/picture" in first


def test_every_figure_of_the_readme_is_of_the_run_that_its_table_is_of():
    """`make benchmark` writes the tables anew: README has to follow, figures and commits."""
    results = (
        (ROOT / "README.md").read_text(encoding="utf-8").split("<!-- results -->")[1].split("<!-- /results -->")[0]
    )
    told = {
        name: commit
        for commit, names in re.findall(r"([0-9a-f]{7})\s+\(([a-z_,\s]+)\)", results)
        for name in names.split(", ")
    }
    assert {"real", "rendered", "speed", "tracking", "many_videos", "live"} <= {*told}
    tables = {name: (ROOT / "benchmarks" / "results" / f"{name}.md").read_text(encoding="utf-8") for name in told}
    for name, text in tables.items():
        (commit,) = re.findall(r"[Cc]ommit ([0-9a-f]{7})", text)
        assert commit == told[name], f"{name}.md was measured on {commit}: bring README's figures along"
    tables["the summary that `vibe live` prints"] = (ROOT / "docs" / "live.md").read_text(encoding="utf-8")
    numbers = {float(number) for text in tables.values() for number in re.findall(r"\d+\.\d+|\d+", text)}
    rounded = {round(number / scale, digits) for number in numbers for scale in (1, 1000) for digits in (0, 1, 2)}
    figures = re.findall(r"(\d+(?:\.\d+)?) (?:mm|GB|ms)|(\d+) frames/s", results.replace(",", ""))
    assert [figure for pair in figures for figure in pair if figure and float(figure) not in rounded] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_a_page_names_exists(page, targets, capsys):
    for program, word in commands(page):
        if program == "make":
            assert word in targets
        elif word != "--version":
            help_of(word, capsys)


def test_the_readme_names_every_command(targets):
    named = set(commands(ROOT / "README.md"))
    assert {("make", target) for target in targets} <= named
    assert {("vibe", word) for word in COMMANDS} <= named


def test_every_option_of_the_page_on_estimate_is_in_the_help(capsys):
    text = help_of("estimate", capsys)
    options = set(re.findall(r"--[a-z-]+", code(ROOT / "docs" / "estimate.md")))
    assert len(options) > 6
    assert [option for option in options if option not in text] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_a_page_links_to_is_there(page):
    links = re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_conventions_list_what_motion_npz_holds():
    section = CONVENTIONS.split("## motion.npz")[1].split("\n## ")[0]
    cells = [row.split("|")[1] for row in section.splitlines() if row.startswith("| `")]
    named = [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]
    assert named == [*npz.HEAD, *(f"n/{name}" for name in npz.PERSON)]


def test_the_conventions_list_the_joints_in_their_order():
    rows = re.findall(r"^\| (\d+) \| (\w+) \| (\w*) \| (\d+) \| (\w+) \| (\w*) \|$", CONVENTIONS, re.MULTILINE)
    joints = {int(number): (name, parent) for row in rows for number, name, parent in (row[:3], row[3:])}
    names, parents = list(skeletons.SMPL), skeletons.SMPL_PARENTS
    assert joints == {j: (names[j], names[p] if p >= 0 else "") for j, p in enumerate(parents)}
    part = CONVENTIONS.split("**COCO's 17 keypoints**")[1].split("Eyes, ears")[0]
    assert re.findall(r"(\d+) (\w+)[,.]", part) == [(str(k), name) for k, name in enumerate(skeletons.COCO)]


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")
def test_the_demo_ends_with_commands_that_work_from_here(tmp_path, capsys):
    venv = tmp_path / "venv"
    (venv / "bin").mkdir(parents=True)
    for name in ("bin/python", "bin/vibe", ".ready-to-run"):
        (venv / name).write_text("#!/bin/sh\n")
        (venv / name).chmod(0o755)
        os.utime(venv / name, (2**32, 2**32))  # later than whatever it is made from
    command = ["make", "-s", "demo", f"VENV={venv}", f"OUT={tmp_path / 'out'}", "VIDEO=films/my.clip.mp4"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    said = [line.split() for line in done.stdout.splitlines() if line.startswith(f"    {venv}")]
    assert {"view", "export", "estimate"} < {words[1] for words in said}
    assert all(words[0] == f"{venv}/bin/vibe" and Path(words[0]).is_file() for words in said)
    assert [f"{tmp_path / 'out' / 'my.clip'}"] * 2 == [words[2] for words in said if words[1] in ("view", "export")]
    for words in said:
        help_of(words[1], capsys) if not words[1].startswith("-") else None
