from pathlib import Path

import pytest

from vibe import assets, cli
from vibe.errors import Misuse


def test_a_file_of_the_library_that_is_not_there_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("VIBE_HOME", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="smpl_neutral.npz.*vibe assets add FILE"):
        assets.library("smpl_neutral.npz")
    (tmp_path / "smpl_neutral.npz").write_bytes(b"here")
    assert assets.library("smpl_neutral.npz") == tmp_path / "smpl_neutral.npz"


def test_a_write_that_fails_leaves_no_file(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        assets.write_whole(tmp_path / "file", b"content")
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_cannot_begin_names_the_file_that_was_asked_for(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        assets.write_whole(tmp_path / "no" / "file", b"content")
    assert caught.value.filename == str(tmp_path / "no" / "file")


def test_a_full_disk_is_told_with_the_file_that_was_asked_for(tmp_path):
    with pytest.raises(OSError) as caught, assets.whole_file(tmp_path / "file"):
        raise OSError(28, "No space left on device")
    assert caught.value.filename == str(tmp_path / "file") and list(tmp_path.iterdir()) == []


def test_a_user_without_a_home_folder_has_the_environments_files_and_is_told_what_to_set(monkeypatch, tmp_path, capsys):
    for name in ("HOME", "VIBE_HOME", "XDG_DATA_HOME", "USERPROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(
        Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("Could not determine home directory."))
    )
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    assert assets.folders() == (tmp_path / "share" / "vibe",)
    with pytest.raises(FileNotFoundError, match="VIBE_HOME"):
        assets.home()
    (tmp_path / "videos").mkdir()
    for command in (["fetch"], ["assets"], ["estimate", str(tmp_path / "videos")], ["estimate", "none.mp4"]):
        assert cli.main(command) in (1, 2)
        said = capsys.readouterr().err
        assert said.startswith("vibe: ") and "fault of vibe's own" not in said


def test_what_is_read_is_not_written_by_whatever_name(tmp_path):
    given, other = tmp_path / "given", tmp_path / "other"
    given.mkdir()
    for path in (given / "file", other):
        path.write_bytes(b"content")
    (tmp_path / "link").symlink_to(other)
    (tmp_path / "hard").hardlink_to(other)
    for out in (other, tmp_path / "given" / ".." / "other", tmp_path / "link", tmp_path / "hard"):
        with pytest.raises(Misuse, match="would be overwritten"):
            assets.keep_inputs([None, out], None, other)
    for out in (given, given / "file"):
        with pytest.raises(Misuse, match="would be overwritten"):
            assets.keep_inputs([out], given)
    assets.keep_inputs([given / "new", tmp_path / "none", "x" * 5000], given, other, tmp_path / "gone", "y" * 5000)
