from pathlib import Path

import pytest

from vibe import assets


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
