from pathlib import Path

import numpy as np
import pytest
import roma
import torch

from vibe.data import motion


def written(path: Path, names: list[str], lengths: list[int], **changes: object) -> Path:
    frames = sum(lengths)
    poses = np.zeros((frames, 72), np.float16)
    poses[:, 3] = np.arange(frames) / 100
    arrays = {"poses": poses, "trans": np.zeros((frames, 3), np.float16), "names": np.array(names), "fps": 30,
              "seq_offsets": np.concatenate([[0], np.cumsum(lengths)])}  # fmt: skip
    arrays |= changes
    np.savez(path, **arrays)
    return path


def test_held_out_subjects_and_the_others_share_no_clip_and_lose_none(tmp_path: Path) -> None:
    path = written(tmp_path / "a.npz", ["cmu_01_01", "cmu_03_02", "accad_run", "cmu_06_01"], [10, 20, 30, 40])
    kept, held = (motion.load_motions([path], held_out) for held_out in (False, True))
    assert kept.lengths.tolist() == [10, 30] and held.lengths.tolist() == [20, 40]
    assert kept.subjects == ("cmu_01", "accad")


def test_a_window_stays_inside_its_clip(tmp_path: Path) -> None:
    path = written(tmp_path / "a.npz", ["cmu_01_01", "cmu_02_01"], [40, 40])
    motions = motion.load_motions([path], False)
    windows, _ = motion.draw_windows(
        motions, motion.clip_weights(motions), 200, 16, 1.5, torch.Generator().manual_seed(0)
    )
    angle = roma.unitquat_to_rotvec(windows)[:, :, 1, 0] * 100
    first = (angle < 39.8).all(1) | (angle > 39.2).all(1)
    assert first.all()


def test_a_short_clip_is_held_at_its_end(tmp_path: Path) -> None:
    motions = motion.load_motions([written(tmp_path / "a.npz", ["cmu_01_01"], [5])], False)
    windows, _ = motion.draw_windows(motions, torch.ones(1), 3, 12, 1.0, torch.Generator().manual_seed(0))
    assert torch.equal(windows[:, -1], windows[:, -2])


def test_one_long_subject_does_not_fill_the_training(tmp_path: Path) -> None:
    motions = motion.load_motions([written(tmp_path / "a.npz", ["cmu_60_01", "cmu_02_01"], [400, 100])], False)
    shares = motion.clip_weights(motions)
    assert 1 < float(shares[0] / shares[1]) < 4


def test_a_file_without_motion_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "b.npz", names=np.array(["x"]))
    with pytest.raises(ValueError, match="poses"):
        motion.load_motions([tmp_path / "b.npz"], False)


def test_a_missing_file_names_the_places_and_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VIBE_MOTION", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="VIBE_MOTION"):
        motion.find_motion("nothing.npz")


@pytest.mark.parametrize(
    "changes",
    [
        {"fps": np.array("30")}, {"fps": np.array([30.0])}, {"poses": np.zeros((10, 71), np.float16)},
        {"poses": np.full((10, 72), np.nan)}, {"trans": np.zeros((9, 3))}, {"seq_offsets": np.array([0.0, 10.0])},
        {"seq_offsets": np.array([0, 11])}, {"seq_offsets": np.array([5, 10])},
        {"seq_offsets": np.array([0, 5, 10])}, {"poses": np.zeros((10, 72), int)},
    ],
)  # fmt: skip
def test_damaged_arrays_are_refused_with_the_path(tmp_path: Path, changes: dict[str, np.ndarray]) -> None:
    path = written(tmp_path / "damaged.npz", ["cmu_01_01"], [10], **changes)
    with pytest.raises(ValueError, match=r"damaged\.npz"):
        motion.load_motions([path], False)


def test_files_without_a_clip_of_those_wanted_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a\.npz: no clip of the held-out subjects"):
        motion.load_motions([written(tmp_path / "a.npz", ["cmu_01_01"], [10])], True)
