import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vibe.body.load import load_body
from vibe.evaluate import open_benchmark_clips
from vibe.evaluate.open_benchmark_clips import Listing, clips_checksum, read_listing


def test_the_benchmark_comes_out_as_it_is_listed(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIBE_MOTION", str(shared / "data" / "motion"))
    assert (
        clips_checksum(open_benchmark_clips.make_benchmark_clip(read_listing(), load_body())) == read_listing().sha256
    )


def test_a_clip_s_numbers_do_not_depend_on_the_other_clips(listing: Listing) -> None:
    both = open_benchmark_clips.make_benchmark_clip(listing, load_body())
    alone = open_benchmark_clips.make_benchmark_clip(replace(listing, clips=listing.clips[1:]), load_body())
    assert alone.keys() < both.keys()
    assert all(np.array_equal(both[name], array) for name, array in alone.items())


def test_a_long_clip_is_cut_to_its_middle(listing: Listing) -> None:
    whole, cut = (
        open_benchmark_clips.make_benchmark_clip(replace(listing, longest=most), load_body()) for most in (99, 36)
    )
    assert len(cut["cmu_03_01/poses"]) == 30
    assert np.array_equal(cut["cmu_09_01/poses"], whole["cmu_09_01/poses"][2:38])


def test_the_folder_holds_what_its_manifest_says(listing: Listing, tmp_path: Path) -> None:
    seen = open_benchmark_clips.build_open_benchmark(tmp_path / "out", listing)
    manifest = json.loads((tmp_path / "out" / open_benchmark_clips.MANIFEST).read_text())
    with np.load(tmp_path / "out" / open_benchmark_clips.ARRAYS) as file:
        assert clips_checksum(dict(file)) == manifest["sha256"] == seen == listing.sha256
    assert manifest["clips"] == ["cmu_03_01", "cmu_09_01"] and manifest["frames"] == 66


def test_what_is_not_the_listed_benchmark_is_not_written(listing: Listing, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=listing.sha256):
        open_benchmark_clips.build_open_benchmark(tmp_path / "out", replace(listing, sha256="0" * 64))
    assert not (tmp_path / "out").exists()
