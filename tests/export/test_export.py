"""`vibe.export`: what it wrote comes back, and what can't be leaves nothing."""

from dataclasses import replace
from pathlib import Path
from typing import get_args

import performers
import pytest
import torch

import vibe
from vibe.body import Body, load_body
from vibe.errors import Misuse
from vibe.export.export import export
from vibe.export.formats import ExportOptions, Facing, Root, Unit, Up
from vibe.motion import Result


@pytest.fixture(scope="module")
def body() -> Body:
    return load_body()


@pytest.fixture(scope="module")
def result(body) -> Result:
    return performers.show(body, *(performers.performer(body, torch.arange(5 * n, 20), n) for n in range(2)))


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_the_files_and_notes_are_returned(result, tmp_path):
    one = vibe.export(result, str(tmp_path / "a.bvh"), "bvh", person=2)
    assert one.files == (tmp_path / "a.bvh",)
    two = vibe.export(result, tmp_path / "new", "bvh")
    assert two.files == (tmp_path / "new" / "person1.bvh", tmp_path / "new" / "person2.bvh")
    assert "person 2 begins 5 frames" in two.notes[0]
    inside = vibe.export(result, tmp_path, "glb")
    assert inside.files == (tmp_path / "motion.glb",)
    assert files(tmp_path) == ["a.bvh", "motion.glb", "new/person1.bvh", "new/person2.bvh"]


def test_a_stretch_of_a_result_is_that_stretch_of_the_export(result, tmp_path):
    export(result[0.2:0.44], tmp_path / "cut.csv", "csv")
    export(result, tmp_path / "trimmed.csv", "csv", start=0.2, end=0.4)
    assert (tmp_path / "cut.csv").read_bytes() == (tmp_path / "trimmed.csv").read_bytes()


def test_a_file_is_the_same_whoever_finds_the_body(result, body, tmp_path):
    for name, given in (("found", None), ("given", body), ("named", "open")):
        export(result, tmp_path / name, "csv", body=given)
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1


@pytest.mark.parametrize(
    ("to", "options", "error", "says"),
    [
        ("doc", {}, Misuse, "no format is called doc: choose one of bvh"),
        ("csv", {"unit": "m"}, Misuse, "for bvh"),
        ("legacy", {"person": 1}, Misuse, "everybody"),
        ("legacy", {"ground": True}, Misuse, "everybody"),
        ("bvh", {}, Misuse, "several are to be written"),
        ("csv", {"person": 3}, ValueError, "no person 3 in the motion: it has 1, 2"),
        ("csv", {"start": 9.0}, ValueError, "nobody is in view from 9 s"),
        ("csv", {"body": "nobody.npz"}, FileNotFoundError, "no body file nobody.npz"),
    ],
)
def test_what_can_t_be_is_said_and_leaves_nothing(result, tmp_path, to, options, error, says):
    with pytest.raises(error, match=says):
        export(result, tmp_path / f"x.{to}", to, **options)
    assert files(tmp_path) == []


@pytest.mark.parametrize(("option", "literal"), [("up", Up), ("facing", Facing), ("root", Root), ("unit", Unit)])
def test_an_option_that_is_none_of_the_choices_is_refused_with_them(option, literal):
    for value in get_args(literal):
        ExportOptions(**{option: value})
    with pytest.raises(Misuse, match=f"{option} is 'w': choose one of {', '.join(get_args(literal))}"):
        ExportOptions(**{option: "w"})


@pytest.mark.parametrize("to", ["glb", "legacy", "obj"])
def test_a_path_that_can_t_be_written_is_an_error(result, tmp_path, to):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="file"):
        export(replace(result, people=result.people[:1]), tmp_path / "file" / "x", to)
    assert files(tmp_path) == ["file"]
