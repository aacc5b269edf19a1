"""No character that a terminal obeys is printed, whoever wrote it: a name of a file, an argument, a text in a file."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import performers
import pytest
import torch

from vibe import cli
from vibe.batch.report import Outcome
from vibe.body import load_body
from vibe.cli.console import print_table, printable
from vibe.cli.progress import ProgressLine, ProgressTable

BAD = "\x1b]0;owned\x07\x1b[2J\nvibe: all is well\t\r\x08\x9b31m\u202egpj.exe\u2028"
OBEYED = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
COMMANDS = [
    ["NAME"],
    ["--NAME"],
    ["estimate", "NAME"],
    ["estimate", "a.mp4", "-o", "NAME/NAME"],
    ["estimate", "a.mp4", "--smooth", "NAME"],
    ["estimate", "list.txt"],
    ["estimate", "a.mp4", "--weights", "NAME"],
    ["estimate", "https://host/NAME::x"],
    ["export", "NAME", "--to", "bvh"],
    ["export", "motion.npz", "--to", "NAME"],
    ["export", "motion.npz", "--to", "bvh", "--fps", "NAME"],
    ["export", "motion.npz", "--to", "csv", "-o", "NAME.csv"],
    ["export", "motion.npz", "--to", "bvh", "--body", "NAME"],
    ["export", "strange.npz", "--to", "csv"],
    ["render", "NAME", "-o", "a.mp4"],
    ["render", "motion.npz", "-o", "a.NAME"],
    ["render", "motion.npz", "--layout", "alone", "--background", "NAME", "-o", "a.png"],
    ["render", "motion.npz", "--layout", "alone", "--size", "32x32", "-o", "NAME.png"],
    ["view", "NAME"],
    ["view", "motion.npz", "-o", "NAME.html"],
    ["live", "NAME"],
    ["live", "a.mp4", "--size", "NAME"],
    ["live", "a.mp4", "--osc", "NAME"],
    ["assets", "add", "NAME", "strange.npz", "strange.pkl", "strange.safetensors"],
    ["assets", "NAME"],
    ["train", "NAME"],
    ["train", "open", "--NAME", "1"],
    ["train", "open", "--steps", "NAME"],
    ["prepare", "NAME"],
    ["prepare", "3dpw", "NAME", "-o", "NAME/NAME"],
    ["evidence", "NAME", "a", "b"],
    ["evidence", "features", "NAME", "b"],
    ["evaluate", "NAME", "--data", "a"],
    ["evaluate", "3dpw", "--data", "NAME"],
    ["bench", "NAME"],
    ["bench", "a.mp4", "--mediapipe", "NAME"],
    ["clean", "NAME"],
    ["make-clip", "NAME/NAME/a.txt"],
    ["make-clip", "a.mp4", "--seconds", "NAME"],
]


@pytest.fixture(scope="module")
def shown():
    body = load_body(detail="low")
    return performers.show(body, performers.performer(body, torch.arange(2)))


@pytest.fixture
def here(shown, tmp_path, monkeypatch) -> Path:
    """Files that hold such characters where they name something."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VIBE_HOME", str(tmp_path / "home"))
    replace(shown, clip=replace(shown.clip, path=Path(BAD))).save(tmp_path / "motion.npz")
    (tmp_path / "a.mp4").write_bytes(b"no video")
    (tmp_path / "list.txt").write_text(f"{BAD}.mp4\n", encoding="utf-8", newline="")
    np.savez(tmp_path / "strange.npz", **{BAD: np.zeros(2)})
    (tmp_path / "strange.pkl").write_bytes(b"}V" + BAD.encode("raw-unicode-escape") + b"\nK\x01s.")
    head = json.dumps({"__metadata__": {"name": BAD, "licence": BAD}}, ensure_ascii=False).encode()
    (tmp_path / "strange.safetensors").write_bytes(len(head).to_bytes(8, "little") + head)
    return tmp_path


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_no_command_prints_what_a_terminal_obeys(words, here, capfd):
    cli.main([word.replace("NAME", BAD) for word in words])
    said = "".join(capfd.readouterr())
    assert said and not OBEYED.search(said) and "\nvibe: all is well" not in said


def test_what_stands_in_a_motion_file_and_in_names_beside_it_is_shown_in_words(here, capsys):
    (here / f"{BAD}.npz").write_bytes((here / "motion.npz").read_bytes())
    assert cli.main(["view", f"{BAD}.npz", "-o", f"{BAD}.html"]) == 0
    said = capsys.readouterr()
    assert "\\x1b[2J" in said.err and "is not here" in said.err
    assert "\\x1b[2J" in said.out and not OBEYED.search(said.out + said.err)


def test_other_text_is_printed_as_it_is():
    text = "Ünïcode, 日本語, [markup] and ?\\"
    assert printable(text) == text


def test_a_name_with_ends_of_lines_is_on_one_line_of_the_progress_and_the_table(capsys):
    ProgressLine("a\nb\t.mp4")("looking", 0, None)
    ProgressTable(["a\nb\t.mp4"], 1, 0, 0).finished(0, Outcome("a\nb\t.mp4", "done"))
    print_table({"video": "left"}, [("a\nb\t.mp4",)], "a\nb\t.mp4")
    said = capsys.readouterr()
    assert said.out.count(r"a\nb\t.mp4") == 2 and len(said.out.splitlines()) == 6
    assert said.err.count(r"a\nb\t.mp4") == 2 and len(said.err.splitlines()) == 2
