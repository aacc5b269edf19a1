"""The command line as a whole: help in no time, the version, and what is no command."""

import os
import subprocess
import sys

import pytest

from vibe import cli
from vibe.cli import app
from vibe.cli.console import motion_file

HELP = [[], ["estimate"], ["export"], ["assets"], ["fetch"], ["train"], ["prepare"], ["evaluate"], ["make-clip"]]


def run(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


@pytest.mark.parametrize("command", HELP, ids=lambda command: " ".join(command) or "vibe")
def test_help_takes_less_than_a_second_of_work_and_no_torch(command):
    program = f"import sys; from vibe.cli import main; code = main({[*command, '--help']!r}); "
    program += "sys.exit(code or 3 * ('torch' in sys.modules))"
    before = os.times()
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    after = os.times()
    assert done.returncode == 0
    assert "usage: vibe" in done.stdout
    assert after.children_user + after.children_system - before.children_user - before.children_system < 1


def test_the_version_is_the_package_s(capsys):
    from vibe import __version__

    assert run("--version") == 0
    assert capsys.readouterr().out == f"vibe {__version__}\n"


def test_the_help_of_all_commands_has_one_sentence_for_each_and_each_has_its_own(capsys):
    from vibe.cli.app import COMMANDS

    assert run("--help") == 0
    together = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for name, command in COMMANDS.items():
        first, *rest = (command.__doc__ or "").split("\n\n")
        assert f"{name} {first}" in together
        assert run(name, "--help") == 0
        alone = " ".join(capsys.readouterr().out.split())
        for paragraph in rest:
            if not paragraph.strip().startswith("Args:"):
                assert " ".join(paragraph.split()) not in together
                assert " ".join(paragraph.split()) in alone


@pytest.mark.parametrize(
    "arguments",
    [["dance"], ["--nonsense"], ["train", "nothing", "-o", "run"], ["export", "x.npz", "--to", "mp3"], ["export", "x"]],
    ids=" ".join,
)
def test_what_is_no_command_is_exit_code_2_and_makes_nothing(arguments, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(*arguments) == 2
    said = capsys.readouterr().err
    assert said
    assert "Traceback" not in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("word", "meant"), [("estimat", "estimate"), ("veiw", "view"), ("exprot", "export")])
def test_a_misspelt_command_is_answered_with_the_one_that_was_meant(word, meant, capsys):
    assert run(word, "a.mp4") == 2
    assert capsys.readouterr().err == f"vibe: there is no command {word}: did you mean {meant}?\n"


def test_a_fault_of_a_library_in_rust_is_one_line_too(monkeypatch, capsys):
    class PanicException(BaseException):
        pass

    def view(motion: str) -> int:
        raise PanicException("PyObject pointer is null")

    monkeypatch.setitem(app.COMMANDS, "view", view)
    assert run("view", "--motion", "a.npz") == 1
    assert capsys.readouterr().err == "vibe: the memory of this machine is not enough for it\n"


def test_a_folder_of_results_stands_for_the_motion_in_it(tmp_path):
    assert motion_file(tmp_path / "none.npz") == tmp_path / "none.npz"
    with pytest.raises(FileNotFoundError, match=r"no motion\.npz in"):
        motion_file(tmp_path)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "motion.npz").touch()
        assert motion_file(tmp_path / name) == tmp_path / name / "motion.npz"
        if name == "a":
            assert motion_file(tmp_path) == tmp_path / "a" / "motion.npz"
    with pytest.raises(ValueError, match=r"holds 2 motions: give one of them, such as .*a.motion\.npz"):
        motion_file(tmp_path)
