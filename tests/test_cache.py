import tempfile
from pathlib import Path

import pytest
import safetensors.torch
import torch

from vibe import cache
from vibe.cache import StageCache

KEYS = {"tracks": "a" * 64, "motion": "b" * 64}
TENSORS = {"x": torch.arange(6.0).reshape(2, 3), "when": torch.tensor([0.1, 0.2], dtype=torch.float64)}
ABOUT = {"notes": ["two people left"], "fps": 29.97}


def shelf(folder: Path) -> StageCache:
    return StageCache(folder, KEYS)


def saved(folder: Path) -> Path:
    with shelf(folder) as kept:
        kept.put("tracks", "all", TENSORS, ABOUT)
    [file] = folder.rglob("*.safetensors")
    return file


def test_a_key_depends_on_what_is_said_and_on_nothing_else() -> None:
    assert cache.key("a", {"x": 1, "y": [2.5, None]}) == cache.key("a", {"y": (2.5, None), "x": 1})
    others = [cache.key("a", {"x": 1}), cache.key("a", {"x": 2}), cache.key("b", {"x": 1}), cache.key("a")]
    assert len(set(others)) == 4 and all(len(each) == 64 for each in others)
    with pytest.raises(TypeError):
        cache.key(Path("x"))
    with pytest.raises(ValueError):
        cache.key(float("nan"))


def test_a_file_s_key_is_that_of_its_bytes_whatever_its_name(tmp_path: Path) -> None:
    one, other, changed = (tmp_path / name for name in ("one.mp4", "other.avi", "changed.mp4"))
    for file, content in ((one, b"film"), (other, b"film"), (changed, b"fiLm")):
        file.write_bytes(content)
    assert cache.content_key(one) == cache.content_key(other) != cache.content_key(changed)


def test_a_folder_s_key_is_that_of_its_files_and_their_names(tmp_path: Path) -> None:
    keys = []
    for names, contents in (("ab", "xy"), ("ab", "yx"), ("ac", "xy"), ("a", "x"), ("ab", "xy")):
        folder = tmp_path / str(len(keys))
        folder.mkdir()
        for name, content in zip(names, contents, strict=True):
            (folder / name).write_text(content)
        keys.append(cache.content_key(folder))
    assert len(set(keys[:4])) == 4 and keys[0] == keys[4]


def test_what_is_kept_comes_back_bit_for_bit(tmp_path: Path) -> None:
    saved(tmp_path)
    with shelf(tmp_path) as kept:
        tensors, about = kept.get("tracks", "all") or ({}, {})
        assert about == ABOUT and tensors.keys() == TENSORS.keys()
        assert all(
            torch.equal(tensors[name], each) and tensors[name].dtype == each.dtype for name, each in TENSORS.items()
        )
        assert kept.get("motion", "all") is None and kept.get("tracks", "none") is None and kept.notes == []
    with StageCache(tmp_path, KEYS | {"tracks": "c" * 64}) as other:
        assert other.get("tracks", "all") is None


@pytest.mark.parametrize("harm", ["cut", "empty", "flipped", "swapped", "foreign", "folder"])
def test_a_damaged_file_is_as_good_as_none_and_a_note_says_so(harm: str, tmp_path: Path) -> None:
    file = saved(tmp_path)
    content = bytearray(file.read_bytes())
    content[-3] ^= 4
    if harm == "folder":
        file.unlink()
        file.mkdir()
    elif harm == "foreign":
        safetensors.torch.save_file(TENSORS, file)
    elif harm == "swapped":
        file.write_bytes(file.read_bytes().replace(b"29.97", b"30.97"))
    else:
        file.write_bytes({"cut": file.read_bytes()[:-9], "empty": b"", "flipped": bytes(content)}[harm])
    with shelf(tmp_path) as kept:
        assert kept.get("tracks", "all") is None
        [note] = kept.notes
        assert "damaged" in note and "all.safetensors" in note


def test_without_a_folder_nothing_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with StageCache(None, {}) as kept:
        assert not kept.keeps and kept.get("tracks", "all") is None
        kept.put("tracks", "all", TENSORS)
        assert kept.get("tracks", "all") is not None and list(tmp_path.rglob("*.safetensors"))
    assert list(tmp_path.iterdir()) == []
