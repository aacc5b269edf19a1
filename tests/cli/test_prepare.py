"""`vibe prepare` and `vibe evaluate`, from motion files to tables."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from vibe import cli
from vibe.body.load import load_body
from vibe.evaluate import open_benchmark_clips
from vibe.evaluate.open_benchmark_clips import HeldOut, Listing, clip_checksum, clips_checksum


def run(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


@pytest.fixture
def listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list of one short clip in place of the committed one."""
    poses = (0.2 * np.sin(np.arange(24)[:, None] / 9 + np.arange(72))).astype(np.float16)
    trans = np.tile(np.array([0.0, 0.95, 0.0], np.float16), (24, 1))
    clips = {"seq_offsets": np.array([0, 24]), "names": np.array(["cmu_03_01"]), "fps": np.array(30.0)}
    np.savez(tmp_path / "tiny.npz", allow_pickle=False, poses=poses, trans=trans, **clips)
    monkeypatch.setenv("VIBE_MOTION", str(tmp_path))
    listing = Listing("tiny.npz", 1, 300, (HeldOut("cmu_03_01", 24, clip_checksum(poses, trans)),), "")
    listing = replace(listing, sha256=clips_checksum(open_benchmark_clips.make_benchmark_clip(listing, load_body())))
    (tmp_path / "list.json").write_text(json.dumps(asdict(listing)))
    monkeypatch.setattr(open_benchmark_clips, "LISTING", tmp_path / "list.json")


def test_what_prepare_makes_evaluate_reads_and_tells_twice_the_same(listed: None, tmp_path: Path, capsys) -> None:
    assert run("prepare", "open-benchmark", "-o", tmp_path / "data") == 0
    sha256 = open_benchmark_clips.read_listing().sha256
    assert capsys.readouterr().out == f"{tmp_path / 'data'}: open-benchmark, SHA-256 {sha256}\n"
    told = []
    for name in ("one", "two"):
        files = tmp_path / f"{name}.md", tmp_path / f"{name}.json"
        assert (
            run("evaluate", "open-benchmark", "--data", tmp_path / "data", "--table", files[0], "--json", files[1]) == 0
        )
        assert capsys.readouterr().out == files[0].read_text() + "\n"
        told.append([file.read_text() for file in files])
    assert told[0] == told[1]
    assert sha256[:12] in told[0][0] and told[0][0].count("| noisy |") == 4
    assert {row["frames"] for row in json.loads(told[0][1])} == {24}


def test_options_choose_what_follows_the_network(listed: None, tmp_path: Path, capsys) -> None:
    run("prepare", "open-benchmark", "-o", tmp_path / "data")
    capsys.readouterr()
    assert run("evaluate", "open-benchmark", "--data", tmp_path / "data", "--no-refine", "--smooth", "none") == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith(("| clean", "| noisy"))]
    assert len(rows) == 4 and all("network alone" in row for row in rows)
    assert run("evaluate", "open-benchmark", "--data", tmp_path / "data", "--no-refine", "--smooth", "strong") == 0
    assert "| network + strong |" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [("evaluate", "dance", "--data", "x"), ("prepare", "dance", "-o", "x")])
def test_what_is_no_protocol_is_exit_code_2(arguments: tuple[str, ...], capsys) -> None:
    assert run(*arguments) == 2
    assert "open-benchmark" in capsys.readouterr().err


def test_a_folder_that_is_not_there_is_exit_code_1_and_names_the_command(tmp_path: Path, capsys) -> None:
    assert run("evaluate", "open-benchmark", "--data", tmp_path / "nothing") == 1
    assert "vibe prepare open-benchmark" in capsys.readouterr().err


def test_other_motion_is_refused_and_nothing_written(listed: None, tmp_path: Path, capsys) -> None:
    with np.load(tmp_path / "tiny.npz") as file:
        arrays = dict(file)
    arrays["trans"][3, 1] += np.float16(0.1)
    np.savez(tmp_path / "tiny.npz", allow_pickle=False, **arrays)
    assert run("prepare", "open-benchmark", "-o", tmp_path / "data") == 1
    assert "cmu_03_01" in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("prepare", "open-world"), "say `vibe prepare open-world -o DIR`"),
        (("prepare", "open-world", "-o", "x", "--subjects", "actors"), "choose one of held-out, training"),
        (("evaluate", "open-world", "--data", "x", "--boxes", "detected", "--raw", "x"), "leave --boxes and --raw out"),
    ],
    ids=["no folder", "no such subjects", "boxes"],
)
def test_a_wrong_call_of_open_world_is_exit_code_2_and_writes_nothing(arguments, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(*arguments) == 2
    assert said in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_open_world_without_its_motion_or_its_clips_is_exit_code_1(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("VIBE_MOTION", str(tmp_path / "nothing"))
    monkeypatch.chdir(tmp_path)
    assert run("prepare", "open-world", "-o", tmp_path / "data") == 1 and not (tmp_path / "data").exists()
    assert "open2_30fps.npz" in capsys.readouterr().err
    assert run("evaluate", "open-world", "--data", tmp_path / "data") == 1
    assert f"vibe prepare open-world -o {tmp_path / 'data'}" in capsys.readouterr().err
