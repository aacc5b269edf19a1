"""No command writes what it reads, whatever its outputs are called."""

import os
from dataclasses import replace
from pathlib import Path

import performers
import pytest
import torch

from vibe import assets, cli
from vibe.body import load_body
from vibe.export.formats import FORMATS
from vibe.synthetic import clips

FILES = [
    *(("motion.npz", ["export", "IN", "--to", name, "-o", "OUT"]) for name in FORMATS),
    ("body.npz", ["export", "motion.npz", "--to", "bvh", "--body", "IN", "-o", "OUT"]),
    ("motion.png", ["render", "IN", "-o", "OUT"]),
    ("clip.mp4", ["render", "motion.npz", "IN", "-o", "OUT"]),
    ("clip.mp4", ["render", "motion.npz", "-o", "OUT"]),
    ("clip.gif", ["render", "motion.npz", "IN", "-o", "OUT"]),
    ("body.png", ["render", "motion.npz", "--layout", "alone", "--body", "IN", "-o", "OUT"]),
    ("motion.npz", ["view", "IN", "--no-video", "-o", "OUT"]),
    ("clip.mp4", ["view", "motion.npz", "IN", "-o", "OUT"]),
    ("clip.mp4", ["view", "motion.npz", "-o", "OUT"]),
    ("body.npz", ["view", "motion.npz", "--no-video", "--body", "IN", "-o", "OUT"]),
    ("motion.npz", ["refit", "IN", "-o", "OUT"]),
    ("clip.mp4", ["refit", "motion.npz", "IN", "-o", "OUT"]),
    ("clip.mp4", ["refit", "motion.npz", "-o", "OUT"]),
    ("clip.mp4", ["edit", "motion.npz", "IN", "-o", "OUT"]),
    ("clip.mp4", ["edit", "motion.npz", "-o", "OUT"]),
    ("clip.mp4", ["edit", "motion.npz", "IN", "--edits", "OUT"]),
    *(("clip.mp4", ["live", "IN", flag, "OUT"]) for flag in ("-o", "--json")),
    *(("weights.safetensors", ["live", "clip.mp4", "--weights", "IN", flag, "OUT"]) for flag in ("-o", "--json")),
    *(("body.npz", ["live", "clip.mp4", "--body", "IN", flag, "OUT"]) for flag in ("-o", "--json")),
    ("clip.mp4", ["bench", "IN", "--json", "OUT"]),
    ("clip.mp4", ["bench", "clip.mp4", "--mediapipe", "IN", "--json", "OUT"]),
    *(("data/manifest.json", ["evaluate", "3dpw", "--data", "data", flag, "OUT"])
      for flag in ("--table", "--csv", "--latex", "--json")),
    ("weights.safetensors", ["evaluate", "3dpw", "--data", "data", "--weights", "IN", "--table", "OUT"]),
]  # fmt: skip
"""What is read, and a command that is asked to write there."""
WAYS = {
    "same": lambda path: path,
    "relative": lambda path: Path("data") / ".." / path,
    "symbolic link": lambda path: link(path, os.symlink),
    "hard link": lambda path: link(path, os.link),
}


def link(path: Path, make) -> Path:
    name = path.with_name(f"another{path.suffix}")
    make(path.resolve(), name)
    return name


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> dict[str, bytes]:
    """A motion file, the video that it names, a body, weights and a data set's store."""
    folder = tmp_path_factory.mktemp("made")
    body = load_body(detail="low")
    shown = performers.show(body, performers.performer(body, torch.arange(2)))
    replace(shown, clip=replace(shown.clip, path=Path("clip.mp4"))).save(folder / "motion.npz")
    clips.make_clip(folder / "clip.mp4", 0.1, width=64, height=64)
    contents = {path.name: path.read_bytes() for path in folder.iterdir()}
    contents |= {"motion.png": contents["motion.npz"], "clip.gif": contents["clip.mp4"]}
    contents |= dict.fromkeys(("body.npz", "body.png"), assets.body_path("open").read_bytes())
    contents["weights.safetensors"] = assets.weights_path().read_bytes()
    return contents | {"data/manifest.json": b"{}"}


@pytest.fixture
def here(made, tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VIBE_HOME", str(tmp_path / "home"))
    for name, content in made.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    return tmp_path


def run(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("given", "command"), FILES, ids=lambda value: value if isinstance(value, str) else value[0])
def test_no_command_writes_what_it_reads(given, command, way, here, made, capsys):
    if way == "hard link" and given == "data/manifest.json":
        pytest.skip("a folder's own files have no other names in it")
    try:
        out = WAYS[way](Path(given))
    except OSError as error:
        pytest.skip(f"this file system has no such links: {error}")
    words = {"IN": given, "OUT": out}
    if given == "motion.npz" and command[3:4] and command[3] in ("obj", "ply", "fbx"):
        assert run(*(words.get(word, word) for word in command)) in (1, 2)  # a folder of frames; Blender
    else:
        assert run(*(words.get(word, word) for word in command)) == 2
        assert "would be overwritten" in capsys.readouterr().err
    assert {name: (here / name).read_bytes() for name in made} == made


@pytest.mark.parametrize(
    "command",
    [
        ["prepare", "3dpw", "data", "-o", "data"],
        ["evidence", "keypoints", "data", "data"],
        ["train", "paper", "--data", "data", "-o", "data"],
        ["train", "open", "--start", "run/weights.safetensors", "-o", "run"],
        ["estimate", "out/report.csv", "-o", "out"],
        ["estimate", "videos.txt", "-o", "out"],
        ["assets", "add", "home/j_regressor_extra.npz"],
    ],
    ids=" ".join,
)
def test_no_folder_of_results_takes_the_place_of_what_is_read(command, here, made, capsys):
    (here / "run").mkdir()
    (here / "run" / "weights.safetensors").write_bytes(made["weights.safetensors"])
    (here / "out").mkdir()
    (here / "out" / "report.csv").write_bytes(made["clip.mp4"])
    (here / "videos.txt").write_text("out/report.csv\n")
    (here / "home").mkdir()
    import numpy as np

    np.save(here / "home" / "a.npy", np.zeros((9, 6890)))
    (here / "home" / "a.npy").rename(here / "home" / "j_regressor_extra.npz")
    before = {path: path.read_bytes() for path in here.rglob("*") if path.is_file()}
    assert run(*command) in (1, 2)
    assert "would be overwritten" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no pipes with names")
@pytest.mark.parametrize("name", ["a.mp4", "a.gif", "a.png", "a"])
def test_no_film_takes_the_place_of_a_pipe(name, here):
    os.mkfifo(here / name)
    reader = os.open(here / name, os.O_RDONLY | os.O_NONBLOCK)
    run("render", "motion.npz", "--layout", "alone", "--size", "32x32", "-o", name)
    os.close(reader)
    assert (here / name).is_fifo()


@pytest.mark.skipif(not Path("/dev/null").is_char_device(), reason="a device of Unix")
def test_a_device_is_written_to_and_stays(here):
    (here / "null").symlink_to("/dev/null")
    for format in ("bvh", "glb", "csv", "amass"):
        assert run("export", "motion.npz", "--to", format, "-o", "null") == 0
    assert run("view", "motion.npz", "--no-video", "-o", "null") == 0
    assert (here / "null").is_symlink() and Path("/dev/null").is_char_device()
