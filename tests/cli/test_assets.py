"""`vibe assets`: every file is listed, what is added is told in one line, what is refused in another."""

import shutil

import numpy as np
import pytest
from reference import recipe

from vibe import assets, cli
from vibe.assets import catalogue


def run(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A folder of the user's with nothing in it."""
    folder = tmp_path / "home"
    monkeypatch.setenv("VIBE_HOME", str(folder))
    return folder


@pytest.fixture
def given(tmp_path, shared):
    """A folder with two official files of invented numbers."""
    folder = tmp_path / "given"
    folder.mkdir()
    np.save(folder / "J_regressor_extra.npy", recipe(shared).joint_regressor("J_regressor_extra", 9))
    np.savez(folder / "renamed.npz", **recipe(shared).mean_params())
    return folder


@pytest.mark.parametrize("width", [80, 120])
def test_every_file_is_listed_with_its_purpose_terms_and_owner(width, home, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(width))
    assert run("assets") == 0
    said = capsys.readouterr().out
    *lines, last = said.splitlines()
    assert max(map(len, lines)) <= width
    assert last == str(home)
    flat = " ".join(said.split())
    for entry in catalogue():
        assert entry.given in flat
        assert entry.owner in flat
        assert entry.licence in flat
        assert entry.purpose.split()[0] in flat
    assert run("assets", "list") == 0
    assert capsys.readouterr().out == said


def test_the_list_says_what_is_here(given, capsys):
    assert run("assets", "add", given) == 0
    capsys.readouterr()
    assert run("assets") == 0
    lines = capsys.readouterr().out.splitlines()
    (added,) = [line for line in lines if "J_regressor_extra.npy" in line]
    (absent,) = [line for line in lines if "J_regressor_h36m.npy" in line]
    assert added.split()[0] == "here"
    assert absent.split()[:2] == ["not", "here"]


def test_a_line_for_each_file_says_what_it_is_and_where_it_went(given, home, capsys):
    assert run("assets", "add", given / "J_regressor_extra.npy", given / "renamed.npz") == 0
    said = capsys.readouterr()
    assert said.err == ""
    first, second = said.out.splitlines()
    assert first.startswith(f"{given / 'J_regressor_extra.npy'}: ")
    assert first.endswith(str(home / "j_regressor_extra.npz"))
    assert second.startswith(f"{given / 'renamed.npz'}: ")
    assert second.endswith(str(home / "smpl_mean_params.npz"))
    assert assets.library("smpl_mean_params.npz") == home / "smpl_mean_params.npz"


def test_a_folder_stands_for_its_files(given, home, capsys):
    (given / ".hidden").write_text("nothing", encoding="utf-8")
    (given / "deeper").mkdir()
    shutil.copy(given / "renamed.npz", given / "deeper")
    assert run("assets", "add", given) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert sorted(path.name for path in home.iterdir()) == ["j_regressor_extra.npz", "smpl_mean_params.npz"]


def test_a_bad_file_is_one_line_and_exit_code_1_and_the_others_are_added(given, home, tmp_path, capsys):
    (given / "a.pkl").write_bytes(b"cos\nsystem\n(S'touch " + str(tmp_path / "run").encode() + b"'\ntR.")
    (given / "b.txt").write_text("a letter", encoding="utf-8")
    missing = given / "z.npz"
    assert run("assets", "add", given, missing) == 1
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 2
    bad = said.err.splitlines()
    assert len(bad) == 3
    for line, path in zip(bad, (given / "a.pkl", given / "b.txt", missing), strict=True):
        assert line.startswith("vibe: ")
        assert str(path) in line
    assert not (tmp_path / "run").exists()
    assert sorted(path.name for path in home.iterdir()) == ["j_regressor_extra.npz", "smpl_mean_params.npz"]


@pytest.mark.parametrize(
    "arguments", [["add"], ["list", "x"], ["remove", "x"], ["add", "--nonsense", "x"]], ids=" ".join
)
def test_wrong_usage_is_exit_code_2_and_adds_nothing(arguments, home, capsys):
    assert run("assets", *arguments) == 2
    assert capsys.readouterr().err
    assert not home.exists()


def test_an_empty_folder_has_nothing_to_add(tmp_path, home, capsys):
    (tmp_path / "empty").mkdir()
    assert run("assets", "add", tmp_path / "empty") == 1
    assert "there is no file" in capsys.readouterr().err
    assert not home.exists()
