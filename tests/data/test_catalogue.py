"""Every data set that can be prepared, at the border: what it says of itself, and of folders that do not hold it."""

import re
from pathlib import Path

import invented
import pytest

from vibe import assets
from vibe.data.prepare import prepare
from vibe.data.sets.catalogue import SETS

each_set = pytest.mark.parametrize("name", SETS)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folders that hold no set; body and detector, which some sets ask for first, are there."""
    monkeypatch.setattr(assets, "MODELS", {})
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("VIBE_HOME", str(tmp_path / "home"))
    invented.write_bodies(tmp_path / "home")
    (tmp_path / "empty").mkdir()
    (tmp_path / "wrong" / "photographs" / "2019").mkdir(parents=True)
    (tmp_path / "wrong" / "photographs" / "2019" / "notes.txt").write_text("nothing", encoding="utf-8")
    (tmp_path / "download.zip").write_bytes(b"PK")
    return tmp_path


@each_set
@pytest.mark.parametrize("raw", ["absent", "empty", "wrong", "download.zip"])
def test_a_raw_folder_that_does_not_hold_the_set_is_named_with_the_layout(name: str, raw: str, folder: Path) -> None:
    with pytest.raises(FileNotFoundError) as error:
        prepare(name, SETS[name], folder / raw, folder / "out")
    assert str(folder / raw) in str(error.value) and SETS[name].layout in str(error.value)
    assert not (folder / "out").exists()


@each_set
def test_a_set_has_a_name_to_type_and_says_whose_it_is_and_what_it_looks_like(name: str) -> None:
    about = SETS[name]
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)
    assert about.title and about.layout and about.licence.endswith(".") and about.recipe
    assert "\n" not in about.title + about.layout + about.licence
