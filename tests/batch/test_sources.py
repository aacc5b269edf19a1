"""Which videos the arguments name."""

from pathlib import Path

import pytest

from vibe.batch.sources import find_videos


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (
        "a.mp4",
        "b.MOV",
        "notes.doc",
        ".hidden.mp4",
        "below/c.mkv",
        ".trash/d.mp4",
        "below/[x].mp4",
        "out/e.mp4",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"film")
    for name in ("motion.npz", "overlay.mp4"):
        (tmp_path / "below" / name).touch()
    return tmp_path


def named(folder: Path, *given: str) -> list[str]:
    """What is found, with the folder that the results keep."""
    found = find_videos([str(folder / each) for each in given], str(folder / "out"))
    return [f"{Path(source.name).relative_to(folder).as_posix()}>{source.folder}" for source in found]


def test_a_folder_means_the_videos_in_it_and_below_but_nothing_hidden_and_no_results(folder):
    assert named(folder, "") == ["a.mp4>", "b.MOV>", "below/[x].mp4>below", "below/c.mkv>below"]


def test_a_pattern_means_what_it_matches(folder):
    assert named(folder, "*") == ["a.mp4>", "b.MOV>"]
    assert named(folder, "**/*.mkv") == ["below/c.mkv>"]
    assert named(folder, "*.doc") == ["notes.doc>"]
    assert named(folder, "below/[x].mp4") == ["below/[x].mp4>"]  # that file, and no pattern


def test_a_list_means_its_lines_relative_to_it(folder):
    (folder / "below" / "list.txt").write_text(
        "\ufeff# videos\n\n  c.mkv\n../a.mp4\n../*.MOV\n../a.mp4\n", encoding="utf-8"
    )
    found = find_videos([str(folder / "below" / "list.txt")], "out")
    assert [Path(source.name).name for source in found] == ["c.mkv", "a.mp4", "b.MOV"]


def test_each_is_named_once_in_the_order_of_the_arguments(folder):
    assert named(folder, "b.MOV", "", "a.mp4") == ["b.MOV>", "a.mp4>", "below/[x].mp4>below", "below/c.mkv>below"]


def test_a_url_means_a_file_a_folder_or_a_pattern(folder):
    import fsspec

    store = fsspec.filesystem("memory")
    root = f"/{folder.name}"
    for name in ("a.mp4", "below/c.mkv", ".trash/d.mp4", "notes.doc"):
        store.pipe_file(f"{root}/{name}", b"film")
    for given, names in {
        f"memory://{root}/a.mp4": ["a.mp4"],
        f"memory://{root}": ["a.mp4", "c.mkv"],
        f"memory://{root}/**/*.mkv": ["c.mkv"],
    }.items():
        found = find_videos([given], "out")
        assert [source.file.name for source in found] == names
        assert all(source.remote and source.name.startswith("memory://") for source in found)
    assert find_videos([(folder / "a.mp4").as_uri()], "out")[0].name == str(folder / "a.mp4")


@pytest.mark.parametrize(
    "given", ["absent.mp4", "absent*.mp4", "empty", "list.txt", "memory://nowhere", "memory://x/*.mp4"]
)
def test_what_is_not_there_is_one_error_that_names_it(given, folder):
    (folder / "empty").mkdir()
    (folder / "list.txt").write_text("# nothing\n")
    with pytest.raises(FileNotFoundError, match=given.replace("*", r"\*")):
        find_videos([given if "://" in given else str(folder / given)], "out")


def test_an_empty_name_does_not_stand_for_the_folder_that_vibe_is_called_in(folder, monkeypatch):
    monkeypatch.chdir(folder)
    with pytest.raises(ValueError, match="an empty name is no video"):
        find_videos([""], "out")


def test_a_line_of_a_list_that_is_not_there_is_named_with_its_number(folder):
    (folder / "list.txt").write_text("a.mp4\nabsent.mp4\n")
    with pytest.raises(FileNotFoundError, match="list.txt, line 2: .*absent.mp4"):
        find_videos([str(folder / "list.txt")], "out")
    (folder / "list.txt").write_text("list.txt\n")
    with pytest.raises(ValueError, match="another list"):
        find_videos([str(folder / "list.txt")], "out")


@pytest.mark.parametrize("line", ["/", "//", "/../"])
def test_the_whole_disk_is_refused(line, folder):
    (folder / "list.txt").write_text(f"a.mp4\n{line}\n")
    with pytest.raises(ValueError, match="list.txt, line 2: .*whole disk"):
        find_videos([str(folder / "list.txt")], "out")


@pytest.mark.parametrize("line", ["tree", "tree/**/*.mp4", "tree/*/*", "*/**/**/*"])
def test_a_search_ends_where_there_is_too_much(line, folder, monkeypatch):
    for number in range(30):
        (folder / "tree" / str(number)).mkdir(parents=True)
    monkeypatch.setattr("vibe.batch.sources.MOST", 25)
    (folder / "list.txt").write_text(line)
    with pytest.raises(ValueError, match="list.txt, line 1: .*more than 25 files and folders"):
        find_videos([str(folder / "list.txt")], "out")


def test_lines_count_so_that_a_list_ends_too(folder, monkeypatch):
    monkeypatch.setattr("vibe.batch.sources.MOST", 25)
    (folder / "list.txt").write_text("a.mp4\n" * 20)
    assert len(find_videos([str(folder / "list.txt")], "out")) == 1
    (folder / "list.txt").write_text("a.mp4\n" * 30)
    with pytest.raises(ValueError, match="more than 25"):
        find_videos([str(folder / "list.txt")], "out")


@pytest.mark.parametrize("line", ["a" * 5000, "(*" * 3000, "a/*" * 1000, "memory://" + "a" * 5000, "a" * 5000 + ".txt"])
def test_a_name_without_end_is_not_repeated_whole(line, folder):
    (folder / "list.txt").write_text(line)
    with pytest.raises((OSError, ValueError), match="list.txt, line 1: ") as caught:
        find_videos([str(folder / "list.txt")], "out")
    assert len(str(caught.value)) < 700


def test_a_folder_of_numbered_pictures_is_one_video(tmp_path):
    place = tmp_path / "take"
    place.mkdir()
    for number in range(3):
        (place / f"frame_{number:03d}.jpg").write_bytes(b"\xff\xd8\xff")
    assert [source.name for source in find_videos([str(place)], str(tmp_path / "out"))] == [str(place)]
    (place / "other_7.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(FileNotFoundError, match="folder without a video"):
        find_videos([str(place)], str(tmp_path / "out"))
