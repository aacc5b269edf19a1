"""Every command and every snippet of the manual is run on a short clip, or checked as far as it goes without running.

What is not run needs something that is not here; `NOT_RUN` and `NOT_EXECUTED` say what, and a rule that no longer
applies to anything fails.
"""

import functools
import re
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest
from manual import PAGES, ROOT, Command, commands, snippets, spans

from vibe import cli
from vibe.cli import app
from vibe.synthetic import clips

NOT_RUN = {
    r"vibe fetch": "needs a network",
    r"vibe edit": "serves a page until it is ended",
    r"vibe refit": "needs what was put right",
    r"vibe assets add": "needs files of others, under their terms",
    r"vibe estimate .*--weights official": "needs the published weights",
    r"vibe estimate .*(clips|s3://)": "needs many videos",
    r"vibe estimate .*--together": "needs videos of several cameras",
    r"vibe evidence": "needs a data set",
    r"vibe prepare (?!list)": "needs a data set, or makes the whole benchmark",
    r"vibe evaluate": "needs a data set, or minutes",
    r"vibe train": "needs hours",
    r"vibe bench": "needs a minute of the whole machine",
    r"vibe export .*--to fbx": "needs a Blender",
    r"vibe live(?! dance)": "needs a camera",
    r"vibe app": "runs until it is ended",
}
"""Commands that the CLI's own parser reads, and why they are not run."""
NOT_EXECUTED = {"data.md": "needs a data set's store", "exact.md": "needs licensed files"}
"""Pages whose Python is compiled alone, and why."""
SET_UP = {"python3 -m venv .venv", ". .venv/bin/activate", "py -3.12 -m venv .venv", ".venv\\Scripts\\activate"}
"""The lines that make an environment, which is a matter of Python's own."""
SHORT = {"seconds": 0.6, "width": 360, "height": 640}
"""The clip of the manual, but for its size."""
ALL = list({(one.page, one.line): one for page in PAGES for one in commands(page)}.values())
MENTIONED = list({one.line: one for page in PAGES for one in spans(page)}.values())
PYTHON = [(page.name, number, text) for page in PAGES for number, text in enumerate(snippets(page))]


def reason(command: Command) -> str | None:
    """Why a command of vibe is not run; None if it is."""
    line = " ".join(command.words)
    return next((why for rule, why in NOT_RUN.items() if re.match(rule, line)), None)


def kind(command: Command) -> str:
    if command.line in SET_UP:
        return "set-up"
    if command.program in ("make", "pip", "torchrun"):
        return command.program
    return "parsed" if reason(command) else "run"


def of(*kinds: str):
    """The commands of these kinds; their names in the report say page, kind and line."""
    mine = [one for one in ALL if kind(one) in kinds]
    return pytest.mark.parametrize("command", mine, ids=[f"{one.page}: {kind(one)}: {one.line}" for one in mine])


@pytest.fixture(scope="session")
def done() -> dict[str, int]:
    """Exit codes of what was run: the same line on two pages runs once."""
    return {}


@pytest.fixture(scope="session")
def desk(tmp_path_factory, done) -> Path:
    """A folder with dance.mp4, what `vibe estimate dance.mp4 -o out` makes of it, and a character, hero.glb."""
    from vibe import assets

    try:
        models = [assets.find_model(name) for name in assets.MODELS]
    except FileNotFoundError as error:
        pytest.skip(f"the manual's commands find people with two model files: {error}")
    folder = tmp_path_factory.mktemp("desk")
    (folder / "models").mkdir()
    for model in models:
        shutil.copy(model, folder / "models")
    clips.make_clip(folder / "dance.mp4", **SHORT)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        done["vibe estimate dance.mp4 -o out"] = cli.main("estimate dance.mp4 -o out".split())
        cli.main("export out/dance/motion.npz --to glb --rig mixamo --person 1 -o hero.glb".split())
    return folder


@of("run")
def test_the_command_runs(command, desk, done, monkeypatch, capsys):
    assert command.program == "vibe", f"{command.page}: {command.line}: neither run nor in a class of its own"
    if (
        extra := {"usd": "pxr", "c3d": "ezc3d"}.get(re.sub(r".*--to (\S+).*|.*", r"\1", command.line))
    ) and not find_spec(extra):
        pytest.skip(f"{extra} is not installed")
    monkeypatch.chdir(desk)
    monkeypatch.setattr(clips, "make_clip", lambda path, _, make=clips.make_clip: make(path, **SHORT))
    monkeypatch.setattr("webbrowser.open", lambda *_, **__: True)
    for name, value in command.variables.items():
        monkeypatch.setenv(name, value)
    whole = " ".join((*command.variables.values(), *command.words))
    if whole not in done:
        done[whole] = cli.main(list(command.words[1:]))
    assert done[whole] == 0, capsys.readouterr().err


def parsed(words: tuple[str, ...], patch: pytest.MonkeyPatch) -> int:
    """The exit code of vibe's command line with commands that do nothing."""

    def idle(run):
        return functools.wraps(run)(lambda *_, **__: 0)

    patch.setattr(app, "COMMANDS", {name: idle(run) for name, run in app.COMMANDS.items()})
    patch.setattr("vibe.cli.weights._show", lambda *_: None)
    return cli.main(list(words))


@of("parsed")
def test_the_command_is_understood(command, monkeypatch, capsys):
    assert parsed(command.words[1:], monkeypatch) == 0, capsys.readouterr().err


@pytest.mark.parametrize("command", MENTIONED, ids=lambda one: f"{one.page}: mentioned: {one.line}")
def test_the_command_that_is_mentioned_is_understood(command, monkeypatch, capsys):
    if "RECIPE" not in command.words and any(re.search("[./A-Z]", word) for word in command.words[2:]):
        assert parsed(command.words[1:], monkeypatch) == 0, capsys.readouterr().err
        return
    words = ("train", "open") if "RECIPE" in command.words else command.words[1:2]
    assert parsed((*words, "--help"), monkeypatch) == 0
    told = capsys.readouterr().out
    assert [word for word in command.words if word.startswith("-") and word not in told] == []


def test_the_parser_alone_refuses_what_is_wrong(monkeypatch, capsys):
    for wrong in ("estimate a.mp4 --fob 75", "estimate a.mp4 --smooth weak", "train open --epochs two", "fly a.mp4"):
        assert parsed(tuple(wrong.split()), monkeypatch) == 2, wrong
    capsys.readouterr()


@of("make")
def test_the_target_is_in_the_makefile(command):
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z]+):", text, re.MULTILINE)
    variables = re.findall(r"^([A-Z_]+) \?=", text, re.MULTILINE)
    for word in command.words[1:]:
        assert word in targets or word.split("=")[0] in variables, word


@of("pip")
def test_what_is_installed_is_declared(command):
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    extras = re.findall(
        r"^(\w+) = \[", project.split("[project.optional-dependencies]")[1].split("\n[")[0], re.MULTILINE
    )
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert command.words[1] == "install"
    for word in command.words[2:]:
        if wanted := re.fullmatch(r"(?:vibe-motion|\.)\[([\w,]+)\]", word):
            assert set(wanted[1].split(",")) <= set(extras)
        else:
            assert word in ("-c", "constraints.txt", ".") or word in pins


@of("torchrun")
def test_what_torchrun_starts_is_understood(command, monkeypatch, capsys):
    words = command.words[command.words.index("vibe") + 1 :]
    assert parsed(words, monkeypatch) == 0, capsys.readouterr().err


def test_every_reason_not_to_run_applies_to_something():
    lines = [" ".join(one.words) for one in ALL]
    idle = [rule for rule in NOT_RUN if "fbx" not in rule and not any(re.match(rule, line) for line in lines)]
    assert idle == []
    assert {one.line for one in ALL} >= SET_UP
    assert {page for page, _, _ in PYTHON} >= set(NOT_EXECUTED)


@pytest.mark.parametrize(("page", "number", "text"), PYTHON, ids=[f"{page}: {number}" for page, number, _ in PYTHON])
def test_the_snippet_works(page, number, text, request, monkeypatch, capsys):
    code = compile(text, f"{page}, snippet {number}", "exec")
    if page in NOT_EXECUTED:
        return
    monkeypatch.chdir(request.getfixturevalue("desk"))
    exec(code, {"__name__": "__main__"})
    capsys.readouterr()
