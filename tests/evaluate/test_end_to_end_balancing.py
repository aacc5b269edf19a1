from pathlib import Path

import numpy as np
import pytest
import torch

from vibe.evaluate import end_to_end
from vibe.evaluate.scores import WHOLE, systems
from vibe.models.network import load_network


def written(folder: Path) -> None:
    names = [side + joint for side in "LR" for joint in ("Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle", "Toe")]
    joints = np.arange(5 * len(names) * 3, dtype=np.float32).reshape(5, -1, 3)
    np.savez(folder / "truth.npz", **{"joint_names": np.array(names), "cam01.joints_cam": joints})


def test_the_truth_s_joints_come_in_the_order_of_the_limbs(tmp_path: Path) -> None:
    written(tmp_path)
    truth = end_to_end.truth_of(tmp_path, "cam01")
    assert truth.shape == (5, 12, 3)
    assert truth[0, :, 0].tolist() == [0, 21, 3, 24, 6, 27, 9, 30, 12, 33, 15, 36]


def test_a_folder_without_the_clip_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="--data"):
        end_to_end.balancing_clip(tmp_path, load_network(), systems())


def test_the_real_clip_is_scored_in_both_views(shared: Path) -> None:
    folder = shared / "data" / "videos" / "balancing"
    report = end_to_end.balancing_clip(folder, load_network(), systems(refine=False))
    whole = [score for score in report.scores if score.part == WHOLE]
    assert [score.frames for score in whole] == [200, 200]
    assert {score.part for score in report.scores} == {WHOLE, *end_to_end.BALANCING_VIEWS}
    assert all(30 < score.errors["pa_mpjpe_mm"] < 110 and "pve_mm" not in score.errors for score in report.scores)
    assert torch.tensor([score.errors["acceleration_error_m_s2"] for score in whole]).isfinite().all()
