import hashlib
import zipfile

import pytest

from vibe import assets
from vibe.assets import download

CONTENTS = {name: name.encode() * 100 for name in assets.MODELS}


@pytest.fixture
def fake_models(monkeypatch, tmp_path):
    """Small files in place of the two models, in a home of their own."""
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in CONTENTS.items()}
    monkeypatch.setattr(download, "MODELS", hashes)
    monkeypatch.setattr("sys.prefix", str(tmp_path / "environment"))
    monkeypatch.setenv("VIBE_HOME", str(tmp_path / "home"))


def wheel(folder, contents):
    path = folder / "mediapipe-0.10.21-fake.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents.items():
            archive.writestr(f"mediapipe/modules/{name}", content)
        archive.writestr("mediapipe/python/solutions.py", "not wanted")
    return path


def test_what_was_fetched_is_found_and_only_that_is_kept(fake_models):
    paths = assets.fetch(download=lambda folder: wheel(folder, CONTENTS))
    assert [path.read_bytes() for path in paths] == list(CONTENTS.values())
    assert [assets.find_model(name) for name in assets.MODELS] == list(paths)
    assert {path.name for path in assets.home().iterdir()} == set(assets.MODELS)


def test_a_second_fetch_downloads_nothing(fake_models):
    assets.fetch(download=lambda folder: wheel(folder, CONTENTS))

    def never(folder):
        raise AssertionError("downloaded again")

    assets.fetch(download=never)


def test_a_tampered_wheel_is_refused_and_leaves_nothing(fake_models):
    tampered = CONTENTS | {"pose_landmark_full.tflite": b"something else"}
    with pytest.raises(ValueError, match="SHA-256"):
        assets.fetch(download=lambda folder: wheel(folder, tampered))
    assert list(assets.home().iterdir()) == []


def test_a_broken_download_is_refused(fake_models):
    def cut(folder):
        path = wheel(folder, CONTENTS)
        path.write_bytes(path.read_bytes()[:-50])
        return path

    with pytest.raises(ValueError, match="not a whole wheel"):
        assets.fetch(download=cut)


def test_a_missing_file_says_what_to_do(fake_models):
    with pytest.raises(FileNotFoundError, match="run `vibe fetch`"):
        assets.find_model("pose_detection.tflite")


def test_a_damaged_file_is_not_used(fake_models):
    paths = assets.fetch(download=lambda folder: wheel(folder, CONTENTS))
    paths[0].write_bytes(b"damaged")
    with pytest.raises(ValueError, match="damaged"):
        assets.find_model(paths[0].name)
    assets.fetch(download=lambda folder: wheel(folder, CONTENTS))
    assert assets.find_model(paths[0].name) == paths[0]


def test_a_failed_download_says_so(fake_models, monkeypatch):
    monkeypatch.setattr(download, "WHEEL", "mediapipe==0.0.0.no.such.version")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(OSError, match="could not download"):
        assets.fetch()


def test_the_environment_comes_before_the_users_folder(fake_models, monkeypatch, tmp_path):
    inside = tmp_path / "environment" / "share" / "vibe"
    assets.fetch(inside, lambda folder: wheel(folder, CONTENTS))
    monkeypatch.delenv("VIBE_HOME")
    assert assets.find_model("pose_detection.tflite").parent == inside
