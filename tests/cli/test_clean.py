import subprocess
import sys
from pathlib import Path

import pytest

from vibe import cli
from vibe.batch import cleanup


def results(out: Path) -> dict[Path, bytes]:
    """A folder after a run that kept its stages and one that was killed; and which files are results."""
    kept = ["dance/motion.npz", "dance/summary.json", "dance/notes.part", "dance/.hidden", "run.csv"]
    lost = [".vibe/stages/abc/tracks-1/tracks.safetensors", ".vibe/work/def/made/overlay.mp4", ".vibe/work/def.lock"]
    for name in (*kept, *lost, "dance/.motion.npz.4711.part", ".vibe-4711"):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(name.encode() * 1000)
    return {out / name: (out / name).read_bytes() for name in kept}


def files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


def run(*arguments: object) -> int:
    return cli.main(["clean", *map(str, arguments)])


def test_everything_but_results_goes_and_it_says_how_much(tmp_path: Path, capsys) -> None:
    stay = results(tmp_path)
    size = sum(path.stat().st_size for path in files(tmp_path) - set(stay))
    assert run(tmp_path, "--yes") == 0
    said = capsys.readouterr().out
    assert f"removed, {size / 1e6:.1f} MB" in said and "stages of videos: 1" in said
    assert {path: path.read_bytes() for path in files(tmp_path)} == stay
    assert not (tmp_path / ".vibe").exists()
    assert run(tmp_path, "--yes") == 0 and "nothing to remove" in capsys.readouterr().out


def test_a_dry_run_removes_nothing(tmp_path: Path, capsys) -> None:
    results(tmp_path)
    before = files(tmp_path)
    assert run(tmp_path, "--dry-run") == 0
    assert files(tmp_path) == before and "half-written files: 2" in capsys.readouterr().out


def test_it_asks_first_and_refuses_where_nobody_answers(tmp_path: Path, capsys, monkeypatch) -> None:
    results(tmp_path)
    before = files(tmp_path)
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    assert run(tmp_path) == 2 and files(tmp_path) == before and "--yes" in capsys.readouterr().err
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda question: "")
    assert run(tmp_path) == 0 and files(tmp_path) == before
    monkeypatch.setattr("builtins.input", lambda question: "y")
    assert run(tmp_path) == 0 and files(tmp_path) < before


def test_nothing_goes_while_somebody_is_at_work(tmp_path: Path, capsys) -> None:
    results(tmp_path)
    held = "import sys; from pathlib import Path; from vibe.batch.cleanup import claim\n"
    held += "with claim(Path(sys.argv[1]), 'other'): print(flush=True); sys.stdin.read()"
    scratch = tmp_path / ".vibe" / "work"
    worker = subprocess.Popen(
        [sys.executable, "-c", held, str(scratch)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert worker.stdout and worker.stdout.readline()
        before = files(tmp_path)
        assert run(tmp_path, "--yes") == 1 and files(tmp_path) == before
        assert "at work" in capsys.readouterr().err
    finally:
        worker.communicate()
    assert run(tmp_path, "--yes") == 0 and not cleanup.busy(scratch)


@pytest.mark.parametrize("name", ["none", "file"])
def test_a_folder_that_is_none_is_wrong_usage(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert run(tmp_path / name) == 2


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    results(out)
    elsewhere.mkdir()
    (elsewhere / ".a.1.part").write_text("mine")
    (out / "link").symlink_to(elsewhere)
    (out / ".vibe" / "stages" / "link").symlink_to(elsewhere)
    assert run(out, "--yes") == 0
    assert (elsewhere / ".a.1.part").exists()
