import numpy as np
import pytest
import torch
from wanderer import wandering

from vibe.body.load import load_body
from vibe.body.pose import mirror_rotmat, pose_joints
from vibe.inference.uncertainty import MODEL, deviations, joint_std, uncertainty_signs
from vibe.skeletons import COCO, DETECTED27, SMPL, index, mirrored

FLIP = torch.tensor([-1.0, 1.0, 1.0])


@pytest.fixture
def evidence():
    """What `uncertainty_signs` reads, of a person who is seen as they are."""
    one = wandering(40)
    joints = pose_joints(load_body(), one.rotmat, one.betas)[1]
    joints = joints - joints[:, :1] + one.trans[:, None]
    points = torch.zeros(len(joints), len(DETECTED27), 6)
    points[:, : len(COCO), [0, 1, 5]] = one.keypoints_px
    return {
        "joints_cam": joints, "said_cam": joints + 0.01, "rotmat": one.rotmat, "points": points, "K_px": one.K_px,
        "times": one.times,
    }  # fmt: skip


def std(evidence, **change):
    return joint_std(uncertainty_signs(**{**evidence, **change}))


def test_a_wrist_that_is_not_seen_is_less_sure_than_one_that_is(evidence):
    points = evidence["points"].clone()
    points[:, COCO.index("left_wrist"), 5] = 0.05
    hidden, seen = std(evidence, points=points), std(evidence)
    wrist = SMPL.index("left_wrist")
    assert (hidden[:, wrist] > torch.tensor([1.5, 1.0]) * seen[:, wrist]).all()


def test_far_limbs_are_less_sure_than_hips_and_depth_less_than_the_picture_shows(evidence):
    mean = std(evidence).mean(0)
    hips, ends = (index(SMPL, [f"{side}_{joint}" for side in ("left", "right")]) for joint in ("hip", "wrist"))
    assert (mean[ends] > 1.5 * mean[hips]).all()
    assert (mean[1:].mean(0)[1] > mean[1:].mean(0)[0]) and mean[0, 1] > 3 * mean[0, 0]


def test_a_person_in_the_mirror_is_as_sure_on_the_other_side(evidence):
    swap, points = mirrored(SMPL), evidence["points"][:, mirrored(DETECTED27)].clone()
    points[..., 0] = 2 * evidence["K_px"][0, 2] - points[..., 0]
    places = {name: evidence[name][:, swap] * FLIP for name in ("joints_cam", "said_cam")}
    other = std(evidence, points=points, rotmat=mirror_rotmat(evidence["rotmat"]), **places)
    torch.testing.assert_close(other[:, swap], std(evidence), rtol=0.05, atol=0)


@pytest.mark.parametrize("frames", [1, 2, 40])
def test_who_is_nowhere_seen_has_finite_deviations(evidence, frames):
    nothing = {name: each[:frames] for name, each in evidence.items() if name != "K_px"}
    nothing["points"] = torch.zeros_like(nothing["points"])
    found = std(evidence, **nothing)
    assert found.shape == (frames, 24, 2) and bool(found.isfinite().all()) and bool((found > 0).all())


def test_signs_beyond_what_was_calibrated_count_no_more(evidence):
    with np.load(MODEL, allow_pickle=False) as file:
        model = {name: torch.from_numpy(file[name]) for name in file.files if name != "allow_pickle"}
    far = [model["mean"] + size * model["spread"] for size in (3.0, 1e6)]
    one, two = (deviations(each.expand(24, -1), model) for each in far)
    torch.testing.assert_close(one, two)
