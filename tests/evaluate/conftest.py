from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from world_takes import Walkers, walkers

from vibe.body.load import load_body
from vibe.evaluate import open_benchmark_clips
from vibe.evaluate.open_benchmark_clips import HeldOut, Listing, clip_checksum, clips_checksum


@pytest.fixture
def listing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Listing:
    """A list of two short clips of invented motion, which lies where motion is looked for."""
    random = np.random.default_rng(0)
    time = np.arange(70)[:, None] / 30
    poses = (0.3 * np.sin(2 * np.pi * (time * random.uniform(0.2, 1, 72) + random.random(72)))).astype(np.float16)
    trans = np.tile(np.array([0.0, 0.95, 0.0], np.float16), (70, 1))
    names, ends = ["cmu_03_01", "cmu_09_01"], [0, 30, 70]
    folder = tmp_path / "motion"
    folder.mkdir()
    np.savez(folder / "tiny.npz", poses=poses, trans=trans, seq_offsets=np.array(ends), names=np.array(names), fps=30)
    monkeypatch.setenv("VIBE_MOTION", str(folder))
    clips = tuple(
        HeldOut(name, stop - start, clip_checksum(poses[start:stop], trans[start:stop]))
        for name, start, stop in zip(names, ends[:-1], ends[1:], strict=True)
    )
    listed = Listing("tiny.npz", 1, 36, clips, "")
    return replace(listed, sha256=clips_checksum(open_benchmark_clips.make_benchmark_clip(listed, load_body())))


@pytest.fixture(scope="session")
def world_clip(tmp_path_factory: pytest.TempPathFactory, shared: Path) -> Walkers:
    """Two people who walk before a camera that goes along: truth and result."""
    return walkers(tmp_path_factory.mktemp("clips"), shared / "data" / "motion")
