"""Folders and stores, by one code path: what is reached, what is written, what is said of it."""

import errno
import os
import tempfile
from pathlib import Path

import fsspec
import pytest

from vibe.batch import report
from vibe.batch.report import Outcome, failed_outcome
from vibe.batch.sources import VideoSource, find_videos
from vibe.batch.storage import ListingLimit, OutputStorage, Storage
from vibe.errors import one_line

SIGNED = "https://host/clips/a%20b.mp4?X-Amz-Signature=s3cr3t&x=[1]*"


def made(folder: Path) -> Path:
    """What a worker leaves to be put in its place."""
    folder.mkdir()
    for name in ("motion.npz", "overlay.mp4", "summary.json"):
        (folder / name).write_bytes(name.encode())
    return folder


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "address",
    [
        "github://org:secret@main/a.mp4",
        "ftp://host/a.mp4",
        "reference://x",
        "zip://a.mp4::http://host/x.zip",
        "simplecache::s3://bucket/a.mp4",
        "s3://bucket/a.mp4::zip://x",
        "local:///etc/passwd",
    ],
)
def test_only_known_schemes_are_reached_and_no_chains(address: str) -> None:
    with pytest.raises((ValueError, FileNotFoundError)) as caught:
        find_videos([address], "out")
    assert "secret" not in str(caught.value)


def test_a_local_name_may_hold_what_looks_like_a_chain(tmp_path: Path) -> None:
    (tmp_path / "a::b.mp4").touch()
    assert [source.name for source in find_videos([str(tmp_path)], "out")] == [str(tmp_path / "a::b.mp4")]


@pytest.mark.parametrize("where", ["folder", "memory"])
def test_what_is_put_is_there_whole_with_stale_files_gone(where: str, tmp_path: Path) -> None:
    out = OutputStorage(str(tmp_path / "out") if where == "folder" else f"memory:///{tmp_path.name}/out")
    out.probe(["a"], ["motion.npz"])
    out.put(made(tmp_path / "first"), "a")
    second = made(tmp_path / "second")
    (second / "overlay.mp4").unlink()
    out.put(second, "a", stale=("overlay.mp4", "page.html"))
    out.write("report.csv", b"rows")
    found = sorted(f"{below}/{name}".lstrip("/") for below, names in out.walk(ListingLimit(9)) for name in names)
    assert found == ["a/motion.npz", "a/summary.json", "report.csv"]
    Storage(out.name("a/motion.npz")).download(tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"motion.npz"


def test_a_place_on_another_disk_works(tmp_path: Path) -> None:
    shared = Path("/dev/shm")
    if not shared.is_dir() or shared.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system here")
    with tempfile.TemporaryDirectory(dir=shared) as elsewhere:
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "a").symlink_to(elsewhere)
        OutputStorage(str(tmp_path / "out")).put(made(tmp_path / "made"), "a")
        assert sorted(files(Path(elsewhere))) == ["motion.npz", "overlay.mp4", "summary.json"]


def test_a_disk_that_is_full_leaves_the_older_file_and_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = OutputStorage(str(tmp_path / "out"))
    out.put(made(tmp_path / "first"), "a")
    before = files(tmp_path / "out")

    def full(source: str, target: str) -> None:
        Path(target).write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), target)

    monkeypatch.setattr("shutil.copyfile", full)
    with pytest.raises(OSError, match="No space left"):
        out.put(made(tmp_path / "second"), "a")
    before.pop("a/summary.json")  # it goes first: what it says need no longer hold
    assert files(tmp_path / "out") == before


def test_names_in_a_store_that_lead_elsewhere_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = type(fsspec.filesystem("memory"))
    names = ["/x/../../etc/a.mp4", "/x/..", "/x/good.mp4", "/x/", "/x/."]
    monkeypatch.setattr(memory, "ls", lambda self, path, detail: [{"name": each, "type": "file"} for each in names])
    assert list(Storage("memory://x").entries()) == ["a.mp4", "good.mp4"]


def test_a_video_beyond_the_limit_is_not_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "video.mp4").write_bytes(bytes(1000))
    monkeypatch.setattr("vibe.batch.storage.LARGEST_VIDEO", 999)
    with pytest.raises(OSError, match=r"video.mp4 is larger than"):
        Storage(str(tmp_path / "video.mp4")).download(tmp_path / "copy.mp4")


def test_a_signed_address_is_a_file_and_no_pattern() -> None:
    (source,) = find_videos([SIGNED], "out")
    assert source.name == SIGNED and source.file.name == "a b.mp4" and source.file.suffix == ".mp4"
    assert source.label == "https://host/clips/a%20b.mp4"


def test_a_question_mark_in_a_store_is_no_pattern(tmp_path: Path) -> None:
    store = fsspec.filesystem("memory")
    for name in ("a?.mp4", "ab.mp4", "a?1.mp4"):
        store.pipe_file(f"/{tmp_path.name}/{name}", b"film")
    for pattern, expected in {"a?.mp4": ["a?.mp4"], "a?*.mp4": ["a?.mp4", "a?1.mp4"]}.items():
        found = find_videos([f"memory:///{tmp_path.name}/{pattern}"], "out")
        assert [source.file.name for source in found] == expected


def test_results_in_a_store_of_videos_are_no_videos(tmp_path: Path) -> None:
    store, root = fsspec.filesystem("memory"), f"/{tmp_path.name}"
    for name in ("a.mp4", "out/b.mp4", "c/motion.npz", "c/overlay.mp4"):
        store.pipe_file(f"{root}/{name}", b"film")
    assert [source.file.name for source in find_videos([f"memory://{root}"], f"memory://{root}/out")] == ["a.mp4"]
    matched = find_videos([f"memory://{root}/**/*.mp4"], f"memory://{root}/out")
    assert "b.mp4" not in [source.file.name for source in matched]


@pytest.mark.parametrize(
    "address", ["sftp://me:s3cr3t@host/a.mp4", "https://me:s3c@r3t@host/a.mp4", "https://host/a.mp4?sig=s3cr3t"]
)
def test_no_password_is_in_a_message_or_report(address: str) -> None:
    outcomes = [failed_outcome(address, one_line(OSError(f"403 for {address}"))), Outcome(address, "done", "", address)]
    for text in (report.report_csv(outcomes).decode(), report.report_json(outcomes).decode(), outcomes[0].reason):
        assert "s3c" not in text and "r3t" not in text and "host/a.mp4" in text
    assert "r3t" not in VideoSource(address).label


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t"])
def test_no_name_becomes_a_formula_in_a_spreadsheet(start: str) -> None:
    text = report.report_csv([Outcome(f"{start}1+1.mp4", "done")]).decode()
    assert text.splitlines()[1].startswith(f"'{start}")
