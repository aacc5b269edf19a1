"""The loop that makes a store of a raw set, with a set invented for it."""

from collections.abc import Iterator
from dataclasses import replace
from multiprocessing.reduction import ForkingPickler
from pathlib import Path

import numpy as np
import pytest
from data.sets import test_bandai
from faults.kit import fill, full_disk, linux_only

from vibe import assets, cli
from vibe.data.prepare import StoreWriter, prepare
from vibe.data.recording import File, RawSet, Recording
from vibe.data.sets.catalogue import SETS
from vibe.data.store import open_store

READ: list[str] = []
"""Names of the files that were read, in order."""


def people(_: Path, __: str, path: Path) -> Iterator[Recording]:
    """A text file with a person on each line: how many frames, and the height of the root."""
    READ.append(path.stem)
    for person, line in enumerate(path.read_text().splitlines()):
        if line == "cut":
            raise ValueError(f"{path} is cut off after {person} people: copy it again")
        count, height = line.split()
        points = np.full((int(count), 24, 3), float(height), np.float32)
        yield Recording(f"{path.stem}/{person}", np.arange(int(count)), 25.0, {"points.smpl24": points})


def files(raw: Path) -> list[File]:
    return [(path.stem, path) for path in sorted((raw / "people").glob("*.txt"))]


INVENTED = RawSet("Invented people", "Nobody's: free.", "people/NAME.txt", files, people, {"scale": 1.1})


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    folder = tmp_path / "raw"
    (folder / "people").mkdir(parents=True)
    for name, text in {"a": "3 1.0\n2 2.0", "b": "4 nan\n1 3.0", "c": "2 4.0\ncut", "d": "5 5.0"}.items():
        (folder / "people" / f"{name}.txt").write_text(text)
    READ.clear()
    return folder


def told(made: StoreWriter) -> tuple:
    """What is said of a store."""
    return made.kept, made.rows, made.dropped, made.notes


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_what_can_be_read_is_kept_and_what_cannot_is_named_with_the_reason(raw: Path, tmp_path: Path) -> None:
    made = prepare("invented", INVENTED, raw, tmp_path / "out")
    assert (len(made.kept), made.rows) == (5, 13)
    assert made.dropped.keys() == {"b/0", "c"}
    assert "NaN" in made.dropped["b/0"] and "cut off after 1 people: copy it again" in made.dropped["c"]
    store = open_store(tmp_path / "out")
    assert [sequence.name for sequence in store.sequences] == ["a/0", "a/1", "b/1", "c/0", "d/0"]
    assert store.manifest["dropped"] == made.dropped and store.manifest["licence"] == "Nobody's: free."
    assert store.manifest["recipe"] == {"set": "invented", "scale": 1.1}
    assert store.manifest["sources"]["people/d.txt"] == assets.sha256(raw / "people" / "d.txt")
    assert store.column("points.smpl24")[:, 7, 2].tolist() == [1] * 3 + [2] * 2 + [3] + [4] * 2 + [5] * 5


def test_a_second_run_reads_nothing_tells_the_same_and_changes_nothing(raw: Path, tmp_path: Path) -> None:
    made = prepare("invented", INVENTED, raw, tmp_path / "out")
    before = content(tmp_path / "out")
    READ.clear()
    assert told(prepare("invented", INVENTED, raw, tmp_path / "out")) == told(made)
    assert READ == [] and content(tmp_path / "out") == before


@pytest.mark.parametrize("after", [1, 2, 3])
def test_a_run_that_was_stopped_goes_on_to_the_same_store(raw: Path, tmp_path: Path, after: int) -> None:
    prepare("invented", INVENTED, raw, tmp_path / "whole")
    READ.clear()

    def stopped(raw: Path, name: str, path: Path) -> Iterator[Recording]:
        if name == "abcd"[after]:
            raise KeyboardInterrupt
        yield from people(raw, name, path)

    with pytest.raises(KeyboardInterrupt):
        prepare("invented", replace(INVENTED, read=stopped), raw, tmp_path / "out")
    READ.clear()
    prepare("invented", INVENTED, raw, tmp_path / "out")
    assert "a" not in READ
    assert content(tmp_path / "out") == content(tmp_path / "whole")


def test_strict_fails_names_all_and_goes_on_when_the_files_are_mended(raw: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"not all could be kept: b/0: .*NaN.*; c: .*cut off"):
        prepare("invented", INVENTED, raw, tmp_path / "out", strict=True)
    with pytest.raises(FileNotFoundError, match="not finished"):
        open_store(tmp_path / "out")
    without_sums = replace(INVENTED, beside=None)
    with pytest.raises(ValueError, match="not all could be kept"):
        prepare("invented", without_sums, raw, tmp_path / "mended", strict=True)
    (raw / "people" / "b.txt").write_text("4 2.5\n1 3.0")
    (raw / "people" / "c.txt").write_text("2 4.0")
    READ.clear()
    made = prepare("invented", without_sums, raw, tmp_path / "mended", strict=True)
    assert (len(made.kept), made.rows, dict(made.dropped)) == (6, 17, {}) and READ == ["b", "c"]


def test_strict_fails_on_a_finished_store_from_which_something_was_dropped(raw: Path, tmp_path: Path) -> None:
    prepare("invented", INVENTED, raw, tmp_path / "out")
    with pytest.raises(ValueError, match="not all could be kept"):
        prepare("invented", INVENTED, raw, tmp_path / "out", strict=True)


def test_recordings_of_one_name_are_dropped_after_the_first(raw: Path, tmp_path: Path) -> None:
    twice = replace(INVENTED, files=lambda raw: [*files(raw), ("e", raw / "people" / "d.txt")])
    made = prepare("invented", twice, raw, tmp_path / "out")
    assert len(made.kept) == 5 and "comes twice" in made.dropped["d/0 (in part)"]


def test_other_raw_files_are_refused(raw: Path, tmp_path: Path) -> None:
    prepare("invented", INVENTED, raw, tmp_path / "out")
    (raw / "people" / "a.txt").write_text("3 1.5")
    with pytest.raises(ValueError, match="another sources"):
        prepare("invented", INVENTED, raw, tmp_path / "out")


def test_a_missing_or_empty_raw_folder_is_named_with_the_layout(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere is not there.*Invented people.*people/NAME\.txt"):
        prepare("invented", INVENTED, tmp_path / "nowhere", tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"empty holds nothing of .*people/NAME\.txt"):
        prepare("invented", INVENTED, tmp_path / "empty", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_command_tells_what_was_dropped_and_strict_is_exit_code_1(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.setitem(SETS, "invented", INVENTED)
    command = ["prepare", "invented", str(raw), "-o", str(tmp_path / "out")]
    assert cli.main([*command, "--strict"]) == 1
    assert "leave out --strict" in capsys.readouterr().err
    assert cli.main(command) == 0
    told = capsys.readouterr()
    assert "kept 5 recordings of 13 frames, 2 dropped" in told.out
    assert "dropped c: " in told.err and "dropped b/0: " in told.err
    assert cli.main(["prepare"]) == 0
    assert "invented: Invented people" in capsys.readouterr().out
    assert cli.main(["prepare", "invented"]) == 2
    assert "people/NAME.txt" in capsys.readouterr().err


def test_several_workers_make_the_same_store_as_one(raw: Path, tmp_path: Path) -> None:
    made = prepare("amass-like", SETS["amass-like"], capture(tmp_path / "motion"), tmp_path / "one")
    assert len(made.kept) == 3 and made.dropped.keys() == {"c"}
    again = prepare("amass-like", SETS["amass-like"], tmp_path / "motion", tmp_path / "two", workers=2)
    assert told(again) == told(made) and content(tmp_path / "two") == content(tmp_path / "one")


def capture(folder: Path) -> Path:
    """Motion files, of which the third is damaged."""
    folder.mkdir()
    for number, name in enumerate("abcd"):
        poses = 0.1 * np.sin(np.arange(30 + number)[:, None] / 9 + np.arange(156))
        arrays = {"poses": poses, "trans": 0.01 * poses[:, :3], "betas": np.zeros(16)}
        np.savez(folder / f"{name}.npz", **arrays, gender="female", mocap_framerate=60.0)
    (folder / "c.npz").write_bytes(b"PK, cut off")
    return folder


@pytest.mark.parametrize("name", SETS)
def test_workers_can_be_told_of_every_set(name: str) -> None:
    assert ForkingPickler.loads(ForkingPickler.dumps(SETS[name].read))
    assert ForkingPickler.dumps(SETS[name].pictures)


@linux_only
def test_a_disk_that_is_full_ends_the_run_and_the_next_one_keeps_everything(tmp_path):
    raw = test_bandai.raw(tmp_path / "raw")
    prepare("bandai", test_bandai.BANDAI, raw, tmp_path / "whole")
    with full_disk(1 << 20) as disk:
        ballast = fill(disk, 12_000)
        with pytest.raises(OSError, match="No space"):
            prepare("bandai", test_bandai.BANDAI, raw, disk / "out")
        ballast.unlink()
        made = prepare("bandai", test_bandai.BANDAI, raw, disk / "out")
        assert len(made.kept) == 2 and made.dropped == {}
        for path in (tmp_path / "whole").iterdir():
            assert (disk / "out" / path.name).read_bytes() == path.read_bytes()
