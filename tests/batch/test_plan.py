"""What is done again and what is not: by the content of the videos and by every setting that matters."""

import csv
import json
import shutil
from pathlib import Path

import pytest
from pretended import make_video, pretend

from vibe import assets, cli
from vibe.render import film


@pytest.fixture(scope="module", autouse=True)
def models() -> None:
    try:
        for name in assets.MODELS:
            assets.find_model(name)
    except FileNotFoundError as error:
        pytest.skip(str(error))


@pytest.fixture
def worked(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The videos that were estimated."""
    return pretend(monkeypatch, [1])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three videos, one of them in a folder below."""
    (tmp_path / "videos" / "below").mkdir(parents=True)
    for frames, name in ((3, "a"), (4, "b"), (5, "below/c")):
        make_video(tmp_path / "videos" / f"{name}.mp4", frames)
    return tmp_path / "videos"


def estimate(*given: object) -> int:
    return cli.main(["estimate", *map(str, given)])


def report(out: Path) -> dict[str, tuple[str, str]]:
    """State and folder of each video, by its name."""
    videos = json.loads((out / "report.json").read_text(encoding="utf-8"))["videos"]
    return {Path(each["video"]).name: (each["state"], Path(each["results"]).name) for each in videos}


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def names(worked: list[Path]) -> list[str]:
    found = [path.name for path in worked]
    worked.clear()
    return found


def test_a_folder_gives_a_folder_each_with_those_below_kept_and_a_second_run_does_nothing(folder, tmp_path, worked):
    out = tmp_path / "out"
    assert estimate(folder, "-o", out, "--no-overlay") == 0
    assert names(worked) == ["a.mp4", "b.mp4", "c.mp4"]
    each = [f"{name}/{file}" for name in ("a", "b", "below/c") for file in ("motion.npz", "summary.json")]
    assert files(out) == sorted([*each, "report.csv", "report.json"])
    assert not (out / ".vibe").exists()
    before = {name: (out / name).stat().st_mtime_ns for name in each}
    assert estimate(folder, "-o", out, "--no-overlay") == 0
    assert names(worked) == []
    assert {name: (out / name).stat().st_mtime_ns for name in each} == before
    assert report(out) == {"a.mp4": ("skipped", "a"), "b.mp4": ("skipped", "b"), "c.mp4": ("skipped", "c")}
    with (out / "report.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["people"], row["frames"], len(row["key"])) for row in rows] == [("1", str(n), 64) for n in (3, 4, 5)]


def test_a_changed_setting_does_it_again_and_a_changed_name_does_not(folder, tmp_path, worked):
    out = tmp_path / "out"
    estimate(folder, "-o", out, "--no-overlay")
    names(worked)
    (folder / "a.mp4").rename(folder / "z.mp4")
    assert estimate(folder, "-o", out, "--no-overlay") == 0
    assert names(worked) == [] and report(out)["z.mp4"] == ("skipped", "a")
    assert estimate(folder, "-o", out, "--no-overlay", "--smooth", "none") == 0
    assert names(worked) == ["b.mp4", "z.mp4", "c.mp4"]
    assert estimate(folder, "-o", out, "--no-overlay", "--smooth", "none", "--again") == 0
    assert names(worked) == ["b.mp4", "z.mp4", "c.mp4"]


def test_a_changed_video_is_done_again(folder, tmp_path, worked):
    out = tmp_path / "out"
    estimate(folder, "-o", out, "--no-overlay")
    names(worked)
    make_video(folder / "b.mp4", 6)
    assert estimate(folder, "-o", out, "--no-overlay") == 0
    assert names(worked) == ["b.mp4"] and report(out)["b.mp4"] == ("done", "b")


def test_a_new_video_of_an_old_name_leaves_the_results_of_the_renamed_one_alone(folder, tmp_path, worked):
    out = tmp_path / "out"
    estimate(folder, "-o", out, "--no-overlay")
    names(worked)
    (folder / "a.mp4").rename(folder / "z.mp4")
    make_video(folder / "a.mp4", 7)
    assert estimate(folder, "-o", out, "--no-overlay") == 0
    assert names(worked) == ["a.mp4"]
    assert (report(out)["a.mp4"], report(out)["z.mp4"]) == (("done", "a-2"), ("skipped", "a"))


@pytest.mark.parametrize(
    "damage", ["motion cut", "motion changed", "motion gone", "summary cut", "summary of another kind"]
)
def test_damaged_results_are_made_anew(damage, folder, tmp_path, worked):
    out = tmp_path / "out"
    estimate(folder, "-o", out, "--no-overlay")
    names(worked)
    motion, summary = out / "b" / "motion.npz", out / "b" / "summary.json"
    content = motion.read_bytes()
    if damage == "motion gone":
        motion.unlink()
    elif damage.startswith("motion"):
        motion.write_bytes(content[:-9] if damage == "motion cut" else content[:-9] + bytes(9))
    else:
        summary.write_text('{"keys": {"motion.npz": [' if damage == "summary cut" else '{"source": 3}')
    assert estimate(folder, "-o", out, "--no-overlay") == 0
    assert names(worked) == ["b.mp4"]
    assert motion.read_bytes() == content


def test_the_same_video_under_two_names_is_done_once_and_each_gets_a_folder(folder, tmp_path, worked):
    out = tmp_path / "out"
    shutil.copy(folder / "a.mp4", folder / "below" / "copy.mp4")
    assert estimate(folder, folder / "a.mp4", "-o", out, "--no-overlay") == 0
    assert names(worked) == ["a.mp4", "b.mp4", "c.mp4"]
    assert report(out)["copy.mp4"] == ("done", "copy")
    for name in ("a", "below/copy"):
        summary = json.loads((out / name / "summary.json").read_text(encoding="utf-8"))
        assert Path(summary["source"]["path"]).stem == Path(summary["video"]).stem == Path(name).name
    assert (out / "below" / "copy" / "motion.npz").read_bytes() == (out / "a" / "motion.npz").read_bytes()
    assert estimate(folder, "-o", out, "--no-overlay") == 0
    assert names(worked) == [] and report(out)["copy.mp4"] == ("skipped", "copy")
    (out / "a" / "motion.npz").unlink()
    assert estimate(folder, "-o", out, "--no-overlay") == 0
    assert names(worked) == [] and report(out)["a.mp4"] == ("done", "a")
    assert (out / "below" / "copy" / "motion.npz").read_bytes() == (out / "a" / "motion.npz").read_bytes()
    assert estimate(folder, "-o", out, "--no-overlay", "--again") == 0
    assert names(worked) == ["a.mp4", "b.mp4", "c.mp4"] and report(out)["copy.mp4"] == ("done", "copy")


def test_the_same_broken_video_twice_is_named_twice(folder, tmp_path, worked):
    for name in ("x", "y"):
        (folder / f"{name}.mp4").write_bytes(b"no video")
    assert estimate(folder, "-o", tmp_path / "out", "--no-overlay") == 1
    videos = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))["videos"]
    failed = {Path(each["video"]).name: each["reason"] for each in videos if each["state"] == "failed"}
    assert list(failed) == ["x.mp4", "y.mp4"]
    assert all(name in reason for name, reason in failed.items())


def test_a_missing_or_damaged_render_is_drawn_of_the_motion_that_is_there(folder, tmp_path, worked, monkeypatch):
    out, drawn = tmp_path / "out", []

    def draw(video, result, path, body, progress):
        drawn.append((video.name, len(result.people), result.notes))
        path.write_bytes(b"film")
        return ("a note on the film",)

    monkeypatch.setattr(film, "write_overlay", draw)
    estimate(folder, "-o", out, "--no-overlay")
    names(worked)
    assert estimate(folder, "-o", out) == 0
    assert names(worked) == [] and drawn == [(f"{name}.mp4", 1, ("a note on it",)) for name in "abc"]
    summary = json.loads((out / "a" / "summary.json").read_text(encoding="utf-8"))
    assert summary["notes"] == ["a note on it", "a note on the film"]
    assert summary["files"] == ["motion.npz", "overlay.mp4", "summary.json"]
    assert summary["weights"]["licence"] == "free for every use"
    assert "people" in summary["seconds"]
    (out / "b" / "overlay.mp4").write_bytes(b"FILM")
    drawn.clear()
    assert estimate(folder, "-o", out) == 0
    assert [name for name, *_ in drawn] == ["b.mp4"]
    (out / "b" / "overlay.mp4").unlink()
    drawn.clear()
    assert estimate(folder, "-o", out) == 0
    assert [name for name, *_ in drawn] == ["b.mp4"]
    assert estimate(folder, "-o", out, "--no-overlay", "--smooth", "none") == 0
    assert not (out / "a" / "overlay.mp4").exists()  # it was of another motion
    assert len(drawn) == 1


def test_stages_stay_only_if_they_are_asked_for(folder, tmp_path, worked):
    out = tmp_path / "out"
    assert estimate(folder, "-o", out, "--no-overlay", "--keep-stages") == 0
    assert len(list((out / ".vibe" / "stages").glob("*/tracks.safetensors"))) == 3
    assert estimate(folder, "-o", out, "--no-overlay") == 0
    assert len(list((out / ".vibe" / "stages").glob("*/tracks.safetensors"))) == 3
    assert estimate(folder, "-o", out, "--no-overlay", "--again") == 0
    assert not (out / ".vibe").exists()


def test_a_single_video_that_is_done_is_shown_and_not_done_again(folder, tmp_path, worked, capsys):
    for _ in range(2):
        assert estimate(folder / "a.mp4", "-o", tmp_path / "out", "--no-overlay") == 0
    assert names(worked) == ["a.mp4"]
    said = capsys.readouterr().out
    assert said.count("0.75") == 2 and "--again" in said
    assert files(tmp_path / "out") == ["a/motion.npz", "a/summary.json"]


def test_results_inside_the_folder_of_videos_are_no_videos(folder, worked, monkeypatch):
    monkeypatch.setattr(film, "write_overlay", lambda video, result, path, *_: path.write_bytes(b"film") and ())
    for _ in range(2):
        assert estimate(folder, "-o", folder / "out") == 0
    assert names(worked) == ["a.mp4", "b.mp4", "c.mp4"]


def test_names_that_our_own_files_have_get_a_number(tmp_path, worked):
    videos = [make_video(tmp_path / f"{name}.mp4", 3 + len(name)) for name in ("report.csv", "a")]
    assert estimate(*videos, "-o", tmp_path / "out", "--no-overlay") == 0
    assert (tmp_path / "out" / "report.csv-2" / "motion.npz").exists()


@pytest.mark.parametrize("where", ["videos", "results", "both"])
def test_a_store_works_as_a_folder_does(where, folder, tmp_path, worked):
    import fsspec

    store = fsspec.filesystem("memory")
    root = f"/{tmp_path.name}"
    if where != "results":
        store.put(str(folder), f"{root}/videos", recursive=True)
    videos = str(folder) if where == "results" else f"memory://{root}/videos"
    out = str(tmp_path / "out") if where == "videos" else f"memory://{root}/out"
    for times in range(2):
        assert estimate(videos, "-o", out, "--no-overlay") == 0
        assert len(names(worked)) == (0 if times else 3)
    each = [f"{name}/{file}" for name in ("a", "b", "below/c") for file in ("motion.npz", "summary.json")]
    found = files(tmp_path / "out") if where == "videos" else [
        name.removeprefix(f"{root}/out/") for name in sorted(store.find(f"{root}/out"))
    ]  # fmt: skip
    assert found == sorted([*each, "report.csv", "report.json"])
    assert not (tmp_path / "out" / ".vibe").exists()
    if where != "results":
        store.pipe_file(f"{root}/videos/b.mp4", (folder / "a.mp4").read_bytes())  # another's content
        assert estimate(videos, "-o", out, "--no-overlay") == 0
        assert len(names(worked)) == 0
        store.pipe_file(f"{root}/videos/b.mp4", make_video(tmp_path / "new.mp4", 9).read_bytes())
        assert estimate(videos, "-o", out, "--no-overlay") == 0
        assert len(names(worked)) == 1
